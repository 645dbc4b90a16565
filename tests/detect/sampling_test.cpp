// Sampling of what statistics see: rules, byte sums and silence see everything, estimates know the rate, and a replay
// over changes of the rate gives the same alerts.
#include "core/sampling.hpp"

#include <cmath>

#include "detect/flow.hpp"
#include "detect/policy.hpp"
#include "detect/scoring_sample.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

using Bodies = std::vector<nlohmann::json>;

std::string policy_with(const std::string& sampling) {
  return R"({"version":1,"sampling":)" + sampling + R"(,"rules":[
    {"id":"flow","type":"forbidden_flow","risk_tiers":["high"],"data_classes":["pii"],"destinations":["public"]},
    {"id":"big","type":"where","where":"bytes_out > 50MB"},
    {"id":"cap","type":"egress_cap","window":"1h","bytes":"100MB"}]})";
}
std::string low_at(const std::string& rate) { return R"({"tiers":{"low":{"scoring_rate":)" + rate + "}}}"; }

/// Half of the agents act in apps of the tier low. From the third week on there are new hosts, large sums and a sensor
/// that goes silent, in both tiers. `policies`: (day, sampling section).
Stream company(const std::vector<std::pair<int, std::string>>& policies, int days = 24) {
  Stream stream;
  std::size_t next = 0;
  stream.tick(0, {}, {0, 1, 2, 3});
  Company play;
  play.days = days;
  std::mt19937_64 random(4);
  play.play([&](Made made) {
    while (next < policies.size() && made.time >= monday + policies[next].first * day)
      stream.policy(policy_with(policies[next++].second));
    const int agent = std::stoi(made.principal.substr(6));
    made.tier = agent / 4 % 2 == 0 ? "low" : "high";
    if (made.app == "app-3" && made.time < monday + 17 * day) made.observer = "sensor";
    if (made.time > monday + 14 * day && random() % 100 == 0) {
      made.host = "drop-" + std::to_string(random() % 1000) + ".example.net";
      made.category = "public";
      if (random() % 3 == 0) made.bytes = 90'000'000;
    }
    stream.add(made);
  });
  stream.tick(monday + days * day + hour, {0, 1, 2, 3});
  return stream;
}

EngineConfig eager() {
  EngineConfig config = small_config();
  config.budget.per_day = 1000;
  config.false_alerts_per_day = 5;
  return config;
}

Bodies of_flow(const Bodies& alerts, bool flow) {
  Bodies out;
  for (const auto& alert : alerts)
    if ((alert["detector"] == "flow") == flow) out.push_back(alert);
  return out;
}

/// Alerts without what they say of others of their incident, and of the day's budget.
Bodies without_incidents(const Bodies& alerts) {
  Bodies out;
  for (auto alert : alerts) {
    if (alert["kind"] == "suppressed_digest") continue;
    auto& why = alert["explanation"];
    for (const char* member : {"incident_expected_per_day", "incident_since", "incident_findings", "also_flow", "budget_used"})
      why.erase(member);
    out.push_back(alert);
  }
  return out;
}

std::ptrdiff_t of_low_tier(const Bodies& alerts) {
  return std::ranges::count_if(alerts, [](const auto& alert) { return alert.value("risk_tier", "") == "low"; });
}

TEST(ScoringSample, rules_byte_sums_and_silence_see_every_event_whatever_the_rate) {
  const auto all = judge(company({{0, "{}"}}), eager()), sampled = judge(company({{0, low_at("0.001")}}), eager());
  const auto of_both = without_incidents(of_flow(all, false)), of_sampled = without_incidents(of_flow(sampled, false));
  std::map<std::string, nlohmann::json> by_uid;
  for (const auto& alert : of_both) by_uid[alert["uid"]] = alert;
  std::size_t alike = 0, alone = 0;
  for (const auto& alert : of_sampled) {
    const auto same = by_uid.find(alert["uid"]);
    // What flow found decides which findings of an incident are told, not what they say.
    const bool found = same != by_uid.end(), apart = alert["detector"] == "policy" || alert["detector"] == "silence";
    EXPECT_TRUE(!found || alert == same->second) << alert.dump();
    EXPECT_TRUE(found || !apart) << alert.dump();
    alike += found;
    alone += apart;
  }
  EXPECT_GT(alone, 0u);
  EXPECT_GE(10 * alike, 8 * std::max(of_both.size(), of_sampled.size()));
  std::map<std::string, int> detectors;
  for (const auto& alert : of_flow(all, false)) ++detectors[alert["detector"]];
  for (const char* name : {"policy", "volume", "silence", "rhythm"}) EXPECT_GT(detectors[name], 0) << name;
  EXPECT_LT(of_low_tier(of_flow(sampled, true)), of_low_tier(of_flow(all, true)));
}

