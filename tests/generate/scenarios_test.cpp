// The companies made to measure: their size, their incidents, and that nothing else in them breaks a rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "app/generator.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;
constexpr std::int64_t minute = 60'000'000'000, day = 1440 * minute;

const std::set<std::string> scenarios = {"forbidden_flow",   "bulk_new_destination", "bulk_known_destination", "bulk_known_sparse",
                                         "low_and_slow_30",  "low_and_slow_10",      "off_hours_export",
                                         "new_data_class",   "smurfing",             "rate_burst_10",
                                         "rate_burst_3",     "rare_chain",           "beacon",
                                         "peer_imitation",   "poisoned_ramp"};

const std::set<std::string> spells = {"app_errors", "app_slow"};  // of apps, without messages of their own; full alone

GeneratorConfig config_of(Company company, std::uint64_t events, std::uint64_t seed = 1) {
  GeneratorConfig config = GeneratorConfig::of(company);
  config.events = events;
  config.seed = seed;
  return config;
}

/// The text of a member that stands once in the message, without parsing all of it.
std::string_view member(std::string_view text, std::string_view key) {
  const std::string quoted = "\"" + std::string(key) + "\":\"";
  const std::size_t at = text.find(quoted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + quoted.size());
  return rest.substr(0, rest.find('"'));
}

class Companies : public testing::TestWithParam<std::tuple<Company, std::uint64_t>> {
 protected:
  Companies() : config_(config_of(std::get<0>(GetParam()), std::get<1>(GetParam()))) {}
  GeneratorConfig config_;
};

TEST_P(Companies, every_scenario_is_in_the_stream_four_times_as_the_truth_says) {
  Generator generator(config_);
  const auto& truth = generator.truth();
  std::vector<std::uint64_t> events(truth.size());
  Message message;
  std::uint64_t messages = 0;
  while (generator.next(message)) {
    ++messages;
    if (message.incident == 0) continue;
    const Incident& incident = truth.at(message.incident - 1u);
    ++events[message.incident - 1u];
    EXPECT_GE(message.time_ns, incident.start_ns);
    EXPECT_LE(message.time_ns, incident.end_ns);
    EXPECT_THAT(incident.principals, testing::Contains(std::string(member(*message.value, "principal"))));
    EXPECT_THAT(incident.destinations, testing::Contains(std::string(member(*message.value, "dst_host"))));
  }
  EXPECT_EQ(messages, config_.events);
  std::map<std::string, int> count;
  std::set<std::string> principals;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++count[truth[i].kind];
    EXPECT_EQ(events[i], truth[i].events) << truth[i].id;
    EXPECT_TRUE(truth[i].expect.empty());
    if (spells.contains(truth[i].kind)) {
      EXPECT_EQ(truth[i].end_ns - truth[i].start_ns, 120 * minute);
      EXPECT_TRUE(principals.insert("app:" + truth[i].app).second) << "two spells of one app";
      EXPECT_GT(truth[i].start_ns, generator.learning_end_ns());
      continue;
    }
    EXPECT_TRUE(principals.insert(truth[i].principals.at(0)).second) << "two incidents of one agent";
    const bool ramp = truth[i].kind.starts_with("low_and_slow") || truth[i].kind == "poisoned_ramp";
    EXPECT_EQ(truth[i].counts_from_ns != 0, truth[i].kind == "poisoned_ramp");
    EXPECT_GT(ramp ? truth[i].end_ns : truth[i].start_ns, generator.learning_end_ns()) << truth[i].id;
    if (ramp) {
      EXPECT_LT(truth[i].start_ns, generator.learning_end_ns());
    }
  }
  for (const std::string& scenario : scenarios) EXPECT_EQ(count[scenario], 4) << scenario;
  const bool full = config_.company == Company::full;
  for (const std::string& spell : spells) EXPECT_EQ(count[spell], full ? 4 : 0) << spell;
  EXPECT_EQ(count.size(), scenarios.size() + spells.size()) << "those of no incident are counted as 0";
}

