// On-Demand at its best: one walk in document order, the next key guessed from the family's usual order, so that a
// guess that holds costs one comparison and a missing or unknown key no rescan.
#include <simdjson.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace tidewaiter::bench::primitives {
namespace {

namespace od = simdjson::ondemand;

enum class Kind : std::uint8_t { text, number, object, list };
struct Key {
  const char* name;
  Kind kind;
  std::span<const Key> inside{};
};

constexpr Key agent_keys[] = {{"uid", Kind::text}, {"model", Kind::text}};
constexpr Key tool_keys[] = {{"name", Kind::text}};
constexpr Key capability_keys[] = {{"uid", Kind::text}, {"scopes", Kind::list}, {"expires", Kind::text}};
constexpr Key approval_keys[] = {
    {"id", Kind::text}, {"decision", Kind::text}, {"approver", Kind::text}, {"approver_type", Kind::text}};
constexpr Key provenance_keys[] = {{"artifact_digest", Kind::text}, {"kind", Kind::text}, {"builder", Kind::text},
                                   {"source_ref", Kind::text},      {"status", Kind::text}};

constexpr Key data_keys[] = {{"principal", Kind::text},
                             {"principal_type", Kind::text},
                             {"app", Kind::text},
                             {"role", Kind::text},
                             {"tenant", Kind::text},
                             {"risk_tier", Kind::text},
                             {"on_behalf_of", Kind::text},
                             {"agent", Kind::object, agent_keys},
                             {"action", Kind::text},
                             {"operation", Kind::text},
                             {"tool", Kind::object, tool_keys},
                             {"capability", Kind::object, capability_keys},
                             {"src_host", Kind::text},
                             {"src_ip", Kind::text},
                             {"src_port", Kind::number},
                             {"resource", Kind::text},
                             {"resource_type", Kind::text},
                             {"provenance", Kind::object, provenance_keys},
                             {"dst_host", Kind::text},
                             {"dst_ip", Kind::text},
                             {"dst_port", Kind::number},
                             {"l7", Kind::text},
                             {"direction", Kind::text},
                             {"bytes_out", Kind::number},
                             {"bytes_in", Kind::number},
                             {"data_classes", Kind::list},
                             {"volume_basis", Kind::text},
                             {"observer", Kind::text},
                             {"approval", Kind::object, approval_keys},
                             {"outcome", Kind::text},
                             {"outcome_code", Kind::text},
                             {"trace_id", Kind::text},
                             {"correlation", Kind::text}};
constexpr Key envelope_keys[] = {{"id", Kind::text},
                                 {"source", Kind::text},
                                 {"type", Kind::text},
                                 {"time", Kind::text},
                                 {"data", Kind::object, data_keys}};

struct Taken {
  std::uint64_t fields = 0, check = 0;
};

bool take(od::value value, const Key& key, Taken& taken);

bool walk(od::object object, std::span<const Key> keys, Taken& taken) {
  std::size_t guess = 0;
  for (auto field : object) {
    od::raw_json_string name;
    if (field.key().get(name)) return false;
    std::size_t at = guess;
    bool known = false;
    for (std::size_t tried = 0; tried < keys.size(); ++tried) {
      if (name.unsafe_is_equal(keys[at].name)) {
        known = true;
        break;
      }
      at = at + 1 == keys.size() ? 0 : at + 1;
    }
    if (!known) continue;
    guess = at + 1 == keys.size() ? 0 : at + 1;
    od::value value;
    if (field.value().get(value) || !take(value, keys[at], taken)) return false;
  }
  return true;
}

bool take(od::value value, const Key& key, Taken& taken) {
  switch (key.kind) {
    case Kind::text: {
      std::string_view text;
      if (value.get_string().get(text)) return false;
      taken.check += text.size();
      break;
    }
    case Kind::number: {
      std::uint64_t number = 0;
      if (value.get_uint64().get(number)) return false;
      taken.check += number;
      break;
    }
    case Kind::list: {
      od::array array;
      if (value.get_array().get(array)) return false;
      for (auto item : array) {
        std::string_view text;
        if (item.get_string().get(text)) return false;
        taken.check += text.size();
      }
      break;
    }
    case Kind::object: {
      od::object object;
      if (value.get_object().get(object)) return false;
      return walk(object, key.inside, taken);
    }
  }
  ++taken.fields;
  return true;
}

}  // namespace

std::uint64_t extract(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count,
                      std::uint64_t& fields) {
  od::parser parser;
  Taken taken;
  for (std::size_t i = 0; i < count; ++i) {
    od::document document;
    od::object root;
    const simdjson::padded_string_view text(bytes + begin[i], size[i], size[i] + simdjson::SIMDJSON_PADDING);
    if (parser.iterate(text).get(document) || document.get_object().get(root) ||
        !walk(root, envelope_keys, taken))
      return 0;
  }
  fields = taken.fields;
  return taken.check + 1;
}

}  // namespace tidewaiter::bench::primitives
