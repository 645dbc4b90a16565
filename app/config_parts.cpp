// The parts of a configuration that other rooms judge: the policy's rules, the connectors' settings.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "app/config_checks.hpp"
#include "app/json_tree.hpp"
#include "app/schema.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "detect/policy.hpp"
#include "forward/connector.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::app {
namespace {

/// The pointer of "rules[2].where", or "fields.agent.uid[0]": members may have dots in their names.
std::string pointer_of_key(std::string_view key, const nlohmann::json& root) {
  std::string pointer;
  const nlohmann::json* at = &root;
  while (!key.empty()) {
    if (key.starts_with('[')) {
      const std::size_t close = std::min(key.find(']'), key.size() - 1);
      const std::string digits(key.substr(1, close - 1));
      key.remove_prefix(close + 1);
      pointer = child_pointer(pointer, digits);
      const auto next = nlohmann::json::json_pointer(pointer);
      at = root.contains(next) ? &root[next] : nullptr;
    } else {
      std::size_t end = key.size();
      while (at != nullptr && !at->contains(std::string(key.substr(0, end)))) {
        const std::size_t before = end == 0 ? std::string_view::npos : key.find_last_of(".[", end - 1);
        if (before == std::string_view::npos) at = nullptr;
        else end = before;
      }
      if (at == nullptr) end = std::min(key.find_first_of(".["), key.size());
      pointer = child_pointer(pointer, key.substr(0, end));
      if (at != nullptr) at = &(*at)[std::string(key.substr(0, end))];
      key.remove_prefix(end);
    }
    if (key.starts_with('.')) key.remove_prefix(1);
  }
  return pointer;
}

/// "rules[2].where: unknown field" of another room as a place in the file: its key, and what is left to say.
std::pair<std::string, std::string> split_place(const std::string& message) {
  const std::size_t colon = message.find(": ");
  const std::string key = message.substr(0, colon == std::string::npos ? 0 : colon);
  const bool is_key = !key.empty() && key.find(' ') == std::string::npos && key.find('\'') == std::string::npos;
  if (!is_key) return {"", message};
  return {key, message.substr(colon + 2)};
}

Finding finding_of(const std::string& file, const YamlTree& tree, std::string message) {
  if (message.starts_with("policy: ")) message.erase(0, 8);
  auto [key, text] = split_place(message);
  const Place place = tree.place_of(pointer_of_key(key, tree.value));
  return {file, place.line, place.column, std::move(key), std::move(text)};
}

/// Events are stored with the number of their mapping: those of built-in ones cannot be taken by another format.
bool has_free_number(const nlohmann::json& mapping) {
  constexpr int first_free = 1000;
  if (mapping["number"] >= first_free) return true;
  const std::vector<ingest::MappingFile> built_in = ingest::embedded_mappings();
  return std::any_of(built_in.begin(), built_in.end(), [&](const ingest::MappingFile& file) {
    const nlohmann::json known = nlohmann::json::parse(file.json);
    return known["format"] == mapping["format"] && known["number"] == mapping["number"];
  });
}

}  // namespace

forward::ConnectorConfig connector_config(const ConnectorEntry& entry, std::size_t index) {
  forward::ConnectorConfig config;
  config.name = entry.name;
  config.type = entry.type;
  config.index = index;
  config.select_alerts = entry.select_alerts;
  config.select_events = entry.select_events;
  config.select_checkpoints = entry.select_checkpoints;
  config.settings = entry.settings;
  config.batch_items_max = entry.batch_items_max;
  config.batch_bytes_max = entry.batch_bytes_max;
  config.pending_items_max = entry.pending_items_max;
  config.pending_bytes_max = entry.pending_bytes_max;
  return config;
}