TEST_P(Companies, an_app_fails_or_is_slow_in_its_spell_and_at_no_other_time) {
  struct Sums {
    const Incident* incident;
    std::array<double, 2> messages{}, failed{}, calls{}, logs{};  // outside of the spell, within it
  };
  Generator generator(config_);
  std::map<std::string, Sums, std::less<>> apps;
  for (const Incident& incident : generator.truth())
    if (spells.contains(incident.kind)) apps[incident.app].incident = &incident;
  ASSERT_EQ(apps.size(), config_.company == Company::full ? 8u : 0u);
  Message message;
  std::uint64_t with_duration = 0;
  while (generator.next(message)) {
    constexpr std::string_view key = "\"duration_ns\":";
    const std::size_t at = message.value->find(key);
    with_duration += at != std::string_view::npos;
    const auto found = apps.find(message.key);
    if (found == apps.end()) continue;
    Sums& sums = found->second;
    const std::size_t now = message.time_ns >= sums.incident->start_ns && message.time_ns < sums.incident->end_ns;
    sums.messages[now] += 1;
    sums.failed[now] += member(*message.value, "outcome") != "success";
    if (at == std::string_view::npos) continue;
    sums.calls[now] += 1;
    sums.logs[now] += std::log(std::strtod(message.value->data() + at + key.size(), nullptr));
  }
  std::map<std::string, std::array<double, 2>> shares, times;
  for (const auto& [name, sums] : apps)
    for (const std::size_t now : {0u, 1u}) {
      shares[sums.incident->kind][now] += sums.failed[now] / sums.messages[now] / 4;
      times[sums.incident->kind][now] += sums.logs[now] / sums.calls[now] / 4;
    }
  if (config_.company != Company::full) {
    EXPECT_EQ(with_duration, 0u);
    return;
  }
  EXPECT_GT(with_duration * 2, config_.events);
  EXPECT_NEAR(shares["app_errors"][0], 0.025, 0.005);
  EXPECT_NEAR(shares["app_errors"][1], 0.2, 0.12);
  EXPECT_NEAR(shares["app_slow"][1], 0.025, 0.03);
  EXPECT_NEAR(times["app_slow"][1] - times["app_slow"][0], std::log(4), 0.4);
  EXPECT_NEAR(times["app_errors"][1] - times["app_errors"][0], 0, 0.4);
}

TEST_P(Companies, incidents_are_on_at_most_one_in_a_thousand_entity_days) {
  const json counts = json::parse(Generator(config_).truth_json()).at("counts");
  EXPECT_GT(counts.at("incident_entity_days"), 50);
  EXPECT_LE(counts["incident_entity_days"].get<double>() * 1000, counts.at("entity_days").get<double>());
}

TEST_P(Companies, bursts_are_of_agents_with_three_actions_a_minute) {
  Generator generator(config_);
  std::map<std::string, const Incident*> busy;
  std::map<std::string, int> actions;  // in the half hour before the burst
  for (const Incident& incident : generator.truth())
    if (incident.kind.starts_with("rate_burst")) busy[incident.principals.at(0)] = &incident;
  ASSERT_EQ(busy.size(), 8u);
  Message message;
  while (generator.next(message)) {
    const auto found = busy.find(std::string(member(*message.value, "principal")));
    if (found == busy.end()) continue;
    const std::int64_t before = found->second->start_ns - message.time_ns;
    if (before > 0 && before <= 30 * minute) ++actions[found->first];
  }
  double sum = 0;
  for (const auto& [principal, count] : actions) sum += count;
  EXPECT_GE(sum / 8 / 30, 2.8);  // the half hour may lie in a calmer hour
}

