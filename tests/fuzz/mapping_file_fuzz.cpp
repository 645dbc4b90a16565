// Any bytes as a mapping file: it compiles or an error names it, and one that compiles reads messages within bounds.
// A file that is nearly good is made of the built-in ones: the first two bytes choose one and a place, the rest is put there.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/body.hpp"
#include "ingest/mapping_path.hpp"
#include "ingest/parser.hpp"

using namespace tidewaiter;
using namespace tidewaiter::ingest;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void compile_and_read(const std::string& json) {
  for (const bool explain : {false, true}) {
    ParserOptions options;
    options.explain = explain;
    auto parser = Parser::create(std::move(options), {{"fuzzed", json}});
    if (!parser) {
      require(parser.error().code == Code::invalid_argument && !parser.error().message.empty());
      continue;
    }
    Batch batch(1 << 16);
    BodyParts parts;
    parts.headers = {{"principal", "p"}, {"ce_id", "1"}};
    parts.receive_time_ns = 1'780'000'000'000'000'000;
    for (const std::string_view value :
         {std::string_view(R"({"a":{"b":[1,"x",{"key":"k","value":{"stringValue":"v"}}]},"log":"{\"a\":1}","data":"eyJhIjoxfQ=="})"),
          std::string_view(R"([{"a":1},2,"{}"])"), std::string_view("a b c\n1 2 3")}) {
      parts.value = value;
      require(append_message(batch, intern_origin("fuzz", {}, "t"), 0, 0, -1, parts));
    }
    (*parser)->parse(batch);
    for (const Event& event : batch.events)
      for (const ColumnInfo& column : columns)
        if (column.kind == ColumnKind::string && event.has(static_cast<Str>(column.slot)))
          require(event.get(static_cast<Str>(column.slot)).size() <= column.limit_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 1 << 15) return 0;
  static const std::vector<MappingFile> built_in = embedded_mappings();
  const std::string text(reinterpret_cast<const char*>(data) + 3, size - 3);
  if (const auto path = parse_path(text); !path) require(!path.error().message.empty());
  if (data[0] % 4 == 0) {
    compile_and_read(text);
    return 0;
  }
  std::string json = built_in[data[0] % built_in.size()].json;
  const std::size_t at = (data[1] * 256u + data[2]) % json.size();
  json.replace(at, text.size() / 2, text);
  compile_and_read(json);
  return 0;
}
