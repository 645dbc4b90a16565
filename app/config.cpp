#include "app/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "app/config_checks.hpp"
#include "app/schema.hpp"
#include "app/yaml_tree.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "filter/operand.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;

/// Reads members of a validated mapping; what is absent keeps its default.
class Section {
 public:
  Section(const json& parent, const char* name, std::string folder)
      : json_(parent.contains(name) ? parent.at(name) : json::object()), folder_(std::move(folder)) {}
  Section(json mapping, std::string folder) : json_(std::move(mapping)), folder_(std::move(folder)) {}

  template <class T>
  void read(const char* key, T& value) const {
    if (const auto found = json_.find(key); found != json_.end()) value = found->get<T>();
  }
  /// A number, or text with a suffix.
  template <class T>
  void read_bytes(const char* key, T& value) const {
    const auto found = json_.find(key);
    if (found == json_.end()) return;
    if (!found->is_string()) return read(key, value);
    std::string text = found->get<std::string>();
    if (const char last = text.back(); last >= 'A' && last != 'B') text += 'B';  // 1M, 1Mi
    if (const auto bytes = filter::parse_number(text)) value = static_cast<T>(*bytes);
  }
  /// A path, seen from the folder of the configuration file.
  void read_path(const char* key, std::string& value) const {
    const auto found = json_.find(key);
    if (found != json_.end()) value = (std::filesystem::path(folder_) / found->get<std::string>()).lexically_normal();
  }
  bool has(const char* key) const { return json_.contains(key); }
  const json& raw() const { return json_; }
  const std::string& folder() const { return folder_; }

 private:
  json json_;
  std::string folder_;
};

void read_store(const Section& section, StoreConfig& store) {
  section.read_path("directory", store.directory);
  section.read("origin", store.origin);
  section.read_path("signing_key_file", store.signing_key_file);
  section.read_path("head_file", store.head_file);
  section.read("checkpoint_interval_ms", store.checkpoint_interval_ms);
  section.read("flush_interval_ms", store.flush_interval_ms);
  section.read_bytes("commit_bytes", store.commit_bytes);
  section.read_bytes("block_bytes_max", store.block_bytes_max);
  section.read("segment_records", store.segment_records);
  section.read_bytes("cache_bytes", store.cache_bytes);
  section.read("zstd_level", store.zstd_level);
}

std::vector<RetentionClass> read_logs(const json& list) {
  std::vector<RetentionClass> logs;
  for (const json& entry : list) {
    RetentionClass log;
    log.name = entry.at("name");
    log.retention_days = entry.at("retention_days");
    log.where = entry.value("where", "");
    logs.push_back(std::move(log));
  }
  return logs;
}

void read_limits(const Section& section, LimitsConfig& limits) {
  section.read_bytes("message_bytes_max", limits.message_bytes_max);
  section.read("depth_max", limits.depth_max);
  section.read("keys_max", limits.keys_max);
  section.read("events_max", limits.events_max);
  section.read("strict", limits.strict);
  section.read("strict_topics", limits.strict_topics);
}

void read_formats(const Section& section, FormatsConfig& formats) {
  section.read("mapping_files", formats.mapping_files);
  for (std::string& file : formats.mapping_files)
    file = (std::filesystem::path(section.folder()) / file).lexically_normal();
  section.read("text_columns", formats.text_columns);
  const json topics = section.raw().value("topics", json::object());
  for (const auto& [name, entry] : topics.items()) {
    TopicFormat& topic = formats.topics[name];
    topic.format = entry.value("format", topic.format);
    topic.strict = entry.value("strict", topic.strict);
  }
}

void read_enrichment(const Section& section, EnrichmentConfig& enrichment) {
  for (std::size_t i = 0; i < ingest::table_kinds; ++i)
    section.read_path(ingest::spec_of(static_cast<ingest::TableKind>(i)).name.data(), enrichment.files[i]);
}

std::string as_text(const json& scalar) { return scalar.is_string() ? scalar.get<std::string>() : scalar.dump(); }

void read_kafka(const Section& section, KafkaConfig& kafka) {
  kafka.enabled = true;
  for (const auto& [name, value] : section.raw().at("properties").items()) kafka.properties[name] = as_text(value);
  section.read("topics", kafka.topics);
}

