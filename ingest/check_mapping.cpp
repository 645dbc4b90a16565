// What a configuration is judged by before there is a parser: whether a mapping compiles, and which formats there are.
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "ingest/parser.hpp"

namespace tidewaiter::ingest {

Result<std::string> check_mapping(const MappingFile& file) {
  TRY_ASSIGN(const auto parser, Parser::create({}, {file}));
  return parser->counts().front().format;
}

Result<void> check_distinct(const std::vector<MappingFile>& files) {
  std::map<std::string, const std::string*> first;  // by key and value: the file that has it
  for (const MappingFile& file : files) {
    const auto mapping = nlohmann::json::parse(file.json, nullptr, false);
    if (!mapping.is_object()) continue;
    for (const char* key : {"format", "number"}) {
      if (!mapping.contains(key)) continue;
      const std::string value = std::string(key) + " " + mapping[key].dump();
      const auto [before, added] = first.try_emplace(value, &file.name);
      if (!added)
        return fail(Code::invalid_argument, "mapping " + file.name + ": " + key + ": " + *before->second + " has " + value +
                                                " already; give each mapping file one of its own");
    }
  }
  return {};
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
