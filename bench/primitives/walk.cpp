// On-Demand at its barest: one walk over every key and every value of a document, whatever they are. Nothing is looked
// up, unescaped or converted.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidewaiter::bench::primitives {
namespace {

namespace od = simdjson::ondemand;

bool walk_value(od::value value, std::uint64_t& check);

bool walk_object(od::object object, std::uint64_t& check) {
  for (auto field : object) {
    od::raw_json_string key;
    od::value value;
    if (field.key().get(key) || field.value().get(value)) return false;
    check += static_cast<unsigned char>(key.raw()[0]);
    if (!walk_value(value, check)) return false;
  }
  return true;
}

bool walk_array(od::array array, std::uint64_t& check) {
  for (auto element : array) {
    od::value value;
    if (element.get(value) || !walk_value(value, check)) return false;
  }
  return true;
}

bool walk_value(od::value value, std::uint64_t& check) {
  const std::string_view token = value.raw_json_token();
  check += token.size();
  if (token[0] == '{') {
    od::object object;
    return !value.get_object().get(object) && walk_object(object, check);
  }
  if (token[0] == '[') {
    od::array array;
    return !value.get_array().get(array) && walk_array(array, check);
  }
  return true;
}

}  // namespace

std::uint64_t walk(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count) {
  od::parser parser;
  std::uint64_t check = 1;
  for (std::size_t i = 0; i < count; ++i) {
    od::document document;
    od::json_type type;
    const simdjson::padded_string_view text(bytes + begin[i], size[i], size[i] + simdjson::SIMDJSON_PADDING);
    if (parser.iterate(text).get(document) || document.type().get(type)) return 0;
    od::object object;
    od::array array;
    const bool good = type == od::json_type::object ? !document.get_object().get(object) && walk_object(object, check)
                                                    : !document.get_array().get(array) && walk_array(array, check);
    if (!good) return 0;
  }
  return check;
}

}  // namespace tidewaiter::bench::primitives
