// Which formats a Parser knows, and which of them a message may be: told by the keys at its top.
#include <algorithm>

#include "ingest/json_text.hpp"
#include "ingest/parser_state.hpp"

namespace tidewaiter::ingest {

namespace ondemand = simdjson::ondemand;

Result<void> Parser::State::add(const MappingFile& file) {
  Format format;
  const bool is_plain = is_plain_mapping(file.json) && !options.explain;
  if (is_plain) TRY(add_plain(file, format));
  if (!is_plain || reads_arrays(file.json)) TRY(add_general(file, format));
  const auto same = std::find_if(formats.begin(), formats.end(), [&](const Format& f) { return f.name == format.name; });
  if (same != formats.end()) *same = std::move(format);
  else formats.push_back(std::move(format));
  return {};
}

Result<void> Parser::State::add_plain(const MappingFile& file, Format& format) {
  TRY_ASSIGN(auto plan, Plan::compile(file.json, file.name));
  format.name = plan->format;
  format.by_headers = !plan->header_prefix.empty();
  std::vector<std::string> keys;
  for (std::uint32_t i = 0; i < plan->nodes[0].child_count; ++i) {
    const PlanNode& node = plan->nodes[plan->nodes[0].first_child + i];
    if (node.capture >= 0 && (plan->required_captures >> node.capture & 1) != 0) keys.push_back(node.key);
  }
  format.ways.push_back({numbers_of(keys), false});
  format.plain = std::make_unique<PlanWalker>(std::move(plan));
  return {};
}

Result<void> Parser::State::add_general(const MappingFile& file, Format& format) {
  TRY_ASSIGN(auto recipe, Recipe::compile(file.json, file.name));
  format.name = recipe->format;
  for (const Shape& one : recipe->shapes) {
    format.by_headers = format.by_headers || one.any_header;
    format.ways.push_back({numbers_of(one.keys), one.array});
  }
  format.by_headers = format.by_headers || !recipe->header_prefix.empty();
  has_text = has_text || recipe->is_text;
  const bool is_signed = !recipe->signatures.empty();
  format.general = std::make_unique<RecipeWalker>(std::move(recipe));
  if (is_signed && options.trust) format.general->judge_signatures(options.trust);
  for (const auto& [name, columns] : options.text_columns)
    if (name == format.name) format.general->set_text_columns(columns);
  return {};
}

KeySet Parser::State::numbers_of(const std::vector<std::string>& keys) {
  KeySet set;
  for (const std::string& key : keys) {
    const std::size_t number = key_numbers.try_emplace(key, key_numbers.size()).first->second;
    if (number < shape_keys_max) set.set(number);
  }
  return set;
}

/// Which of the keys that tell formats apart the message has; of a list, any of its elements.
bool Parser::State::shape(ondemand::document& document, bool array, KeySet& keys) {
  ondemand::object fields;
  if (!array) return document.get_object().get(fields) == simdjson::SUCCESS && add_keys(fields, keys);
  ondemand::array elements;
  if (document.get_array().get(elements) != simdjson::SUCCESS) return false;
  for (auto result : elements) {
    ondemand::value one;
    if (std::move(result).get(one) != simdjson::SUCCESS) return false;
    if (!begins_value(one.raw_json_token().data())) return false;
    if (one.raw_json_token()[0] != '{') continue;
    if (one.get_object().get(fields) != simdjson::SUCCESS || !add_keys(fields, keys)) return false;
  }
  return true;
}

bool Parser::State::add_keys(ondemand::object& fields, KeySet& keys) const {
  std::string name;
  for (auto result : fields) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return false;
    KeyText buffer;
    name = key_text(field.key().raw(), buffer);
    const auto known = key_numbers.find(name);
    if (known != key_numbers.end() && known->second < shape_keys_max) keys.set(known->second);
  }
  return true;
}

}  // namespace tidewaiter::ingest