TEST(ScoringSample, a_finding_of_a_sampled_tier_says_the_rate_and_one_of_another_tier_has_none) {
  const Sampling sampling = *Sampling::parse(low_at("0.5"));
  int low = 0, high = 0;
  for (const auto& alert : judge(company({{0, low_at("0.5")}}), eager())) {
    const bool of_low = alert["detector"] == "flow" && alert["kind"] == "alert" && alert["risk_tier"] == "low";
    EXPECT_EQ(alert.contains("sample_rate"), of_low) << alert;
    high += alert["detector"] == "flow" && alert["kind"] == "alert" && alert["risk_tier"] == "high";
    if (!of_low) continue;
    ++low;
    EXPECT_EQ(alert["sample_rate"], 0.5);
    Event event;
    const std::string tenant = alert["entity"]["tenant"], principal = alert["principal"];
    event.set(Str::tenant, tenant);
    event.set(Str::principal, principal);
    EXPECT_TRUE(Sampling::in_sample(sampling.principal_hash(event), 0.5)) << principal << " is not in the sample";
  }
  EXPECT_GT(low, 0);
  EXPECT_GT(high, 0);
}

TEST(ScoringSample, what_is_left_out_is_counted_by_tier) {
  const Stream stream = company({{0, low_at("0.3")}}, 7);
  const Sampling sampling = *Sampling::parse(low_at("0.3"));
  Machine machine;
  std::vector<OwnRecord> alerts;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 100; }, alerts);
  const Commit whole = stream.commit(0, stream.size(), 1);
  double expected = 0;
  for (const Event& event : whole.events) expected += !sampling.scores(event);
  EXPECT_GT(expected, 1000);
  const auto left_out = [&](const char* tier) {
    return machine.metrics.gauge("tidewaiter_detect_unscored_events", "", {{"risk_tier", tier}}).value();
  };
  EXPECT_EQ(left_out("low"), expected);
  EXPECT_EQ(left_out("high"), 0);
  EXPECT_EQ(machine.metrics.gauge("tidewaiter_detect_scoring_rate", "", {{"risk_tier", "low"}}).value(), 0.3);
  EXPECT_EQ(machine.engine->status().unscored_events, static_cast<std::uint64_t>(expected));
}

TEST(ScoringSample, a_replay_over_changes_of_the_rate_gives_the_same_alerts_wherever_commits_are_cut) {
  const Stream stream = company({{0, low_at("0.5")}, {15, low_at("0.2")}, {17, low_at("0.8")}, {19, "{}"},
                                 {21, R"({"tiers":{"low":{"scoring_rate":0.5}},"seed":"other"})"}});
  Machine straight(eager());
  std::vector<OwnRecord> expected;
  stream.feed(*straight.engine, 0, stream.size(), [] { return 500; }, expected);
  EXPECT_GT(of_flow(parsed(expected), true).size(), 10u);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    std::mt19937_64 random(seed);
    Machine first(eager()), second(eager());
    std::vector<OwnRecord> alerts;
    const std::size_t at = stream.size() * (seed + 5) / 10;
    stream.feed(*first.engine, 0, at, [&] { return random() % 900; }, alerts);
    const std::string snapshot = first.engine->snapshot();
    ASSERT_TRUE(second.engine->restore(snapshot));
    EXPECT_EQ(second.engine->snapshot(), snapshot);
    stream.feed(*second.engine, at, stream.size(), [&] { return random() % 900; }, alerts);
    EXPECT_EQ(bodies(alerts), bodies(expected)) << "cut at " << at;
  }
}

TEST(ScoringSample, who_comes_into_the_sample_is_learnt_for_three_days_before_it_is_judged) {
  ScoringSample sample;
  sample.set(*Sampling::parse(low_at("0.1")), monday);
  const Sampling narrow = sample.now();
  sample.set(*Sampling::parse(low_at("0.9")), monday + 10 * day);
  int newly = 0, known = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string name = "agent:" + std::to_string(i);
    Event event;
    event.set(Str::principal, name);
    event.set(Num::risk_tier, static_cast<std::uint64_t>(RiskTier::low));
    event.set(Num::time, static_cast<std::uint64_t>(monday + 11 * day));
    const auto soon = sample.part_of(event);
    event.set(Num::time, static_cast<std::uint64_t>(monday + 14 * day));
    const auto later = sample.part_of(event);
    EXPECT_EQ(soon.rate, later.rate);
    if (soon.rate == 0) continue;
    EXPECT_EQ(soon.share.judged, narrow.scores(event));
    EXPECT_TRUE(later.share.judged);
    ++(soon.share.judged ? known : newly);
  }
  EXPECT_GT(known, 20);
  EXPECT_GT(newly, 300);
}

