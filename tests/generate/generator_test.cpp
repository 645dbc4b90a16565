#include "app/generator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/column.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;

GeneratorConfig small(std::uint64_t seed = 1, std::uint64_t events = 40'000) {
  GeneratorConfig config;
  config.events = events;
  config.seed = seed;
  return config;
}

std::string digest(const GeneratorConfig& config) {
  Generator generator(config);
  Message message;
  std::string all, digests;
  while (generator.next(message)) {
    all.append(message.key).append(message.value.value_or("(null)")).append(std::to_string(message.delivery_ns));
    if (all.size() > 1'000'000) digests += as_view(sha256(all)), all.clear();
  }
  return to_hex(as_view(sha256(digests + all + generator.truth_json())));
}

/// Names of all members of an event's data, dotted as columns are.
void collect(const json& object, const std::string& prefix, std::set<std::string>& names) {
  for (const auto& [key, value] : object.items())
    if (value.is_object()) collect(value, prefix + key + ".", names);
    else names.insert(prefix + key);
}

TEST(Generator, the_same_seed_gives_the_same_bytes_and_another_seed_another_company) {
  EXPECT_EQ(digest(small()), digest(small()));
  EXPECT_NE(digest(small()), digest(small(2)));
}

TEST(Generator, gives_exactly_as_many_messages_as_asked) {
  for (std::uint64_t events : {1u, 100u, 5'000u, 40'000u}) {
    Generator generator(small(3, events));
    Message message;
    std::uint64_t count = 0;
    while (generator.next(message)) ++count;
    EXPECT_EQ(count, events);
    EXPECT_FALSE(generator.next(message));
  }
}

TEST(Generator, every_message_is_a_cloudevent_with_known_columns_and_words) {
  Generator generator(small());
  Message message;
  std::set<std::string> names, ids;
  while (generator.next(message)) {
    ASSERT_TRUE(message.value);
    const json event = json::parse(*message.value, nullptr, false);
    ASSERT_TRUE(event.is_object()) << *message.value;
    EXPECT_EQ(event.at("specversion"), "1.0");
    EXPECT_TRUE(event.at("source").is_string());
    EXPECT_TRUE(event.at("type").get<std::string>().starts_with("dev.tidewaiter."));
    EXPECT_EQ(parse_rfc3339(event.at("time").get<std::string>()), message.time_ns / 1'000'000 * 1'000'000);
    EXPECT_TRUE(ids.insert(event.at("id").get<std::string>()).second) << "id repeats";
    const json& data = event.at("data");
    EXPECT_EQ(data.at("app"), message.key);
    collect(data, "", names);
    for (const ColumnInfo& column : columns) {
      if (column.kind != ColumnKind::enumeration || !data.contains(std::string(column.name))) continue;
      EXPECT_TRUE(column.words->find(data[std::string(column.name)].get<std::string>())) << data.dump();
    }
  }
  for (const std::string& name : names) EXPECT_TRUE(find_column(name)) << name;
  EXPECT_GE(names.size(), 35u);
}

