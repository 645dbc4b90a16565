// What a configuration is judged by before there is a parser: whether a mapping compiles, and which formats there are.
#include "ingest/parser.hpp"

namespace tidewaiter::ingest {

Result<std::string> check_mapping(const MappingFile& file) {
  TRY_ASSIGN(const auto parser, Parser::create({}, {file}));
  return parser->counts().front().format;
}

std::vector<std::string> embedded_formats() {
  std::vector<std::string> names;
  const auto parser = Parser::create();
  if (!parser) return names;
  for (const FormatCount& count : (*parser)->counts()) names.push_back(count.format);
  names.pop_back();  // "unknown"
  return names;
}

}  // namespace tidewaiter::ingest