void read_detect(const Section& section, DetectConfig& detect) {
  section.read_bytes("memory_bytes", detect.memory_bytes);
  section.read("alerts_per_day_max", detect.alerts_per_day_max);
  if (section.has("alerts_per_day_max_per_tenant")) section.read("alerts_per_day_max_per_tenant", detect.alerts_per_day_max_per_tenant.emplace());
  section.read("alerts_per_day_max_per_severity", detect.alerts_per_day_max_per_severity);
  section.read("snapshot_interval_ms", detect.snapshot_interval_ms);
  section.read("false_alerts_per_day", detect.false_alerts_per_day);
  section.read("out_of_order_ms", detect.out_of_order_ms);
  section.read("approval_grace_ms", detect.approval_grace_ms);
  section.read("attestation_grace_ms", detect.attestation_grace_ms);
  section.read("idle_after_ms", detect.idle_after_ms);
  section.read_bytes("volume_min_bytes", detect.volume_min_bytes);
  section.read("flow", detect.flow);
  section.read("volume", detect.volume);
  section.read("silence", detect.silence);
  section.read("burst", detect.burst);
  section.read("sequence", detect.sequence);
  section.read("rhythm", detect.rhythm);
  section.read("health", detect.health);
}

void read_attestation(const Section& section, AttestationConfig& attestation) {
  for (const json& entry : section.raw().value("keys", json::array())) {
    const Section key(entry, section.folder());
    AttestationConfig::Key& made = attestation.keys.emplace_back();
    key.read("name", made.name);
    key.read_path("public_key_file", made.public_key_file);
  }
  for (const json& entry : section.raw().value("roots", json::array())) {
    const Section root(entry, section.folder());
    AttestationConfig::Root& made = attestation.roots.emplace_back();
    root.read("name", made.name);
    root.read_path("certificate_file", made.certificate_file);
    root.read("identities", made.identities);
  }
}

/// true, false or a filter, in the words of the connectors.
std::string selection(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "all" : "off";
  return value.get<std::string>();
}

ConnectorEntry read_connector(const Section& section) {
  static const std::set<std::string> own = {"name", "type", "select", "batch_items_max", "batch_bytes_max",
                                            "pending_items_max", "pending_bytes_max"};
  ConnectorEntry entry;
  section.read("name", entry.name);
  section.read("type", entry.type);
  const json select = section.raw().value("select", json::object());
  if (select.contains("alerts")) entry.select_alerts = selection(select["alerts"]);
  if (select.contains("events")) entry.select_events = selection(select["events"]);
  entry.select_checkpoints = select.value("checkpoints", false);
  section.read("batch_items_max", entry.batch_items_max);
  section.read_bytes("batch_bytes_max", entry.batch_bytes_max);
  section.read("pending_items_max", entry.pending_items_max);
  section.read_bytes("pending_bytes_max", entry.pending_bytes_max);
  for (const auto& [name, value] : section.raw().items()) {
    if (own.contains(name)) continue;
    std::string text = as_text(value);
    if (name.ends_with("_file")) section.read_path(name.c_str(), text);
    if (std::uint64_t bytes = 0; name.ends_with("bytes_max")) {
      section.read_bytes(name.c_str(), bytes);
      text = std::to_string(bytes);
    }
    entry.settings[name] = std::move(text);
  }
  return entry;
}

Config typed(const json& root, const std::string& file) {
  const std::string folder = std::filesystem::absolute(file).parent_path();
  Config config = default_config("");
  config.file = file;
  read_store(Section(root, "store", folder), config.store);
  if (root.contains("logs")) config.logs = read_logs(root["logs"]);
  read_limits(Section(root, "limits", folder), config.limits);
  read_formats(Section(root, "formats", folder), config.formats);
  if (root.contains("kafka")) read_kafka(Section(root, "kafka", folder), config.kafka);
  Section(root, folder).read_path("policy_file", config.policy_file);
  read_attestation(Section(root, "attestation", folder), config.attestation);
  read_enrichment(Section(root, "enrichment", folder), config.enrichment);
  read_detect(Section(root, "detect", folder), config.detect);
  for (const json& entry : root.value("connectors", json::array()))
    config.connectors.push_back(read_connector(Section(entry, folder)));
  const Section http(root, "http", folder);
  http.read("api_address", config.http.api_address);
  http.read("metrics_address", config.http.metrics_address);
  http.read_path("token_file", config.http.token_file);
  Section(root, folder).read_bytes("memory_limit_bytes", config.memory_limit_bytes);
  config.log_level = root.value("log_level", config.log_level);
  return config;
}