TEST_P(Companies, bulk_to_a_known_host_is_of_agents_with_a_transfer_there_every_few_minutes_unless_it_says_sparse) {
  Generator generator(config_);
  struct Sums {
    const Incident* incident;
    std::map<std::int64_t, std::uint64_t> transfers;  // by hour before the incident
  };
  std::map<std::string, Sums> pairs;
  for (const Incident& incident : generator.truth())
    if (incident.kind.starts_with("bulk_known")) pairs[incident.principals.at(0)].incident = &incident;
  ASSERT_EQ(pairs.size(), 8u);
  Message message;
  while (generator.next(message)) {
    const auto found = pairs.find(std::string(member(*message.value, "principal")));
    if (found == pairs.end() || message.incident != 0) continue;
    auto& [incident, transfers] = found->second;
    if (member(*message.value, "dst_host") != incident->destinations.at(0) || message.time_ns > incident->start_ns) continue;
    ++transfers[message.time_ns / (60 * minute)];
  }
  for (const auto& [principal, sums] : pairs) {
    std::vector<std::uint64_t> counts;
    for (const auto& [hour, count] : sums.transfers) counts.push_back(count);
    std::ranges::sort(counts);
    const std::uint64_t busy = counts.at(counts.size() * 9 / 10);
    if (sums.incident->kind == "bulk_known_destination") {
      EXPECT_GE(busy, 8u) << principal;
    } else {
      EXPECT_LE(busy, 6u) << principal;
    }
  }
}

TEST_P(Companies, outside_of_forbidden_flows_nothing_breaks_a_rule) {
  Generator generator(config_);
  Message message;
  std::uint64_t high_outside = 0, number = 0;
  while (generator.next(message)) {
    const std::string_view host = member(*message.value, "dst_host");
    if (host.empty() || host.ends_with(".corp.example") || host.ends_with(".partner.example")) continue;
    if (message.incident != 0 && generator.truth()[message.incident - 1u].kind == "forbidden_flow") continue;
    if (member(*message.value, "risk_tier") != "high") continue;
    ++high_outside;
    EXPECT_TRUE(host.ends_with(".saas.example")) << host;
    if (++number % 50 != 0) continue;
    const json data = json::parse(*message.value).at("data");
    for (const auto& word : data.value("data_classes", std::vector<std::string>()))
      EXPECT_THAT(word, testing::AnyOf("internal", "public", "telemetry"));
  }
  EXPECT_GT(high_outside, 1000u);
}

TEST_P(Companies, the_same_seed_gives_the_same_bytes_and_another_seed_others) {
  const auto digest = [&](std::uint64_t seed) {
    config_.seed = seed;
    config_.events = 30'000;
    Generator generator(config_);
    Message message;
    std::string all;
    while (generator.next(message)) all.append(*message.value);
    return to_hex(as_view(sha256(all + generator.truth_json())));
  };
  EXPECT_EQ(digest(1), digest(1));
  EXPECT_NE(digest(1), digest(2));
}

INSTANTIATE_TEST_SUITE_P(Generator, Companies,
                         testing::Values(std::tuple(Company::full, 2'000'000), std::tuple(Company::other, 2'600'000)),
                         [](const auto& given) { return std::string(company_names[static_cast<unsigned>(std::get<0>(given.param))]); });

TEST(Company, full_has_the_stated_size_and_all_of_it_is_seen) {
  Generator generator(config_of(Company::full, 1'500'000));
  std::set<std::string, std::less<>> agents, apps, roles, classes;
  Message message;
  while (generator.next(message)) {
    const std::string_view principal = member(*message.value, "principal");
    if (principal.starts_with("agent:") && !agents.contains(principal)) agents.emplace(principal);
    if (!apps.contains(message.key)) apps.emplace(message.key);
    if (const auto role = member(*message.value, "role"); !roles.contains(role)) roles.emplace(role);
    const std::size_t at = message.value->find("\"data_classes\":[\"");
    if (at == std::string_view::npos) continue;
    const std::string_view word = message.value->substr(at + 17);
    classes.emplace(word.substr(0, word.find('"')));
  }
  EXPECT_GE(agents.size(), 1990u);
  EXPECT_LE(agents.size(), 2000u);
  EXPECT_EQ(apps.size(), 150u);
  EXPECT_EQ(roles.size(), 60u);
  EXPECT_EQ(classes.size(), 12u);
  EXPECT_EQ(generator.learning_end_ns(), generator.config().start_ns + 28 * day);
  EXPECT_EQ(json::parse(generator.truth_json()).at("company").at("destinations"), 5204);  // 204 of them of incidents
}

}  // namespace
}  // namespace tidewaiter::app
