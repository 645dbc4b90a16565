#include "app/config_checks.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <regex>
#include <set>

#include "core/clock.hpp"
#include "filter/filter.hpp"
#include "ingest/kafka_rules.hpp"

namespace tidewaiter::app {
namespace {

class Checker {
 public:
  Checker(const Config& config, const YamlTree& tree, std::vector<Finding>& findings)
      : config_(config), tree_(tree), findings_(findings) {}

  void check(bool is_whole) {
    check_store();
    check_logs();
    check_sizes();
    check_formats(config_, tree_, findings_);
    check_topics();
    check_kafka_properties();
    check_connector_names();
    check_http();
    if (is_whole) check_memory();
  }

 private:
  void wrong(const std::string& pointer, std::string message) {
    const Place place = tree_.place_of(pointer);
    findings_.push_back({config_.file, place.line, place.column, key_of_pointer(pointer), std::move(message)});
  }

  static bool is_inside(const std::string& path, const std::string& directory) {
    std::error_code error;
    const auto inner = std::filesystem::weakly_canonical(path, error), outer = std::filesystem::weakly_canonical(directory, error);
    const auto relative = inner.lexically_relative(outer);
    return !relative.empty() && *relative.begin() != "..";
  }

  void check_store() {
    for (const auto& [key, path] : {std::pair{"signing_key_file", config_.store.signing_key_file},
                                    std::pair{"head_file", config_.store.head_file}})
      if (!path.empty() && is_inside(path, config_.store.directory))
        wrong(std::string("/store/") + key, "must lie outside the store's directory " + config_.store.directory +
                                                ": who can rewrite the store must not find it there");
  }

  void check_filter(const std::string& pointer, const std::string& text) {
    if (const auto filter = filter::Filter::compile(text, SystemClock().now_ns()); !filter)
      wrong(pointer, "not a filter: " + filter.error().message);
  }

  void check_logs() {
    static const std::set<std::string> own = {"control", "alerts", "receipts", "access", "rejects"};
    std::set<std::string> names;
    for (std::size_t i = 0; i < config_.logs.size(); ++i) {
      const RetentionClass& log = config_.logs[i];
      const std::string pointer = "/logs/" + std::to_string(i);
      if (own.contains(log.name)) wrong(pointer + "/name", "'" + log.name + "' is one of the store's own logs; choose another name");
      if (!names.insert(log.name).second) wrong(pointer + "/name", "'" + log.name + "' is there twice");
      check_filter(pointer + "/where", log.where);
      const bool last = i + 1 == config_.logs.size();
      if (!last && log.where.empty()) wrong(pointer, "takes everything, so that the classes behind it get nothing; give it a 'where' or put it last");
      if (last && !log.where.empty()) wrong(pointer + "/where", "the last class takes what is left and has no 'where'");
    }
  }

  void check_range(const std::string& pointer, std::uint64_t value, std::uint64_t low, std::uint64_t high, const char* words) {
    if (value < low || value > high) wrong(pointer, "expected " + std::string(words) + ", found " + std::to_string(value) + " bytes");
  }

  void check_sizes() {
    check_range("/store/commit_bytes", config_.store.commit_bytes, 4096, 64 << 20, "4KiB to 64MiB");
    check_range("/store/block_bytes_max", config_.store.block_bytes_max, 4096, 16 << 20, "4KiB to 16MiB");
    check_range("/store/cache_bytes", config_.store.cache_bytes, 1 << 20, std::uint64_t{1} << 40, "at least 1MiB");
    check_range("/limits/message_bytes_max", config_.limits.message_bytes_max, 64, 16 << 20, "64B to 16MiB");
    check_range("/detect/memory_bytes", config_.detect.memory_bytes, 16 << 20, std::uint64_t{1} << 40, "at least 16MiB");
  }

  void check_topics() {
    for (std::size_t i = 0; i < config_.kafka.topics.size(); ++i) {
      const std::string& topic = config_.kafka.topics[i];
      const std::string pointer = "/kafka/topics/" + std::to_string(i);
      if (topic[0] == '^') {
        try {
          std::regex compiled(topic, std::regex::extended);
        } catch (const std::regex_error& e) {
          wrong(pointer, std::string("not a regular expression: ") + e.what());
        }
      } else if (topic.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != std::string::npos) {
        wrong(pointer, "'" + topic + "' is no name of a topic (letters, digits, '.', '_' and '-'); a pattern begins with ^");
      }
    }
  }

