// Config: tidewaiter.yaml as one typed struct, validated against schemas/config.schema.json and completed with the
// defaults written there. load_config() reports every mistake at once, each with file, line, key, what was expected and
// the nearest valid word. Cold path; called at start, on SIGHUP and by check-config.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "ingest/table_set.hpp"

namespace tidewaiter::app {

/// A retention class = one log. An event belongs to the first class that matches, a record to the class of its events
/// that keeps longest.
struct RetentionClass {
  std::string name;
  std::uint32_t retention_days = 0;  // 0 = for ever
  std::string where;                 // filter; "" = everything
};

struct StoreConfig {
  std::string directory;                    // absolute
  std::string origin = "tidewaiter.local";
  std::string signing_key_file;             // absolute, outside the store; "" = unsigned
  std::string head_file;                    // absolute; "" = none
  std::int64_t checkpoint_interval_ms = 1000;
  std::int64_t flush_interval_ms = 50;
  std::uint64_t commit_bytes = 2 << 20;
  std::uint64_t block_bytes_max = 512 << 10;
  std::uint64_t segment_records = 262'144;
  std::uint64_t cache_bytes = 64 << 20;
  int zstd_level = 1;
};

struct LimitsConfig {
  std::uint64_t message_bytes_max = 1 << 20;
  std::uint32_t depth_max = 64;
  std::uint32_t keys_max = 250'000;
  std::uint32_t events_max = 10'000;
  bool strict = false;                      // check the grammar of all of a document
  std::vector<std::string> strict_topics;
};

/// What a topic holds.
struct TopicFormat {
  std::string format = "auto";              // by the shape of each message
  bool strict = false;
};

struct FormatsConfig {
  std::vector<std::string> mapping_files;   // absolute; beside the built-in ones
  std::map<std::string, std::vector<std::string>> text_columns;  // order of columns of a text format, by its name
  std::map<std::string, TopicFormat> topics;
};

struct KafkaConfig {
  bool enabled = false;                     // a kafka section is there
  std::map<std::string, std::string> properties;  // of librdkafka, as they stand
  std::vector<std::string> topics;          // names, or patterns that begin with ^
};

/// Files of user tables, absolute; "" = none.
struct EnrichmentConfig {
  std::array<std::string, ingest::table_kinds> files;  // by ingest::TableKind
};

struct DetectConfig {
  std::uint64_t memory_bytes = 256ull << 20;
  int alerts_per_day_max = 10;           // over all statistical detectors
  std::optional<int> alerts_per_day_max_per_tenant;
  std::map<std::string, int> alerts_per_day_max_per_severity;
  std::int64_t snapshot_interval_ms = 60'000;  // of the engine's state: bounds the replay after a restart
  std::int64_t out_of_order_ms = 30'000;
  std::int64_t approval_grace_ms = 60'000;
  std::int64_t attestation_grace_ms = 60'000;
  std::int64_t idle_after_ms = 5'000;          // a partition without messages holds event time back so long
  double false_alerts_per_day = 0.25;
  double volume_min_bytes = 1'000'000;
  bool flow = true, volume = true, silence = true, burst = true, sequence = true, rhythm = true, health = true;
};

/// Whose signatures of attestations count.
struct AttestationConfig {
  struct Key {
    std::string name, public_key_file;   // absolute
  };
  struct Root {
    std::string name, certificate_file;  // absolute
    std::vector<std::string> identities;
  };
  std::vector<Key> keys;
  std::vector<Root> roots;
};

struct ConnectorEntry {
  std::string name;
  std::string type;                          // "splunk_hec", "syslog"
  std::string select_alerts = "all";         // "all", "off" or a filter
  std::string select_events = "off";
  bool select_checkpoints = false;
  std::size_t batch_items_max = 1000;
  std::size_t batch_bytes_max = 1'000'000;
  std::size_t pending_items_max = 20'000;
  std::size_t pending_bytes_max = 16u << 20;
  std::map<std::string, std::string> settings;  // everything else, as text: docs/connectors.md lists them by type
};

struct HttpConfig {
  std::string api_address = "127.0.0.1:8470";      // "" = off
  std::string metrics_address = "127.0.0.1:8471";  // "" = off
  std::string token_file;                          // absolute
};

struct Config {
  std::string file;  // where it was read from, as given
  int version = 1;
  StoreConfig store;
  std::vector<RetentionClass> logs;
  LimitsConfig limits;
  FormatsConfig formats;
  KafkaConfig kafka;
  std::string policy_file;  // absolute; "" = none
  AttestationConfig attestation;
  EnrichmentConfig enrichment;
  DetectConfig detect;
  std::vector<ConnectorEntry> connectors;
  HttpConfig http;
  std::uint64_t memory_limit_bytes = 0;     // refused when the parts add up to more; 0 = whatever they add up to
  std::string log_level = "info";
};

/// One mistake in a file. line 0 = the file as a whole.
struct Finding {
  std::string file;
  int line = 0, column = 0;
  std::string key;      // "kafka.topics[0]"; "" = the document
  std::string message;
};
/// "tidewaiter.yaml:12: kafka.topcs: unknown key; did you mean 'topics'?"
std::string to_text(const Finding& finding);

/// A validated policy file: canonical JSON (keys sorted, no white space) and its SHA-256 in hex.
struct LoadedPolicy {
  std::string json;
  std::string hash;
};

/// The keys and certificates of a configuration, read: canonical JSON (ingest/trust.hpp) and its SHA-256 in hex. Both
/// empty when there are none.
struct LoadedTrust {
  std::string json;
  std::string hash;
};

/// The user tables, judged and compiled, with what the control log keeps of each.
struct LoadedTables {
  struct Text {
    std::string name;
    std::string json;  // {"columns":[...],"rows":[[...],...]}
    std::string hash;  // hex SHA-256 of it; "" = no such table
  };
  std::vector<Text> texts;  // by ingest::TableKind
  std::shared_ptr<const ingest::TableSet> set;
};

/// The defaults alone: what an empty file would give, but for the store's directory.
Config default_config(const std::string& store_directory);

/// All mistakes are added to `findings`; the value counts only when none was.
Config load_config(const std::string& file, std::vector<Finding>& findings);
/// Against schemas/policy.schema.json and detect::Policy::parse. "" stands for a policy without any rule.
LoadedPolicy load_policy(const std::string& file, std::vector<Finding>& findings);
/// Each mistake with its file, line and column.
LoadedTables load_tables(const EnrichmentConfig& enrichment, std::vector<Finding>& findings);

/// Reads the files that `attestation` names. Errors: as load_config() finds them, the file named.
Result<LoadedTrust> load_trust(const Config& config);

/// For the service: all findings are in the message of the error, one a line.
Result<Config> load_config(const std::string& file);
Result<LoadedPolicy> load_policy(const std::string& file);
Result<LoadedTables> load_tables(const EnrichmentConfig& enrichment);

}  // namespace tidewaiter::app