template <class T>
Result<T> all_or_error(T value, const std::vector<Finding>& findings) {
  if (findings.empty()) return value;
  std::string message;
  for (const Finding& finding : findings) message += (message.empty() ? "" : "\n") + to_text(finding);
  return fail(Code::invalid_argument, std::move(message));
}

}  // namespace

Result<std::string> text_of_file(const std::string& file, std::uintmax_t bytes_max) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return fail(Code::not_found, "is a directory");
  if (const auto size = std::filesystem::file_size(file, error); !error && size > bytes_max)
    return fail(Code::invalid_argument, "is larger than " + std::to_string(bytes_max >> 20) + " MiB");
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Code::not_found, "cannot be read: " + std::string(std::strerror(errno)));
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

namespace {

/// What came out of a file must not steer the terminal that it is shown on; a filter's message has lines of its own.
std::string harmless(std::string_view text, bool has_lines) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = byte < 0x20 || byte == 0x7F;
    if (!is_control || (has_lines && c == '\n')) out += c;
    else out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
  return out;
}

}  // namespace

std::string to_text(const Finding& finding) {
  std::string text = finding.file + ":";
  if (finding.line > 0) text += std::to_string(finding.line) + ":";
  text += " ";
  if (!finding.key.empty()) text += harmless(finding.key, false) + ": ";
  return text + harmless(finding.message, true);
}

Config default_config(const std::string& store_directory) {
  Config config;
  config.store.directory = store_directory;
  config.logs = {
      {"agent-high", 2555, "family == agent and risk_tier >= high"},
      {"agent", 365, "family == agent"},
      {"ci", 365, "family == ci"},
      {"runtime-low", 30, "family == runtime and risk_tier == low"},
      {"runtime", 90, "family == runtime"},
      {"other", 90, ""},
  };
  return config;
}

namespace {

/// The file as a tree, and where it breaks the schema (JSON pointers). Nothing when it cannot be read as YAML at all.
std::optional<YamlTree> read_judged_yaml(const std::string& file, std::string_view schema_name, bool expand_environment,
                                         std::vector<Finding>& findings, std::vector<std::string>& broken) {
  auto text = text_of_file(file);
  if (!text) {
    findings.push_back({file, 0, 0, "", text.error().message});
    return std::nullopt;
  }
  const std::size_t before = findings.size();
  YamlTree tree = read_yaml(*text, file, expand_environment, findings);
  const std::size_t read = findings.size();
  if (read != before && tree.value.is_null()) return std::nullopt;
  for (SchemaError& error : validate_by_name(tree.value, schema_name)) {
    broken.push_back(error.pointer);
    const Place place = tree.place_of(error.pointer);
    const std::string key = key_of_pointer(error.pointer);
    const bool is_told = std::any_of(findings.begin() + static_cast<std::ptrdiff_t>(before), findings.begin() + static_cast<std::ptrdiff_t>(read),
                                     [&](const Finding& one) { return one.key == key && one.line == place.line; });
    if (!is_told) findings.push_back({file, place.line, place.column, key, std::move(error.message)});
  }
  return tree;
}

/// Takes out what holds the place: a whole section where its keys belong together.
void leave_out(nlohmann::json& root, const std::string& pointer) {
  static const std::set<std::string> of_single_keys = {"formats", "enrichment", "limits", "detect"};
  const std::size_t end = pointer.find('/', 1);
  const nlohmann::json::json_pointer section(pointer.substr(0, end));
  if (pointer.empty() || !root.contains(section)) return;
  const bool is_inside = end != std::string::npos && of_single_keys.contains(section.back()) && root[section].is_object();
  if (!is_inside) {
    root.erase(section.back());
    return;
  }
  const nlohmann::json::json_pointer member(pointer.substr(0, pointer.find('/', end + 1)));
  if (root.contains(member)) root[section].erase(member.back());
}

/// What is left fits the schema; false when nothing can be left.
bool leave_out_all(nlohmann::json& root, std::vector<std::string> broken) {
  constexpr int rounds_max = 8;
  for (int round = 0; round < rounds_max && root.is_object(); ++round) {
    for (const std::string& pointer : broken) leave_out(root, pointer);
    if (!root.contains("version")) root["version"] = 1;
    if (!root.contains("store")) root["store"] = {{"directory", "store"}};
    broken.clear();
    for (SchemaError& error : validate_by_name(root, "config.schema.json")) broken.push_back(std::move(error.pointer));
    if (broken.empty()) return true;
  }
  return false;
}

}  // namespace

