// The tests beside the mappings: tests/ingest/formats/NAME/input.jsonl holds a message a line, expected.jsonl what becomes
// of each: {"events":[...]} in the words of schemas/event.schema.json, without observed_time, format and mapping_version;
// null in the place of an event that is unmapped; or {"reject":"reason"}, or {"unmapped":true}. "headers" are those of the
// message. Expected lines are written from the documentation of the format. "kind" says which of the five kinds of message
// that every format must show a line is: minimal, typical, wrapped, odd (no actor, a null, a number as a string) or broken.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "core/text.hpp"
#include "tests/ingest/batches.hpp"

namespace tidewaiter::ingest {
namespace {

using Json = nlohmann::json;
using testing::make_parser;
using testing::TestBatch;

const std::filesystem::path folder = TIDEWAITER_FORMAT_TESTS;

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

struct Case {
  std::string message;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string kind;
  Json expected;
};

std::vector<Case> cases_of(const std::string& name) {
  const auto input = lines_of(folder / name / "input.jsonl"), expected = lines_of(folder / name / "expected.jsonl");
  EXPECT_EQ(input.size(), expected.size()) << name;
  std::vector<Case> cases;
  for (std::size_t i = 0; i < std::min(input.size(), expected.size()); ++i) {
    Case one{input[i], {}, "", Json::parse(expected[i])};
    const Json headers = one.expected.value("headers", Json::object());
    for (const auto& [header, value] : headers.items())
      one.headers.emplace_back(header, value.get<std::string>());
    one.kind = one.expected.value("kind", "");
    one.expected.erase("headers");
    one.expected.erase("kind");
    cases.push_back(std::move(one));
  }
  return cases;
}

/// What became of the message, in the words of expected.jsonl.
Json outcome_of(Parser& parser, const Case& one, std::string_view topic) {
  TestBatch batch(one.message.size() * 4 + (1 << 16));
  batch.add(one.message, one.headers, topic).parse(parser);
  const Record& record = batch.record();
  if (record.kind == RecordKind::reject) return {{"reject", reject_reason_name(record.reason)}};
  if (record.kind == RecordKind::unmapped) return {{"unmapped", true}};
  Json events = Json::array();
  for (std::uint32_t i = 0; i < record.event_count; ++i) {
    const Event& event = batch.batch.events.at(record.first_event + i);
    EXPECT_EQ(event.sub, i);
    if (event.get(Num::class_uid) == 0 && !event.has(Num::format)) {
      events.push_back(nullptr);
      continue;
    }
    std::string text;
    append_event_json(text, event);
    Json columns = Json::parse(text);
    for (const char* own : {"observed_time", "format", "mapping_version"}) columns.erase(own);
    events.push_back(std::move(columns));
  }
  return {{"events", events}};
}

class Formats : public ::testing::TestWithParam<std::string> {};

TEST_P(Formats, give_the_expected_events) {
  auto parser = make_parser();
  std::size_t line = 0;
  for (const Case& one : cases_of(GetParam())) {
    ++line;
    EXPECT_EQ(outcome_of(*parser, one, GetParam()).dump(1), one.expected.dump(1)) << GetParam() << " line " << line;
  }
}

TEST_P(Formats, are_known_whatever_the_topic_held_before) {
  std::vector<Case> others;
  for (const std::string& name : format_names())
    if (name != GetParam()) others.push_back(cases_of(name).at(0));
  auto parser = make_parser();
  int number = 0;
  for (const Case& one : cases_of(GetParam())) {
    if (one.message[0] != '{' && one.message[0] != '[') continue;  // a header line is remembered by its partition
    for (const Case& other : others) {
      const std::string topic = "mixed-" + std::to_string(++number);  // of which the parser knows nothing yet
      outcome_of(*parser, other, topic);
      EXPECT_EQ(outcome_of(*parser, one, topic), one.expected) << "after " << other.message.substr(0, 200);
    }
  }
}

TEST_P(Formats, give_the_same_events_when_every_value_is_checked) {
  ParserOptions options;
  options.strict = true;
  auto parser = make_parser(options);
  for (const Case& one : cases_of(GetParam())) EXPECT_EQ(outcome_of(*parser, one, GetParam()), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Mappings, Formats, ::testing::ValuesIn(format_names()),
                         [](const auto& param_info) { return param_info.param; });

bool any_event(const Json& expected, const std::function<bool(const Json&)>& is) {
  const Json events = expected.value("events", Json::array());
  return std::any_of(events.begin(), events.end(), [&](const Json& event) { return event.is_object() && is(event); });
}

std::size_t columns_in(const Case& one) { return one.expected.value("events", Json::array({Json::object()})).at(0).size(); }

/// Without an actor, or with a null or a number in quotes.
bool is_odd(const Case& one) {
  static const std::regex null_or_number(R"re(": ?(null|"-?[0-9]+(\.[0-9]+)?"))re");
  return std::regex_search(one.message, null_or_number) ||
         any_event(one.expected, [](const Json& event) { return event.value("principal", "") == "unknown"; });
}

TEST(FormatTests, every_mapping_shows_the_five_kinds_of_message) {
  for (const MappingFile& file : embedded_mappings()) {
    const std::string name = Json::parse(file.json).at("format");
    std::map<std::string, Case> shown;
    for (const Case& one : cases_of(name)) {
      if (one.kind.empty()) continue;
      EXPECT_TRUE(shown.emplace(one.kind, one).second) << name << ": " << one.kind << " twice";
    }
    for (const char* kind : {"minimal", "typical", "wrapped", "odd", "broken"})
      EXPECT_TRUE(shown.contains(kind)) << name << " has no message of the kind " << kind;
    EXPECT_EQ(shown.size(), 5u) << name;
    if (shown.size() != 5) continue;
    const auto has_any = [](const Json&) { return true; };
    for (const char* kind : {"minimal", "typical", "wrapped", "odd"})
      EXPECT_TRUE(any_event(shown.at(kind).expected, has_any)) << name << ": " << kind << " is no event";
    EXPECT_LT(columns_in(shown.at("minimal")), columns_in(shown.at("typical"))) << name;
    const Case& wrapped = shown.at("wrapped");
    const bool has_flag = any_event(wrapped.expected, [](const Json& event) {
      return event.contains("flags") && event["flags"].dump().find("\"wrapped\"") != std::string::npos;
    });
    EXPECT_TRUE(has_flag || !wrapped.headers.empty()) << name;  // headers are the wrapper of CloudEvents on Kafka
    EXPECT_TRUE(is_odd(shown.at("odd"))) << name;
    EXPECT_TRUE(shown.at("broken").expected.contains("reject")) << name;
  }
}

TEST(FormatTests, every_mapping_has_some) {
  for (const MappingFile& file : embedded_mappings()) {
    const std::string name = Json::parse(file.json).at("format");
    EXPECT_TRUE(std::filesystem::exists(folder / name / "input.jsonl")) << name;
    EXPECT_EQ(name, file.name);
  }
}

TEST(FormatTests, white_space_before_a_document_does_not_make_it_a_line_of_words) {
  const std::string words = R"({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": "get", "a": 1, "b": 2, "c": 3, "d": 4})";
  for (const char* space : {" ", "\n", "\r\n\t", "\xEF\xBB\xBF\n"}) {
    auto parser = make_parser();
    TestBatch batch;
    batch.add(space + words).parse(*parser);
    ASSERT_EQ(batch.record().kind, RecordKind::event);
    EXPECT_EQ(batch.event().get(Str::operation), "get") << "14 words are as many as a flow log's";
  }
}

TEST(FormatTests, every_format_is_in_the_page_for_users) {
  std::ifstream in(folder / "../../../docs/formats.md");
  const std::string page(std::istreambuf_iterator<char>(in), {});
  for (const MappingFile& file : embedded_mappings())
    EXPECT_NE(page.find("`" + Json::parse(file.json).at("format").get<std::string>() + "`"), std::string::npos) << file.name;
}

/// Splunk's HTTP Event Collector, and what else sends events as {"event":{...}}, beside the shippers of text.
TEST(FormatTests, logs_of_services_are_read_in_the_wrapper_of_an_event_collector) {
  auto parser = make_parser();
  for (const std::string name : {"anthropic_audit", "argocd", "bedrock_invocation", "cloudtrail", "falco", "flux", "gcp_audit", "github_audit", "gitlab_audit", "google_workspace", "hubble", "k8s_audit", "ocsf", "okta", "opa_decision", "openai_audit", "tetragon", "zeek"})
    for (const Case& one : cases_of(name)) {
      if (one.kind != "typical") continue;
      const auto without_flags = [&](const std::string& message) {
        Json outcome = outcome_of(*parser, {message, one.headers, "", {}}, "collected");
        EXPECT_TRUE(outcome.contains("events")) << name << ' ' << message;
        for (Json& event : outcome["events"]) event.erase("flags");
        return outcome.dump(1);
      };
      const std::string plain = without_flags(one.message);
      EXPECT_EQ(without_flags("{\"time\":1700000000,\"host\":\"h\",\"event\":" + one.message + ",\"sourcetype\":\"s\"}"), plain) << name;
      EXPECT_EQ(without_flags(Json{{"time", 1700000000}, {"event", one.message}}.dump()), plain) << name;
    }
}

TEST(FormatTests, the_example_of_every_mapping_is_an_event_of_its_format) {
  std::map<int, std::string> numbers;
  for (const MappingFile& file : embedded_mappings()) {
    const Json mapping = Json::parse(file.json);
    EXPECT_TRUE(numbers.emplace(mapping.at("number").get<int>(), file.name).second) << file.name << ": number is taken";
    const Json& example = mapping.at("example");
    auto parser = make_parser();
    TestBatch batch;
    batch.add(example.is_string() ? example.get<std::string>() : example.dump()).parse(*parser);
    ASSERT_EQ(batch.record().kind, RecordKind::event) << file.name;
    EXPECT_EQ(batch.event().get(Num::format), mapping.at("number").get<std::uint64_t>()) << file.name;
  }
}

}  // namespace
}  // namespace tidewaiter::ingest
