#include "app/config.hpp"
#include "app/config_checks.hpp"

#include <gmock/gmock.h>

#include "app/schema.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "detect/policy.hpp"
#include "filter/filter.hpp"
#include "tests/config/folder.hpp"

namespace tidewaiter::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using test::Folder;

constexpr const char* small = "version: 1\nstore: {directory: store}\n";

/// All findings as texts, without the folder's name.
std::vector<std::string> findings_of(const std::string& text) {
  const Folder folder;
  std::vector<Finding> findings;
  load_config(folder.write("tidewaiter.yaml", text), findings);
  std::vector<std::string> texts;
  for (Finding& finding : findings) {
    finding.file = "tidewaiter.yaml";
    texts.push_back(to_text(finding));
  }
  return texts;
}

std::string finding_of(const std::string& text) {
  const auto texts = findings_of(text);
  return texts.size() == 1 ? texts[0] : std::to_string(texts.size()) + " findings: " + ::testing::PrintToString(texts);
}

TEST(Config, a_small_file_gets_all_defaults) {
  const Folder folder;
  const auto config = load_config(folder.write("c.yaml", small));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->store.directory, folder.file("store"));
  EXPECT_EQ(config->store.checkpoint_interval_ms, 1000);
  EXPECT_EQ(config->store.flush_interval_ms, 50);
  EXPECT_EQ(config->store.commit_bytes, 2u << 20);
  EXPECT_EQ(config->limits.depth_max, 64u);
  EXPECT_EQ(config->limits.events_max, 10'000u);
  EXPECT_FALSE(config->kafka.enabled);
  EXPECT_EQ(config->policy_file, "");
  EXPECT_EQ(config->http.api_address, "127.0.0.1:8470");
  EXPECT_EQ(config->http.metrics_address, "127.0.0.1:8471");
  ASSERT_GE(config->logs.size(), 6u);
  EXPECT_EQ(config->logs[0].name, "agent-high");
  EXPECT_EQ(config->logs[0].retention_days, 2555u);
  EXPECT_EQ(config->logs.back().where, "");
}

