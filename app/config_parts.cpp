// The parts of a configuration that other rooms judge: the policy's rules, the connectors' settings.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/config_checks.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "detect/policy.hpp"
#include "forward/connector.hpp"

namespace tidewaiter::app {
namespace {

/// "rules[2].where: unknown field" of another room as a place in the file: its pointer, and what is left to say.
std::pair<std::string, std::string> split_place(const std::string& message) {
  const std::size_t colon = message.find(": ");
  const std::string key = message.substr(0, colon == std::string::npos ? 0 : colon);
  const bool is_key = !key.empty() && key.find(' ') == std::string::npos && key.find('\'') == std::string::npos;
  if (!is_key) return {"", message};
  std::string pointer;
  for (std::size_t at = 0; at < key.size();) {
    const std::size_t end = std::min(key.find_first_of(".[", at), key.size());
    const std::string part = key.substr(at, end - at);
    pointer = child_pointer(pointer, !part.empty() && part.back() == ']' ? part.substr(0, part.size() - 1) : part);
    at = end + 1;
    while (at < key.size() && key[end] == ']' && (key[at] == '.' || key[at] == '[')) ++at;
  }
  return {pointer, message.substr(colon + 2)};
}

Finding finding_of(const std::string& file, const YamlTree& tree, std::string message) {
  if (message.starts_with("policy: ")) message.erase(0, 8);
  auto [pointer, text] = split_place(message);
  const Place place = tree.place_of(pointer);
  const std::string key = pointer.empty() ? "" : message.substr(0, message.find(": "));
  return {file, place.line, place.column, key, std::move(text)};
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
  if (auto parsed = detect::Policy::parse(policy.json); !parsed)
    findings.push_back(finding_of(file, tree, parsed.error().message));
  return policy;
}

}  // namespace tidewaiter::app