std::optional<YamlTree> read_valid_yaml(const std::string& file, std::string_view schema_name, bool expand_environment,
                                        std::vector<Finding>& findings) {
  const std::size_t before = findings.size();
  std::vector<std::string> broken;
  auto tree = read_judged_yaml(file, schema_name, expand_environment, findings, broken);
  return findings.size() == before ? std::move(tree) : std::nullopt;
}

std::optional<ReadConfig> read_config(const std::string& file, std::vector<Finding>& findings) {
  const std::size_t before = findings.size();
  std::vector<std::string> broken;
  auto tree = read_judged_yaml(file, "config.schema.json", true, findings, broken);
  if (!tree) return std::nullopt;
  const bool is_whole = findings.size() == before;
  if (!broken.empty() && !leave_out_all(tree->value, broken)) return std::nullopt;
  Config config = typed(tree->value, file);
  check_meaning(config, *tree, is_whole, findings);
  return ReadConfig{std::move(config), std::move(*tree)};
}

LoadedTables load_tables(const EnrichmentConfig& enrichment, std::vector<Finding>& findings) {
  LoadedTables loaded;
  std::vector<ingest::Table> tables;
  const std::size_t before = findings.size();
  for (std::size_t i = 0; i < ingest::table_kinds; ++i) {
    const auto kind = static_cast<ingest::TableKind>(i);
    const std::string& file = enrichment.files[i];
    ingest::Table table{kind, {}};
    if (!file.empty()) {
      auto text = text_of_file(file, ingest::table_bytes_max);
      std::vector<ingest::Fault> faults;
      if (!text) faults.push_back({0, 0, "", text.error().message});
      else table = (file.ends_with(".json") ? ingest::read_json_table : ingest::read_csv_table)(kind, *text, faults);
      for (ingest::Fault& fault : faults)
        findings.push_back({file, fault.line, fault.column, std::move(fault.key), std::move(fault.message)});
    }
    std::string json = table.to_json();
    std::string hash = file.empty() ? "" : to_hex(as_view(sha256(json)));
    loaded.texts.push_back({std::string(ingest::spec_of(kind).name), std::move(json), std::move(hash)});
    tables.push_back(std::move(table));
  }
  if (findings.size() == before) loaded.set = std::make_shared<const ingest::TableSet>(tables);
  return loaded;
}

void put_in_order(const std::string& file, std::vector<Finding>& findings) {
  std::vector<std::string> files = {file};
  for (const Finding& finding : findings)
    if (std::find(files.begin(), files.end(), finding.file) == files.end()) files.push_back(finding.file);
  const auto place = [&](const Finding& finding) {
    return std::pair(std::find(files.begin(), files.end(), finding.file), finding.line);
  };
  std::stable_sort(findings.begin(), findings.end(), [&](const Finding& a, const Finding& b) { return place(a) < place(b); });
}

Config load_config(const std::string& file, std::vector<Finding>& findings) {
  auto read = read_config(file, findings);
  return read ? std::move(read->config) : Config();
}

Result<Config> load_config(const std::string& file) {
  std::vector<Finding> findings;
  Config config = load_config(file, findings);
  put_in_order(file, findings);
  return all_or_error(std::move(config), findings);
}

Result<LoadedTables> load_tables(const EnrichmentConfig& enrichment) {
  std::vector<Finding> findings;
  LoadedTables tables = load_tables(enrichment, findings);
  return all_or_error(std::move(tables), findings);
}

Result<LoadedPolicy> load_policy(const std::string& file) {
  std::vector<Finding> findings;
  LoadedPolicy policy = load_policy(file, findings);
  return all_or_error(std::move(policy), findings);
}

}  // namespace tidewaiter::app