/// What the role looks like to somebody who does something new in it.
struct Estimate {
  double peers = 0, tests = 0;
};

Estimate estimate(const Sampling& sampling, int seed) {
  Flow flow(8 << 20, 50);
  const double rate = sampling.scoring_rate(static_cast<std::uint64_t>(RiskTier::low));
  const auto see = [&](const Made& made) {
    Stream stream;
    stream.add(made);
    const Commit commit = stream.commit(0, 1, 1);
    if (!sampling.scores(commit.events[0])) return Flow::Verdict();
    const float weight = made.tier == "low" ? static_cast<float>(1 / rate) : 1;
    return flow.observe(keys_of(commit.events[0]), commit.events[0], {weight, true});
  };
  Made made;
  made.role = "worker";
  Flow::Verdict last;
  for (int at = 0; at < 12 * 6; ++at)  // six rounds a day
    for (int agent = 0; agent < 300; ++agent) {
      made.time = monday + at * 4 * hour + agent * second;
      made.principal = "agent:" + std::to_string(seed) + "-" + std::to_string(agent);
      made.tier = agent < 20 ? "high" : "low";
      made.host = "db-" + std::to_string((at + agent) % 3) + ".corp.example";
      see(made);
    }
  made.principal = "agent:" + std::to_string(seed) + "-0";
  made.tier = "high";
  made.host = "nowhere.example";
  last = see(made);
  EXPECT_EQ(last.rule, "flow.destination");
  return {last.peers, flow.calibrator(0).tests()};
}

TEST(ScoringSample, estimates_over_a_sample_are_unbiased) {
  const Estimate truth = estimate(Sampling(), 0);
  EXPECT_EQ(truth.peers, 300);
  constexpr int seeds = 30;
  const double rate = 0.25;
  double peers = 0, tests = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    const Estimate sampled = estimate(*Sampling::parse(low_at("0.25")), seed);
    peers += sampled.peers / seeds;
    tests += sampled.tests / seeds;
  }
  // 280 of the 300 are sampled: the standard error of their number, as a share of all.
  const double bound = 4 * std::sqrt(280 * (1 - rate) / rate / seeds) / 300;
  EXPECT_NEAR(peers / truth.peers, 1, bound);
  EXPECT_NEAR(tests / truth.tests, 1, bound);
  EXPECT_LT(bound, 0.08);
}

TEST(ScoringSample, a_score_that_stands_for_many_is_no_more_evidence_than_one) {
  TailCalibrator one(3, 1.25), ten(3, 1.25);
  for (int hour_number = 0; hour_number < 24 * 20; ++hour_number) {
    const std::int64_t time = monday + hour_number * hour;
    const double score = 3 + (hour_number * 37 % 100) / 25.0;
    one.learn(score, time);
    ten.learn(score, time, 10);
  }
  EXPECT_NEAR(ten.rate_per_day(5) / one.rate_per_day(5), 10, 0.01) << "ten times as many of them";
  EXPECT_NEAR(ten.rate_per_day(12) / one.rate_per_day(12), 10, 0.01) << "and the tail beyond is as long";
}

TEST(ScoringSample, a_policy_with_a_rate_that_makes_no_sense_is_refused) {
  const auto refused = [](const std::string& sampling) {
    const auto policy = Policy::parse(policy_with(sampling));
    return policy ? std::string() : policy.error().message;
  };
  EXPECT_EQ(refused(R"({"tiers":{"low":{"scoring_rate":2}}})").find("policy: sampling.tiers.low.scoring_rate: expected a share"), 0u);
  EXPECT_EQ(refused(R"({"tiers":{"critical":{"scoring_rate":0.5}}})").find("policy: sampling.tiers.critical: events of this tier"), 0u);
  EXPECT_EQ(refused("[]").find("policy: sampling: expected an object"), 0u);
}

}  // namespace
}  // namespace tidewaiter::detect
