// What is said about a document that does not fit, and that the words and the verdict never part.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>

#include "app/schema.hpp"
#include "app/schema_explain.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string only_error(const json& document, const json& schema) {
  const auto errors = validate(document, schema);
  if (errors.size() != 1) return std::to_string(errors.size()) + " errors";
  return errors[0].pointer + ": " + errors[0].message;
}

TEST(Validate, a_wrong_type_is_named_with_what_was_expected) {
  EXPECT_EQ(only_error("x", {{"type", "integer"}}), ": expected a whole number, found 'x'");
  EXPECT_EQ(only_error(1, {{"type", json::array({"boolean", "string"})}}), ": expected true or false or text, found 1");
}

TEST(Validate, an_unknown_key_is_named_with_the_nearest_known_one) {
  const json schema = {{"type", "object"}, {"additionalProperties", false}, {"properties", {{"topics", json::object()}}}};
  EXPECT_EQ(only_error({{"topcs", 1}}, schema), "/topcs: unknown key; did you mean 'topics'?");
  EXPECT_EQ(only_error({{"other", 1}}, schema), "/other: unknown key; known here: topics");
}

TEST(Validate, a_missing_key_and_a_wrong_word_are_named) {
  EXPECT_EQ(only_error(json::object(), {{"required", {"name"}}}), ": the key 'name' is missing");
  EXPECT_EQ(only_error("wran", {{"enum", {"info", "warn"}}}), ": expected info or warn, found 'wran'; did you mean 'warn'?");
}

TEST(Validate, bounds_are_named) {
  EXPECT_EQ(only_error(0, {{"minimum", 1}}), ": expected at least 1, found 0");
  EXPECT_EQ(only_error(9, {{"maximum", 5}}), ": expected at most 5, found 9");
  EXPECT_EQ(only_error(0, {{"exclusiveMinimum", 0}}), ": expected more than 0, found 0");
  EXPECT_EQ(only_error("", {{"minLength", 1}}), ": must not be empty");
  EXPECT_EQ(only_error(json::array(), {{"minItems", 1}}), ": must not be empty");
  EXPECT_EQ(only_error({1, 1}, {{"uniqueItems", true}}), "/1: 1 is there twice");
}

TEST(Validate, the_branch_that_was_meant_explains_itself) {
  const json schema = {{"oneOf", {{{"type", "object"}, {"required", {"kind", "a"}}, {"properties", {{"kind", {{"const", "x"}}}}}},
                                  {{"type", "object"}, {"required", {"kind", "b"}}, {"properties", {{"kind", {{"const", "y"}}}}}}}}};
  EXPECT_EQ(only_error({{"kind", "y"}}, schema), ": the key 'b' is missing");
}

TEST(Validate, all_errors_come_at_once_each_at_its_place) {
  const json document = {{"version", 1}, {"store", {{"directory", "x"}, {"zstd_levl", 1}, {"flush_interval_ms", 0}}}, {"log_level", "loud"}};
  const auto errors = validate_by_name(document, "config.schema.json");
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].pointer, "/log_level");
  EXPECT_EQ(errors[1].pointer, "/store/flush_interval_ms");
  EXPECT_EQ(errors[2].pointer, "/store/zstd_levl");
}

TEST(Validate, an_unknown_schema_accepts_nothing) { EXPECT_EQ(validate_by_name(1, "no.schema.json").size(), 1u); }

/// Every value of the document in turn is replaced by something else, or a member is added or taken away.
json changed(json document, std::mt19937& random) {
  json* at = &document;
  while (at->is_structured() && !at->empty() && random() % 5 != 0) {
    auto child = at->begin();
    std::advance(child, static_cast<std::ptrdiff_t>(random() % at->size()));
    at = &*child;
  }
  static const json values[] = {nullptr, true, 0, -1, 70000, 1.5, "", "x", "true", "risk_tier == high", json::array(),
                                json::object(), json::array({1, 1}), json::object({{"name", "x"}})};
  if (at->is_object() && random() % 2) {
    if (!at->empty() && random() % 2) at->erase(at->begin());
    else (*at)["unheard_of"] = 1;
  } else {
    *at = values[random() % std::size(values)];
  }
  return document;
}

TEST(Validate, the_explanation_and_the_validator_give_the_same_verdict) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const json schema = resolved_schema("config.schema.json");
  const json good = json::parse(R"({
    "version": 1,
    "store": {"directory": "s", "commit_bytes": "1MiB", "zstd_level": 3},
    "logs": [{"name": "a", "retention_days": 1, "where": "app == x"}, {"name": "b", "retention_days": 0}],
    "kafka": {"properties": {"bootstrap.servers": "b:9092", "fetch.min.bytes": 1}, "topics": ["t", "^u"]},
    "detect": {"memory_bytes": 33554432, "flow": false, "false_alerts_per_day": 0.5},
    "connectors": [{"name": "c", "type": "splunk_hec", "url": "https://h", "select": {"alerts": true, "events": "app == x"}},
                   {"name": "d", "type": "syslog", "host": "h", "port": 6514}],
    "http": {"api_address": "127.0.0.1:1"}, "log_level": "info"})");
  ASSERT_TRUE(validate(good, schema).empty());
  int wrong = 0;
  for (int round = 0; round < 600; ++round) {
    json document = good;
    for (std::size_t changes = 1 + random() % 2; changes > 0; --changes) document = changed(document, random);
    std::vector<SchemaError> explained;
    explain(document, schema, "", explained);
    const auto errors = validate(document, schema);
    ASSERT_EQ(errors.empty(), explained.empty())
        << document.dump() << "\n" << (errors.empty() ? explained : errors)[0].pointer << ": " << (errors.empty() ? explained : errors)[0].message;
    wrong += !errors.empty();
  }
  EXPECT_GT(wrong, 300);
}

}  // namespace
}  // namespace tidewaiter::app