  void check_kafka_properties() {
    auto properties = config_.kafka.properties;
    while (const auto refused = ingest::refused_property(properties)) {
      wrong(child_pointer("/kafka/properties", refused->name), refused->reason);
      if (properties.erase(refused->name) == 0) break;
    }
  }

  void check_connector_names() {
    std::set<std::string> names;
    for (std::size_t i = 0; i < config_.connectors.size(); ++i) {
      const ConnectorEntry& connector = config_.connectors[i];
      const std::string pointer = "/connectors/" + std::to_string(i);
      if (!names.insert(connector.name).second) wrong(pointer + "/name", "'" + connector.name + "' is there twice");
      if (connector.select_alerts == "off" && connector.select_events == "off" && !connector.select_checkpoints)
        wrong(pointer + "/select", "alerts, events and checkpoints are all off: nothing would ever be sent");
      for (const auto& [key, text] : {std::pair{"alerts", connector.select_alerts}, std::pair{"events", connector.select_events}})
        if (text != "all" && text != "off") check_filter(pointer + "/select/" + key, text);
    }
  }

  /// What waits encoded, one request and its compressed form, and what is known of each item.
  static std::uint64_t memory_of(const ConnectorEntry& connector) {
    constexpr std::uint64_t at_least = 32ull << 20, of_item = 512;
    return std::max(at_least, connector.pending_bytes_max + 2 * connector.batch_bytes_max +
                                  of_item * connector.pending_items_max);
  }

  /// Of 16 partitions with a backlog, beyond the 2 MiB each that are set unless somebody sets more.
  std::uint64_t additional_broker_queue() const {
    constexpr std::uint64_t usual_kib = 2'048, partitions = 16;
    const auto set = config_.kafka.properties.find("queued.max.messages.kbytes");
    std::uint64_t kib = 0;
    if (set != config_.kafka.properties.end())
      std::from_chars(set->second.data(), set->second.data() + set->second.size(), kib);
    return kib > usual_kib ? partitions * (kib - usual_kib) << 10 : 0;
  }

  void check_memory() {
    constexpr std::uint64_t under_way = 16;
    if (config_.memory_limit_bytes == 0) return;
    const std::uint64_t fixed = (704ull << 20) + additional_broker_queue();
    const std::uint64_t batches = under_way * std::max(config_.store.commit_bytes, config_.limits.message_bytes_max);
    std::uint64_t connectors = 0;
    for (const ConnectorEntry& connector : config_.connectors) connectors += memory_of(connector);
    const std::uint64_t needed = fixed + config_.detect.memory_bytes + config_.store.cache_bytes + batches + connectors;
    if (needed <= config_.memory_limit_bytes) return;
    wrong("/memory_limit_bytes", "the parts may add up to " + std::to_string(needed >> 20) + " MiB: detect.memory_bytes " +
                                     std::to_string(config_.detect.memory_bytes >> 20) + ", store.cache_bytes " +
                                     std::to_string(config_.store.cache_bytes >> 20) + ", batches under way " +
                                     std::to_string(batches >> 20) + ", connectors " +
                                     std::to_string(connectors >> 20) + ", the rest " +
                                     std::to_string(fixed >> 20));
  }

  static bool is_loopback(const std::string& address) {
    return address.empty() || address.starts_with("127.") || address.starts_with("localhost:") || address.starts_with("[::1]:");
  }

  void check_http() {
    for (const auto& [key, address] : {std::pair{"api_address", config_.http.api_address},
                                       std::pair{"metrics_address", config_.http.metrics_address}}) {
      const std::size_t colon = address.rfind(':');
      if (colon != std::string::npos && std::stoul(address.substr(colon + 1)) > 65535)
        wrong(std::string("/http/") + key, "a port is at most 65535");
    }
    if (!is_loopback(config_.http.api_address) && config_.http.token_file.empty())
      wrong("/http/api_address", "beyond loopback the API needs a token_file");
  }

  const Config& config_;
  const YamlTree& tree_;
  std::vector<Finding>& findings_;
};

}  // namespace

void check_meaning(const Config& config, const YamlTree& tree, bool is_whole, std::vector<Finding>& findings) {
  Checker(config, tree, findings).check(is_whole);
  check_attestation(config, tree, findings);
}

}  // namespace tidewaiter::app