TEST(Config, every_key_reaches_the_struct) {
  const Folder folder;
  const auto config = load_config(folder.write("c.yaml", R"(
version: 1
store: {directory: /tmp/s, origin: log.example.com, signing_key_file: k.pem, head_file: heads, checkpoint_interval_ms: 2,
        flush_interval_ms: 3, commit_bytes: 64KiB, block_bytes_max: 8K, segment_records: 4096, cache_bytes: 2M, zstd_level: 5}
logs: [{name: a, retention_days: 7, where: app == x}, {name: b, retention_days: 0}]
limits: {message_bytes_max: 2MiB, depth_max: 10, keys_max: 11, events_max: 12, strict: true, strict_topics: [t]}
kafka: {properties: {bootstrap.servers: "b:1", fetch.min.bytes: 5, enable.auto.commit: false}, topics: [t, "^u.*"]}
policy_file: p.yaml
detect: {memory_bytes: 32MiB, alerts_per_day_max: 3, false_alerts_per_day: 1.5, out_of_order_ms: 6, approval_grace_ms: 7,
         volume_min_bytes: 8, flow: false, volume: false, silence: false}
connectors:
  - {name: s, type: syslog, host: h, port: 1514, ca_file: ca.pem, bytes_max: 4KiB, batch_items_max: 9, select: {alerts: "severity >= high", events: true, checkpoints: true}}
http: {api_address: "0.0.0.0:1", metrics_address: "", token_file: t}
log_level: debug
)"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->store.directory, "/tmp/s");
  EXPECT_EQ(config->store.origin, "log.example.com");
  EXPECT_EQ(config->store.signing_key_file, folder.file("k.pem"));
  EXPECT_EQ(config->store.head_file, folder.file("heads"));
  EXPECT_EQ(config->store.checkpoint_interval_ms, 2);
  EXPECT_EQ(config->store.flush_interval_ms, 3);
  EXPECT_EQ(config->store.commit_bytes, 65536u);
  EXPECT_EQ(config->store.block_bytes_max, 8000u);
  EXPECT_EQ(config->store.segment_records, 4096u);
  EXPECT_EQ(config->store.cache_bytes, 2'000'000u);
  EXPECT_EQ(config->store.zstd_level, 5);
  ASSERT_EQ(config->logs.size(), 2u);
  EXPECT_EQ(config->logs[0].where, "app == x");
  EXPECT_EQ(config->limits.message_bytes_max, 2u << 20);
  EXPECT_EQ(config->limits.depth_max, 10u);
  EXPECT_EQ(config->limits.keys_max, 11u);
  EXPECT_EQ(config->limits.events_max, 12u);
  EXPECT_TRUE(config->limits.strict);
  EXPECT_THAT(config->limits.strict_topics, ElementsAre("t"));
  EXPECT_TRUE(config->kafka.enabled);
  EXPECT_EQ(config->kafka.properties.at("fetch.min.bytes"), "5");
  EXPECT_EQ(config->kafka.properties.at("enable.auto.commit"), "false");
  EXPECT_THAT(config->kafka.topics, ElementsAre("t", "^u.*"));
  EXPECT_EQ(config->policy_file, folder.file("p.yaml"));
  EXPECT_EQ(config->detect.memory_bytes, 32u << 20);
  EXPECT_EQ(config->detect.alerts_per_day_max, 3);
  EXPECT_EQ(config->detect.false_alerts_per_day, 1.5);
  EXPECT_EQ(config->detect.out_of_order_ms, 6);
  EXPECT_EQ(config->detect.approval_grace_ms, 7);
  EXPECT_EQ(config->detect.volume_min_bytes, 8);
  EXPECT_FALSE(config->detect.flow || config->detect.volume || config->detect.silence);
  ASSERT_EQ(config->connectors.size(), 1u);
  EXPECT_EQ(config->connectors[0].select_alerts, "severity >= high");
  EXPECT_EQ(config->connectors[0].select_events, "all");
  EXPECT_TRUE(config->connectors[0].select_checkpoints);
  EXPECT_EQ(config->connectors[0].batch_items_max, 9u);
  EXPECT_EQ(config->connectors[0].settings, (std::map<std::string, std::string>{
                {"host", "h"}, {"port", "1514"}, {"ca_file", folder.file("ca.pem")}, {"bytes_max", "4096"}}));
  EXPECT_EQ(config->http.metrics_address, "");
  EXPECT_EQ(config->http.token_file, folder.file("t"));
  EXPECT_EQ(config->log_level, "debug");
}

TEST(Config, an_unknown_key_is_named_by_file_line_and_nearest_word) {
  EXPECT_EQ(finding_of("version: 1\nstore: {directory: s}\nkafka:\n  properties: {bootstrap.servers: b}\n  topics: [a]\n  topcs: [b]\n"),
            "tidewaiter.yaml:6: kafka.topcs: unknown key; did you mean 'topics'?");
}

TEST(Config, all_mistakes_come_at_once) {
  EXPECT_THAT(findings_of("version: 2\nstore:\n  directory: s\n  zstd_level: 99\nlog_level: loud\n"),
              ::testing::UnorderedElementsAre("tidewaiter.yaml:1: version: expected 1, found 2",
                                              "tidewaiter.yaml:4: store.zstd_level: expected at most 19, found 99",
                                              StartsWith("tidewaiter.yaml:5: log_level: expected debug, info, warn or error")));
}

TEST(Config, what_breaks_the_schema_hides_no_other_mistake) {
  EXPECT_THAT(findings_of("version: 1\nstore:\n  directory: s\n  zstd_levl: 3\nlogs:\n  - {name: a, retention_days: 1, where: ap == x}\n"
                          "  - {name: a, retention_days: 2}\nhttp: {api_address: '127.0.0.1:99999'}\nlimits: {depth_max: deep, message_bytes_max: 17MiB}\n"
                          "kafka:\n  topics: ['^(']\n  properties: {bootstrap.servers: 'x:1', group.id: g, enable.auto.commit: true, auto.offset.reset: error}\n"
                          "formats: {topics: {t: {format: okat}}, text_columns: 3}\nlog_level: ${TIDEWAITER_NO_SUCH_VARIABLE}\n"),
              ::testing::UnorderedElementsAre(
                  HasSubstr(":4: store.zstd_levl: unknown key; did you mean 'zstd_level'?"), HasSubstr(":6: logs[0].where: not a filter: "),
                  HasSubstr(":7: logs[1].name: 'a' is there twice"), HasSubstr(":8: http.api_address: a port is at most 65535"),
                  HasSubstr(":9: limits.depth_max: expected a whole number"), HasSubstr(":9: limits.message_bytes_max: expected 64B to 16MiB"),
                  HasSubstr(":11: kafka.topics[0]: not a regular expression"), HasSubstr(":12: kafka.properties.enable.auto.commit: must stay 'false'"),
                  HasSubstr(":12: kafka.properties.auto.offset.reset: must be 'earliest'"), HasSubstr(":13: formats.topics.t.format: there is no mapping"),
                  HasSubstr(":13: formats.text_columns: expected a mapping"), HasSubstr(":14: log_level: the environment variable")));
  EXPECT_THAT(findings_of("logs:\n  - {name: a, retention_days: 1, where: app == x}\n"),
              ::testing::UnorderedElementsAre(HasSubstr("the key 'version' is missing"), HasSubstr("the key 'store' is missing"),
                                              HasSubstr(":2: logs[0].where: the last class takes what is left")));
}

TEST(Config, a_service_that_is_refused_is_told_everything_from_top_to_bottom) {
  const Folder folder;
  folder.write("m.json", "[]");
  const auto config = load_config(folder.write("c.yaml", "version: 1\nstore: {directory: s}\nhttp: {api_address: '127.0.0.1:99999'}\nlog_level: loud\nformats: {mapping_files: [m.json]}\nlimits: {depth_max: x}\n"));
  ASSERT_FALSE(config);
  std::string places;
  for (std::size_t at = 0; at != std::string::npos; at = config.error().message.find('\n', at + 1)) {
    const std::string rest = config.error().message.substr(config.error().message.find(folder.path().string(), at) + folder.path().string().size() + 1);
    places += rest.substr(0, rest.find(": ")) + " ";
  }
  EXPECT_EQ(places, "c.yaml:3 c.yaml:4 c.yaml:6 m.json:1 ");
}

TEST(Config, what_a_file_says_cannot_steer_the_terminal) {
  EXPECT_THAT(finding_of(std::string(small) + "\"log\\e[31m\\nlevel\": debug\n"), StartsWith("tidewaiter.yaml:3: log\\x1B[31m\\x0Alevel: unknown key"));
}

TEST(Config, what_is_missing_is_named) {
  EXPECT_EQ(finding_of("version: 1\n"), "tidewaiter.yaml:1: the key 'store' is missing");
  EXPECT_THAT(finding_of(""), HasSubstr("expected a mapping, found nothing"));
  std::vector<Finding> findings;
  load_config("/nowhere/tidewaiter.yaml", findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(to_text(findings[0]), HasSubstr("cannot be read: No such file"));
}

TEST(Config, a_filter_that_does_not_compile_is_shown_with_its_place) {
  const std::string text = std::string(small) + "logs:\n  - {name: a, retention_days: 1, where: risk_teir == high}\n  - {name: b, retention_days: 1}\n";
  EXPECT_THAT(finding_of(text), StartsWith("tidewaiter.yaml:4: logs[0].where: not a filter: column 1: unknown field 'risk_teir'; did you mean 'risk_tier'?"));
  EXPECT_THAT(finding_of(std::string(small) + "connectors:\n  - {name: a, type: syslog, host: h, select: {events: x}}\n"),
              StartsWith("tidewaiter.yaml:4: connectors[0].select.events: not a filter"));
}

TEST(Config, kafka_properties_that_could_skip_or_lose_messages_are_refused_by_their_key) {
  const auto with = [](const std::string& property) {
    return finding_of("version: 1\nstore: {directory: s}\nkafka:\n  topics: [t]\n  properties:\n    bootstrap.servers: b:1\n    " +
                      property + "\n");
  };
  EXPECT_THAT(with("partition.assignment.strategy: roundrobin"),
              StartsWith("tidewaiter.yaml:7: kafka.properties.partition.assignment.strategy: must be 'range' or"));
  EXPECT_THAT(with("auto.offset.reset: error"), HasSubstr("auto.offset.reset: must be 'earliest' or 'latest'"));
  EXPECT_THAT(with("enable.auto.commit: true"), HasSubstr("enable.auto.commit: must stay 'false'"));
  EXPECT_THAT(with("group.protocol: consumer\n    session.timeout.ms: 6000"),
              HasSubstr("session.timeout.ms: has no meaning with group.protocol 'consumer'"));
  EXPECT_THAT(with("group.protocol: consumer"), StartsWith("0 findings"));
  EXPECT_THAT(with("partition.assignment.strategy: cooperative-sticky"), StartsWith("0 findings"));
}

TEST(Config, keys_and_heads_are_refused_inside_the_store) {
  EXPECT_THAT(finding_of("version: 1\nstore:\n  directory: s\n  signing_key_file: s/sub/key.pem\n"),
              StartsWith("tidewaiter.yaml:4: store.signing_key_file: must lie outside the store's directory"));
  EXPECT_THAT(finding_of("version: 1\nstore:\n  directory: s\n  head_file: ./x/../s/heads\n"), HasSubstr("head_file: must lie outside"));
  EXPECT_THAT(findings_of("version: 1\nstore:\n  directory: s\n  signing_key_file: s2/key.pem\n"), ElementsAre());
}

TEST(Config, retention_classes_must_make_sense) {
  auto logs = [](const std::string& list) { return finding_of(std::string(small) + "logs:\n" + list); };
  EXPECT_THAT(logs("  - {name: a, retention_days: 1}\n  - {name: b, retention_days: 2}\n"), HasSubstr("takes everything"));
  EXPECT_THAT(logs("  - {name: a, retention_days: 1, where: app == x}\n"), HasSubstr("the last class takes what is left"));
  EXPECT_THAT(logs("  - {name: alerts, retention_days: 1}\n"), HasSubstr("one of the store's own logs"));
  EXPECT_THAT(logs("  - {name: a, retention_days: 1, where: app == x}\n  - {name: a, retention_days: 2}\n"), HasSubstr("'a' is there twice"));
}

TEST(Config, the_default_classes_are_disjoint_filters_that_compile) {
  const Config config = default_config("s");
  for (const RetentionClass& log : config.logs) EXPECT_TRUE(filter::Filter::compile(log.where, 0)) << log.name;
}

TEST(Config, an_open_api_needs_tokens_and_ports_exist) {
  EXPECT_THAT(finding_of(std::string(small) + "http: {api_address: '0.0.0.0:8470'}\n"), HasSubstr("beyond loopback the API needs a token_file"));
  EXPECT_THAT(finding_of(std::string(small) + "http: {api_address: '127.0.0.1:99999'}\n"), HasSubstr("a port is at most 65535"));
  EXPECT_THAT(finding_of(std::string(small) + "http: {api_address: localhost}\n"), HasSubstr("HOST:PORT"));
}

TEST(Config, sizes_topics_and_names_are_checked) {
  EXPECT_THAT(finding_of(std::string(small) + "detect: {memory_bytes: 1MiB}\n"), HasSubstr("expected at least 16MiB"));
  EXPECT_THAT(finding_of(std::string(small) + "limits: {message_bytes_max: 17MiB}\n"), HasSubstr("64B to 16MiB"));
  EXPECT_THAT(finding_of(std::string(small) + "limits: {message_bytes_max: much}\n"), HasSubstr("a number of bytes, also with a suffix"));
  auto topics = [](const std::string& list) {
    return finding_of(std::string(small) + "kafka: {properties: {bootstrap.servers: b}, topics: " + list + "}\n");
  };
  EXPECT_THAT(topics("['a b']"), HasSubstr("no name of a topic"));
  EXPECT_THAT(topics("['^(']"), HasSubstr("not a regular expression"));
  EXPECT_THAT(topics("[]"), HasSubstr("must not be empty"));
  EXPECT_THAT(finding_of(std::string(small) + "connectors:\n  - {name: a, type: syslog, host: h}\n  - {name: a, type: syslog, host: h}\n"),
              HasSubstr("'a' is there twice"));
}

TEST(Config, every_setting_of_a_connector_reaches_it) {
  const Folder folder;
  const auto config = load_config(folder.write("c.yaml", std::string(small) + R"(
connectors:
  - {name: a, type: syslog, host: h}
  - {name: s, type: syslog, host: h, batch_items_max: 9, batch_bytes_max: 8KiB, pending_items_max: 10, pending_bytes_max: 1MiB,
     select: {alerts: false, events: "app == x", checkpoints: true}}
)"));
  ASSERT_TRUE(config) << config.error().message;
  const forward::ConnectorConfig made = connector_config(config->connectors[1], 1);
  EXPECT_EQ(made.name + " " + made.type, "s syslog");
  EXPECT_EQ(made.index, 1u);
  EXPECT_EQ(made.batch_items_max, 9u);
  EXPECT_EQ(made.batch_bytes_max, 8192u);
  EXPECT_EQ(made.pending_items_max, 10u);
  EXPECT_EQ(made.pending_bytes_max, 1u << 20);
  EXPECT_EQ(made.select_alerts + " " + made.select_events, "off app == x");
  EXPECT_TRUE(made.select_checkpoints);
  EXPECT_EQ(made.settings, (std::map<std::string, std::string>{{"host", "h"}}));
}

/// MiB that the parts of a configuration may add up to.
std::uint64_t memory_of(const std::string& more, bool enough = false) {
  const std::string text = std::string(small) + more + "memory_limit_bytes: " + (enough ? "64000MiB" : "1MiB") + "\n";
  const auto found = findings_of(text);
  if (enough) return found.size();
  const std::string finding = found.size() == 1 ? found[0] : "";
  const std::size_t at = finding.find("the parts may add up to ");
  EXPECT_NE(at, std::string::npos) << ::testing::PrintToString(found);
  return at == std::string::npos ? 0 : std::stoull(finding.substr(at + std::string("the parts may add up to ").size()));
}

TEST(Config, a_memory_limit_is_held_against_every_bound_that_is_configured) {
  const std::uint64_t usual = memory_of("");
  EXPECT_EQ(memory_of("", true), 0u) << "and is fine when it is large enough";
  EXPECT_EQ(memory_of("detect: {memory_bytes: 128MiB}\n"), memory_of("detect: {memory_bytes: 64MiB}\n") + 64);
  const std::string connector = "connectors:\n  - {name: a, type: syslog, host: h";
  EXPECT_EQ(memory_of(connector + "}\n"), usual + 32);
  EXPECT_EQ(memory_of(connector + ", pending_bytes_max: 1GiB, batch_bytes_max: 8MiB, pending_items_max: 20480}\n"),
            usual + 1024 + 16 + 10);
  const std::string kafka = "kafka: {topics: [t], properties: {bootstrap.servers: b";
  EXPECT_EQ(memory_of(kafka + ", queued.max.messages.kbytes: 1024}}\n"), usual);
  EXPECT_EQ(memory_of(kafka + ", queued.max.messages.kbytes: 4096}}\n"), usual + 32);
}

TEST(Config, a_connector_may_want_checkpoints_alone_but_not_nothing) {
  const auto with = [](const std::string& select) {
    return findings_of(std::string(small) + "connectors:\n  - {name: a, type: syslog, host: h, select: {" + select + "}}\n");
  };
  EXPECT_THAT(with("alerts: false, checkpoints: true"), ElementsAre());
  const auto nothing = with("alerts: false");
  ASSERT_FALSE(nothing.empty());
  EXPECT_THAT(nothing[0], HasSubstr("alerts, events and checkpoints are all off"));
  EXPECT_THAT(with("checkpoints: \"size > 3\""), ElementsAre(HasSubstr("connectors[0].select.checkpoints")));
}

TEST(Config, a_key_of_another_type_of_connector_is_unknown) {
  EXPECT_EQ(finding_of(std::string(small) + "connectors:\n  - name: a\n    type: syslog\n    host: h\n    prot: 1\n"),
            "tidewaiter.yaml:7: connectors[0].prot: unknown key; did you mean 'port'?");
  EXPECT_THAT(finding_of(std::string(small) + "connectors:\n  - {name: a, type: splunk}\n"), HasSubstr("did you mean 'splunk_hec'?"));
}

/// The defaults that the schema tells people are those of the program.
TEST(Config, the_schema_tells_the_true_defaults) {
  const nlohmann::json properties = resolved_schema("config.schema.json")["properties"];
  const Config config = default_config("s");
  auto given = [&](const char* section, const char* key) { return properties[section]["properties"][key]["default"]; };
  EXPECT_EQ(given("store", "checkpoint_interval_ms"), config.store.checkpoint_interval_ms);
  EXPECT_EQ(given("store", "flush_interval_ms"), config.store.flush_interval_ms);
  EXPECT_EQ(given("store", "segment_records"), config.store.segment_records);
  EXPECT_EQ(given("store", "zstd_level"), config.store.zstd_level);
  EXPECT_EQ(given("store", "origin"), config.store.origin);
  EXPECT_EQ(given("limits", "depth_max"), config.limits.depth_max);
  EXPECT_EQ(given("limits", "keys_max"), config.limits.keys_max);
  EXPECT_EQ(given("limits", "events_max"), config.limits.events_max);
  EXPECT_EQ(given("detect", "alerts_per_day_max"), config.detect.alerts_per_day_max);
  EXPECT_EQ(given("detect", "false_alerts_per_day"), config.detect.false_alerts_per_day);
  EXPECT_EQ(given("detect", "out_of_order_ms"), config.detect.out_of_order_ms);
  EXPECT_EQ(given("detect", "approval_grace_ms"), config.detect.approval_grace_ms);
  EXPECT_EQ(given("http", "api_address"), config.http.api_address);
  EXPECT_EQ(given("http", "metrics_address"), config.http.metrics_address);
  EXPECT_EQ(properties["log_level"]["default"], config.log_level);
}

TEST(Formats, a_mapping_that_does_not_compile_is_named_by_file_line_and_key) {
  const Folder folder;
  folder.write("m.json", R"({
 "format": "mine", "number": 1000, "version": 1,
 "detect": {"any": [["k"]]},
 "fields": {
  "agent.uid": ["a",
    "b["],
  "resource": "c"
 }
})");
  std::vector<Finding> findings;
  load_config(folder.write("c.yaml", std::string(small) + "formats: {mapping_files: [m.json], topics: {t: {format: mine}}}\n"), findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].file, folder.file("m.json"));
  EXPECT_EQ(findings[0].line, 6);
  EXPECT_EQ(findings[0].key, "fields.agent.uid[1]");
  EXPECT_THAT(findings[0].message, HasSubstr("path 'b['"));
}

TEST(Formats, what_a_mapping_gets_wrong_comes_with_the_nearest_word) {
  const auto said = [](const std::string& rest) {
    const Folder folder;
    folder.write("m.json", "{\"format\": \"mine\", \"number\": 1000, \"version\": 1, \"detect\": {\"present\": [\"k\"]},\n" + rest + "}");
    std::vector<Finding> findings;
    load_config(folder.write("c.yaml", std::string(small) + "formats: {mapping_files: [m.json]}\n"), findings);
    return findings.size() == 1 ? std::to_string(findings[0].line) + " " + findings[0].key + ": " + findings[0].message : "no finding";
  };
  EXPECT_EQ(said(R"("fields": {"resource": "a",
  "resorce_type": "b"})"), "3 fields.resorce_type: no such column; did you mean 'resource_type'?");
  EXPECT_EQ(said(R"("fields": {
   "action": {"path": "a",
     "table": {"x": "raed"}}})"), "4 fields.action.table.x: 'raed' is no word of this column; did you mean 'read'?");
  EXPECT_EQ(said(R"("fields": {"resource": "a"},
  "defaults": {"family": "agnt"})"), "3 defaults.family: 'agnt' is no word of this column; did you mean 'agent'?");
  EXPECT_EQ(said(R"("fields": {"time": {"path": "a", "as": "ip"}})"), "2 fields.time.as: 'ip' does not fit this column, which holds a time; what fits: time");
}

TEST(Formats, names_of_formats_are_those_of_mappings) {
  EXPECT_THAT(finding_of(std::string(small) + "formats:\n  topics:\n    t: {format: k8s_audti}\n"),
              HasSubstr("tidewaiter.yaml:5: formats.topics.t.format: there is no mapping for the format 'k8s_audti'; did you mean 'k8s_audit'?"));
  EXPECT_THAT(finding_of(std::string(small) + "formats:\n  text_columns:\n    vpc_flwo: [version]\n"), HasSubstr("did you mean 'vpc_flow'?"));
  EXPECT_TRUE(findings_of(std::string(small) + "formats: {topics: {t: {format: vpc_flow}, u: {strict: true}}, text_columns: {vpc_flow: [version]}}\n").empty());
}

TEST(Formats, columns_of_lines_are_named_for_formats_of_lines_and_as_these_know_them) {
  const auto said = [](const std::string& columns) { return findings_of(std::string(small) + "formats:\n  text_columns:\n    " + columns + "\n"); };
  EXPECT_THAT(said("okta: [uuid]"), ::testing::ElementsAre("tidewaiter.yaml:5: formats.text_columns.okta: 'okta' is no format of lines of words, so that its messages have no columns"));
  EXPECT_THAT(said("vpc_flow: [version, dstadr, bytes, version]"),
              ::testing::UnorderedElementsAre("tidewaiter.yaml:5: formats.text_columns.vpc_flow[1]: no column of 'vpc_flow' is called 'dstadr'; did you mean 'dstaddr'?",
                                              "tidewaiter.yaml:5: formats.text_columns.vpc_flow[3]: 'version' is there twice"));
  EXPECT_THAT(said("vpc_flow: [DstAddr]"), ::testing::ElementsAre(HasSubstr("did you mean 'dstAddr'?")));
  EXPECT_THAT(said("vpc_flow: [version, something-else, dstaddr]"), ::testing::IsEmpty()) << "a column that nothing reads";
}

TEST(Formats, a_mapping_with_mistakes_hides_no_wrong_name) {
  const Folder folder;
  folder.write("m.json", R"({"format": "mine", "number": 1000, "version": 0, "detect": {"any": [["k"]]}, "fields": {"app": "k"}})");
  folder.write("n.json", "{");
  const auto said = [&](const std::string& files) {
    std::vector<Finding> findings;
    load_config(folder.write("c.yaml", std::string(small) + "formats: {mapping_files: [" + files + "], topics: {t: {format: mine}, u: {format: okat}}}\n"), findings);
    std::string all;
    for (const Finding& one : findings) all += std::filesystem::path(one.file).filename().string() + ":" + one.key + " ";
    return all;
  };
  EXPECT_EQ(said("m.json"), "m.json:version c.yaml:formats.topics.u.format ");
  EXPECT_EQ(said("m.json, n.json"), "m.json:version n.json: ");
}

TEST(Tables, are_read_by_the_ending_of_their_names) {
  const Folder folder;
  folder.write("apps.csv", "app,risk_tier\nbilling,high\n");
  folder.write("agents.json", R"([{"agent":"a","role":"r"},{"agent":"b"}])");
  const auto config = load_config(folder.write("c.yaml", std::string(small) + "enrichment: {apps: apps.csv, agents: agents.json}\n"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->enrichment.files[0], folder.file("apps.csv"));
  const auto tables = load_tables(config->enrichment);
  ASSERT_TRUE(tables) << tables.error().message;
  EXPECT_EQ(tables->set->rows(ingest::TableKind::apps), 1u);
  EXPECT_EQ(tables->set->rows(ingest::TableKind::agents), 2u);
  ASSERT_EQ(tables->texts.size(), 4u);
  EXPECT_EQ(tables->texts[0].hash, to_hex(as_view(sha256(tables->texts[0].json))));
  EXPECT_EQ(tables->texts[1].hash, "") << "no table of destinations";
}

TEST(Tables, mistakes_are_named_by_file_line_and_nearest_word) {
  const Folder folder;
  EnrichmentConfig enrichment;
  enrichment.files[0] = folder.write("apps.csv", "app,risk_tier\nbilling,hihg\n");
  enrichment.files[1] = folder.file("none.csv");
  std::vector<Finding> findings;
  load_tables(enrichment, findings);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(to_text(findings[0]), folder.file("apps.csv") + ":2: risk_tier: 'hihg' is unknown; did you mean 'high'?");
  EXPECT_EQ(findings[0].column, 9);
  EXPECT_THAT(to_text(findings[1]), HasSubstr("none.csv: cannot be read"));
  EXPECT_THAT(finding_of(std::string(small) + "enrichment: {apps: apps.xlsx}\n"), HasSubstr("tidewaiter.yaml:3: enrichment.apps: "));
  EXPECT_THAT(finding_of(std::string(small) + "enrichment: {aps: a.csv}\n"), HasSubstr("did you mean 'apps'?"));
}

TEST(Policy, the_default_policy_loads_as_canonical_json_with_its_hash) {
  const auto policy = load_policy("schemas/default-policy.yaml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->hash, to_hex(as_view(sha256(policy->json))));
  EXPECT_EQ(nlohmann::json::parse(policy->json).dump(), policy->json);
  const auto parsed = detect::Policy::parse(policy->json);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->hash(), policy->hash);
}

TEST(Policy, no_file_is_a_policy_without_rules) {
  const auto policy = load_policy("");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(detect::Policy::parse(policy->json)->rule_count(), 0u);
}

TEST(Policy, a_type_that_nobody_knows_is_told_once) {
  const Folder folder;
  std::vector<Finding> findings;
  load_policy(folder.write("p.yaml", "version: 1\nrules:\n  - {id: a, type: wher, where: app == x}\n"), findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].message, HasSubstr("found 'wher'; did you mean 'where'?"));
}

TEST(Policy, mistakes_of_several_rules_come_at_once) {
  const Folder folder;
  std::vector<Finding> findings;
  load_policy(folder.write("p.yaml", "version: 1\nrules:\n  - {id: a, type: where, severity: high, where: risk_teir == high}\n"
                                     "  - {id: b, type: where, severity: high, where: app == x}\n  - {id: b, type: where, severity: high, where: ap == x}\n"
                                     "exceptions:\n  - {id: e, owner: o, reason: r, until: 2030-01-01T00:00:00Z, rules: [c]}\n"
                                     "  - {id: f, owner: o, reason: r, until: 2030-01-01T00:00:00Z, rules: [a]}\n"), findings);
  std::vector<std::string> said;
  for (const Finding& one : findings) said.push_back(std::to_string(one.line) + " " + one.key + ": " + one.message);
  EXPECT_THAT(said, ElementsAre(AllOf(StartsWith("3 rules[0].where: "), HasSubstr("did you mean 'risk_tier'?")), "5 rules[2].id: 'b' stands twice",
                                "7 exceptions[0].rules: there is no rule 'c'"));
}

TEST(Policy, a_mistake_is_named_by_its_line) {
  const Folder folder;
  std::vector<Finding> findings;
  load_policy(folder.write("p.yaml", "version: 1\nrules:\n  - id: a\n    type: where\n    where: risk_teir == high\n"), findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 5);
  EXPECT_EQ(findings[0].key, "rules[0].where");
  EXPECT_THAT(findings[0].message, HasSubstr("did you mean 'risk_tier'?"));
  findings.clear();
  load_policy(folder.write("p.yaml", "version: 1\nrules:\n  - id: a\n    type: egress_cap\n    bites: 1GB\n    window: 1h\n    bytes: 1GB\n"), findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 5);
  EXPECT_THAT(findings[0].message, HasSubstr("unknown key; did you mean 'bytes'?"));
}

constexpr const char* public_key = "-----BEGIN PUBLIC KEY-----\n"
                                   "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/wA/dAP3bOPnd2XMkpihHzbTW6JY\n"
                                   "I3X1Ck+954PTk0aOR0N8uZb/jhG6Xl7h5Zm1Sk2y/IiA6i5YDfQrugkEiA==\n"
                                   "-----END PUBLIC KEY-----\n";

TEST(AttestationConfig, keys_are_read_and_have_a_hash_by_their_content) {
  const Folder folder;
  const std::string pem = folder.write("ci.pem", public_key);
  const auto file = folder.write("c.yaml", std::string(small) + "attestation:\n  keys:\n    - {name: ci, public_key_file: ci.pem}\n");
  const auto config = load_config(file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->attestation.keys[0].public_key_file, pem);
  const auto trust = load_trust(*config);
  ASSERT_TRUE(trust) << trust.error().message;
  EXPECT_EQ(trust->hash, to_hex(as_view(sha256(trust->json))));
  EXPECT_THAT(trust->json, HasSubstr("BEGIN PUBLIC KEY"));
}

TEST(AttestationConfig, no_keys_are_no_trust) {
  const Folder folder;
  const auto config = load_config(folder.write("c.yaml", small));
  ASSERT_TRUE(config);
  const auto trust = load_trust(*config);
  ASSERT_TRUE(trust);
  EXPECT_EQ(trust->json, "");
  EXPECT_EQ(trust->hash, "");
}

TEST(AttestationConfig, mistakes_name_line_key_and_remedy) {
  const std::string head = std::string(small) + "attestation:\n  keys:\n";
  EXPECT_THAT(finding_of(head + "    - {name: ci, public_key_file: nowhere.pem}\n"),
              AllOf(StartsWith("tidewaiter.yaml:5: attestation.keys[0].public_key_file: "), HasSubstr("nowhere.pem cannot be read: No such file"),
                    HasSubstr("put the PEM file there")));
  EXPECT_THAT(finding_of(head + "    - {name: ci, public_key_file: tidewaiter.yaml}\n"),
              AllOf(StartsWith("tidewaiter.yaml:5: attestation.keys[0].public_key_file: "), HasSubstr("holds no public key in PEM form")));
  EXPECT_THAT(finding_of(head + "    - {name: ci, public_key_file: .}\n"), HasSubstr("is a directory"));
  EXPECT_THAT(finding_of(head + "    - {name: ci, public_key: ci.pem}\n"), HasSubstr("attestation.keys[0]"));
  const std::string roots = std::string(small) + "attestation:\n  roots:\n    - name: r\n      certificate_file: tidewaiter.yaml\n";
  EXPECT_THAT(finding_of(roots + "      identities: ['*']\n"),
              AllOf(StartsWith("tidewaiter.yaml:6: attestation.roots[0].certificate_file: "), HasSubstr("holds no certificate in PEM form")));
  EXPECT_THAT(finding_of(roots), HasSubstr("identities"));
}

}  // namespace
}  // namespace tidewaiter::app