namespace {

/// A mistake below or above of one that the schema has told is the same mistake.
bool is_told(const std::vector<std::string>& told, const std::string& pointer, const nlohmann::json& root) {
  return std::any_of(told.begin(), told.end(), [&](const std::string& one) {
    if (one.empty()) return pointer.empty() || !root.contains(nlohmann::json::json_pointer(pointer));
    return pointer == one || pointer.starts_with(one + "/") || one.starts_with(pointer + "/");
  });
}

void check_number(const std::string& file, const YamlTree& mapping, std::vector<Finding>& findings) {
  const nlohmann::json& root = mapping.value;
  const bool has_both = root.is_object() && root.contains("number") && root["number"].is_number() && root.contains("format");
  if (!has_both || has_free_number(root)) return;
  findings.push_back(finding_of(file, mapping, "number: numbers below 1000 belong to the built-in mappings; take one from "
                                               "1000 on, or the format and number of the one that this file replaces"));
}

}  // namespace

std::optional<std::string> check_mapping_text(const std::string& file, const std::string& text, std::vector<Finding>& findings) {
  std::vector<Finding> found;
  const YamlTree mapping = read_json(text, file, found);
  const bool is_read = found.empty() || mapping.value.is_object();
  std::vector<std::string> told;
  for (const Finding& finding : found) told.push_back(pointer_of_key(finding.key, mapping.value));
  if (is_read)
    for (SchemaError& error : validate_by_name(mapping.value, "mapping.schema.json")) {
      const Place place = mapping.place_of(error.pointer);
      found.push_back({file, place.line, place.column, key_of_pointer(error.pointer), std::move(error.message)});
      told.push_back(std::move(error.pointer));
    }
  if (is_read && mapping.value.is_object()) {
    check_number(file, mapping, found);
    for (ingest::MappingFault& fault : ingest::check_mapping({file, text})) {
      const std::string pointer = pointer_of_key(fault.key, mapping.value);
      if (is_told(told, pointer, mapping.value)) continue;
      const Place place = mapping.place_of(pointer);
      found.push_back({file, place.line, place.column, std::move(fault.key), std::move(fault.message)});
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) { return a.line < b.line; });
  const bool is_good = found.empty();
  findings.insert(findings.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  return is_good ? std::optional(mapping.value["format"].get<std::string>()) : std::nullopt;
}

std::optional<std::string> check_mapping_file(const std::string& file, std::vector<Finding>& findings) {
  const auto text = text_of_file(file);
  if (text) return check_mapping_text(file, *text, findings);
  findings.push_back({file, 0, 0, "", text.error().message});
  return std::nullopt;
}

void check_connectors(const Config& config, const YamlTree& tree, std::vector<Finding>& findings) {
  const SystemClock clock;
  Metrics metrics;
  for (std::size_t i = 0; i < config.connectors.size(); ++i) {
    auto made = forward::Connector::create(connector_config(config.connectors[i], i), {}, clock, metrics);
    if (!made) findings.push_back(finding_of(config.file, tree, made.error().message));
  }
}

LoadedPolicy load_policy(const std::string& file, std::vector<Finding>& findings) {
  YamlTree tree;
  tree.value = nlohmann::json::parse(R"({"version":1})");
  if (!file.empty()) {
    auto read = read_valid_yaml(file, "policy.schema.json", false, findings);
    if (!read) return {};
    tree = std::move(*read);
  }
  LoadedPolicy policy;
  policy.json = tree.value.dump();
  policy.hash = to_hex(as_view(sha256(policy.json)));
  if (auto parsed = detect::Policy::parse(policy.json); !parsed) {
    constexpr std::string_view next = "\npolicy: ";  // a filter's message has lines of its own
    std::string_view rest = parsed.error().message;
    for (std::size_t end = 0; end != std::string_view::npos; rest.remove_prefix(end == std::string_view::npos ? 0 : end + 1)) {
      end = rest.find(next);
      findings.push_back(finding_of(file, tree, std::string(rest.substr(0, end))));
    }
  }
  return policy;
}

}  // namespace tidewaiter::app