TEST(Generator, messages_are_of_the_stated_size_and_in_the_stated_shares) {
  Generator generator(small());
  Message message;
  std::map<std::string, double> families;
  std::size_t longest = 0;
  while (generator.next(message)) {
    longest = std::max(longest, message.value->size());
    const std::string_view type = message.value->substr(message.value->find("dev.tidewaiter.") + 15);
    families[std::string(type.substr(0, type.find('.')))] += 1;
  }
  const auto counts = generator.counts();
  const double mean = static_cast<double>(counts.bytes) / 40'000;
  EXPECT_GT(mean, 620);
  EXPECT_LT(mean, 760);
  EXPECT_LT(longest, 1200u);
  EXPECT_NEAR(families["agent"] / 40'000, 0.50, 0.02);
  EXPECT_NEAR(families["ci"] / 40'000, 0.15, 0.02);
  EXPECT_NEAR(families["runtime"] / 40'000, 0.35, 0.03);
}

TEST(Generator, delivery_never_runs_back_and_only_the_late_lag_far) {
  Generator generator(small());
  Message message;
  std::int64_t last = 0;
  std::uint64_t late = 0, disordered = 0;
  std::int64_t newest = 0;
  while (generator.next(message)) {
    EXPECT_GE(message.delivery_ns, last);
    last = message.delivery_ns;
    const std::int64_t lag = message.delivery_ns - message.time_ns;
    EXPECT_GE(lag, 0);
    if (message.late) {
      EXPECT_GE(lag, 15 * 60'000'000'000);
    } else {
      EXPECT_LE(lag, 3'000'000'000);
    }
    late += message.late;
    disordered += !message.late && message.time_ns < newest;
    newest = std::max(newest, message.time_ns);
    EXPECT_FALSE(message.late && message.incident != 0);
  }
  EXPECT_NEAR(static_cast<double>(late), 40, 25);
  EXPECT_GT(disordered, 0u);
}

TEST(Generator, a_day_has_a_rhythm_and_a_weekend_is_quiet) {
  Generator generator(small());
  Message message;
  std::uint64_t night = 0, noon = 0, weekend = 0, workdays = 0;
  while (generator.next(message)) {
    const std::int64_t hour = (message.time_ns - generator.config().start_ns) / 3'600'000'000'000;
    ++(hour / 24 % 7 >= 5 ? weekend : workdays);
    if (hour % 24 == 0) ++night;
    if (hour % 24 == 13) ++noon;
  }
  EXPECT_GT(noon, 2 * night);
  EXPECT_GT(workdays / 5, weekend / 2 * 3 / 2);
}

TEST(Generator, every_incident_is_in_the_stream_as_the_truth_says) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Generator generator(small(seed, 100'000));
    const auto& truth = generator.truth();
    ASSERT_GE(truth.size(), 15u);
    ASSERT_LE(truth.size(), 20u);
    std::vector<std::uint64_t> events(truth.size());
    std::map<std::string, std::int64_t> last_seen;
    Message message;
    while (generator.next(message)) {
      last_seen[std::string(message.key)] = message.time_ns;
      if (message.incident == 0) continue;
      const Incident& incident = truth.at(message.incident - 1u);
      ++events[message.incident - 1u];
      EXPECT_GT(message.time_ns, generator.learning_end_ns());
      EXPECT_GE(message.time_ns, incident.start_ns);
      EXPECT_LE(message.time_ns, incident.end_ns);
      EXPECT_EQ(message.key, incident.app);
      const json data = json::parse(*message.value).at("data");
      EXPECT_THAT(incident.principals, ::testing::Contains(data.at("principal").get<std::string>()));
      if (data.contains("dst_host")) {
        EXPECT_THAT(incident.destinations, ::testing::Contains(data["dst_host"].get<std::string>()));
      }
    }
    std::set<std::string> kinds, expects, apps, ids;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      kinds.insert(truth[i].kind);
      expects.insert(truth[i].expect);
      EXPECT_TRUE(ids.insert(truth[i].id).second);
      EXPECT_TRUE(apps.insert(truth[i].app).second) << "two incidents in " << truth[i].app << ", seed " << seed;
      EXPECT_EQ(events[i], truth[i].events) << truth[i].id;
      EXPECT_EQ(truth[i].events == 0, truth[i].kind == "silent_source");
      if (truth[i].kind == "silent_source") {
        EXPECT_LT(last_seen[truth[i].app], truth[i].start_ns);
      }
    }
    EXPECT_THAT(kinds, ::testing::IsSupersetOf({"forbidden_flow", "unapproved_destination", "outside_capability",
                                                "expired_token", "missing_approval", "egress_cap",
                                                "bulk_new_destination", "bulk_known_destination",
                                                "unexpected_destination", "new_data_class", "low_and_slow",
                                                "smurfing", "silent_source"}));
    EXPECT_THAT(expects, ::testing::UnorderedElementsAre("policy", "flow", "volume", "silence"));
  }
}

TEST(Generator, outside_the_incidents_nothing_breaks_a_rule) {
  Generator generator(small(4, 60'000));
  std::set<std::string> approved;
  Message message;
  while (generator.next(message)) {
    const json data = json::parse(*message.value).at("data");
    if (data.at("action") == "approve" && data["approval"]["approver_type"] == "user")
      approved.insert(data.at("correlation").get<std::string>());
    if (message.incident != 0 || message.late) continue;
    const std::string host = data.value("dst_host", "");
    const bool is_public = !host.empty() && !host.ends_with(".corp.example") && !host.ends_with(".partner.example");
    const auto classes = data.value("data_classes", std::vector<std::string>{});
    for (const std::string& word : classes) {
      if (!is_public) continue;
      EXPECT_THAT(word, ::testing::AnyOf("internal", "public", "telemetry"));
    }
    if (is_public && data["risk_tier"] == "high") {
      EXPECT_TRUE(host.ends_with(".saas.example")) << host;
    }
    if (data.contains("capability")) {
      EXPECT_THAT(data["capability"]["scopes"].get<std::vector<std::string>>(),
                  ::testing::Contains(data["action"].get<std::string>()));
      EXPECT_GT(*parse_rfc3339(data["capability"]["expires"].get<std::string>()), message.time_ns);
    }
    if (data["action"] == "deploy" || data["action"] == "delete") {
      EXPECT_TRUE(approved.contains(data.at("correlation").get<std::string>()));
    }
  }
}

TEST(Generator, malformed_messages_come_at_the_asked_rate_and_are_counted_by_kind) {
  GeneratorConfig config = small();
  config.malformed_per_million = 50'000;
  Generator generator(config);
  Message message;
  std::map<std::string, std::uint64_t> kinds;
  while (generator.next(message)) {
    ++kinds[std::string(message_kind_name(message.kind))];
    EXPECT_EQ(message.value.has_value(), message.kind != MessageKind::tombstone);
    if (!message.value) continue;
    const bool parses = !json::parse(*message.value, nullptr, false).is_discarded();
    const bool should = message.kind == MessageKind::event || message.kind == MessageKind::unmapped ||
                        message.kind == MessageKind::too_deep;
    EXPECT_EQ(parses, should) << message_kind_name(message.kind);
    EXPECT_FALSE(message.kind != MessageKind::event && message.incident != 0);
  }
  EXPECT_EQ(kinds, generator.counts().by_kind);
  EXPECT_EQ(kinds.size(), 8u);
  EXPECT_NEAR(static_cast<double>(40'000 - kinds["event"]), 2'000, 200);
}

TEST(Generator, a_short_or_small_run_has_no_incidents) {
  EXPECT_TRUE(Generator(small(1, 10'000)).truth().empty());
  GeneratorConfig config = small();
  config.days = 7;
  EXPECT_TRUE(Generator(config).truth().empty());
}

TEST(Generator, an_incident_concerns_its_own_entities_in_its_own_time) {
  Incident incident;
  incident.app = "billing-bot-1";
  incident.tenant = "acme-eu";
  incident.principals = {"agent:a"};
  incident.start_ns = 1000;
  incident.end_ns = 2000;
  EXPECT_TRUE(concerns(incident, "agent:a", 500, 1000, 0));
  EXPECT_TRUE(concerns(incident, "billing-bot-1", 2500, 2600, 500));
  EXPECT_FALSE(concerns(incident, "agent:a", 2501, 2600, 500));
  EXPECT_FALSE(concerns(incident, "agent:a", 0, 999, 500));
  EXPECT_FALSE(concerns(incident, "acme-eu", 1000, 2000, 0));
}

}  // namespace
}  // namespace tidewaiter::app
