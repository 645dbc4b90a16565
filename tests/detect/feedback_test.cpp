#include "detect/feedback.hpp"

#include <cmath>
#include <set>

#include "tests/detect/alert_schema.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

using Json = nlohmann::json;

Alert finding(double rate = 0.01, const std::string& entity = "agent:a", const std::string& host = "files.example",
              std::int64_t time = monday) {
  Alert alert;
  alert.detector = Detector::volume;
  alert.rule = "volume.destination";
  alert.title = entity + " sent much to " + host;
  alert.entity_type = "principal";
  alert.entity = entity;
  alert.tenant = "eu";
  alert.dst_host = host;
  alert.time_ns = time;
  alert.rate_per_day = rate;
  alert.bar_per_day = 0.015;
  return alert;
}

Json target(const std::string& entity = "agent:a", const std::string& host = "") {
  return {{"detector", "volume"}, {"rule", "volume.destination"}, {"dst_host", host},
          {"entity", {{"type", "principal"}, {"id", entity}, {"tenant", "eu"}}}};
}

Json verdict(const std::string& word, const std::string& alert, const std::string& until = "") {
  return {{"type", "verdict"}, {"uid", "of-" + alert}, {"alert", alert}, {"alert_time", "2025-09-01T00:00:00Z"},
          {"verdict", word}, {"owner", "ann"}, {"reason", "looked at it"}, {"until", until},
          {"findings", {target("agent:a", "files.example")}}};
}

Json suppression(const std::string& uid, const Json& of, const std::string& until) {
  return {{"type", "suppression"}, {"uid", uid}, {"until", until}, {"owner", "ann"}, {"reason", "a migration"}, {"target", of}};
}

/// Feedback with the records that it writes.
struct Desk {
  Feedback feedback;
  Watermark watermark{0};
  std::vector<Json> told;
  void apply(const Json& record, std::int64_t now = monday) {
    feedback.apply(record, now);
    close(now);
  }
  void close(std::int64_t now) {
    feedback.close(now, [this](const Note& note) { told.push_back(Json::parse(note_record(note, watermark, {}, 0).body)); });
  }
  bool silenced(Alert alert) { return feedback.silences(alert); }
  double factor(std::int64_t time = monday, const std::string& entity = "agent:a") const {
    return feedback.prior("volume", "volume.destination", "principal", entity, "eu", time).factor;
  }
};

TEST(Feedback, each_false_verdict_doubles_the_rate_of_the_rule_and_entity_and_each_true_one_halves_it) {
  Desk desk;
  EXPECT_EQ(desk.factor(), 1);
  desk.apply(verdict("false", "a1"));
  desk.apply(verdict("false", "a2"));
  EXPECT_EQ(desk.factor(), 4);
  desk.apply(verdict("true", "a3"));
  EXPECT_EQ(desk.factor(), 2);
  EXPECT_EQ(desk.factor(monday, "agent:b"), 1);
  EXPECT_EQ(desk.feedback.prior("volume", "volume.app", "principal", "agent:a", "eu", monday).factor, 1);
  EXPECT_EQ(desk.feedback.prior("volume", "volume.destination", "principal", "agent:a", "us", monday).factor, 1);
}

TEST(Feedback, verdicts_fade_with_a_half_life_of_28_days_of_event_time) {
  Desk desk;
  desk.apply(verdict("false", "a1"));
  EXPECT_DOUBLE_EQ(desk.factor(monday + 28 * day), std::exp2(0.5));
  EXPECT_DOUBLE_EQ(desk.factor(monday + 56 * day), std::exp2(0.25));
  EXPECT_EQ(desk.factor(monday - day), 2);  // a finding that comes late
}

TEST(Feedback, a_verdict_counts_from_when_it_takes_effect_or_from_its_alert_while_there_is_no_watermark) {
  Desk late, early;
  late.feedback.apply(verdict("false", "a1"), monday + 28 * day);
  EXPECT_EQ(late.factor(monday + 28 * day), 2);
  early.feedback.apply(verdict("false", "a1"), Watermark::none);
  EXPECT_DOUBLE_EQ(early.factor(monday + 28 * day), std::exp2(0.5));
}

TEST(Feedback, the_factor_is_bounded_both_ways) {
  Desk desk;
  for (int i = 0; i < 9; ++i) desk.apply(verdict("false", std::to_string(i)));
  EXPECT_EQ(desk.factor(), Feedback::raised_max);
  for (int i = 10; i < 30; ++i) desk.apply(verdict("true", std::to_string(i)));
  EXPECT_EQ(desk.factor(), 1 / Feedback::lowered_max);
}

TEST(Feedback, the_newest_verdict_on_an_alert_counts) {
  Desk desk;
  desk.apply(verdict("false", "a1"));
  desk.apply(verdict("false", "a1"));
  EXPECT_EQ(desk.factor(), 2);
  desk.apply(verdict("true", "a1"));
  EXPECT_EQ(desk.factor(), 0.5);
  desk.apply(verdict("benign", "a1", "2025-10-01T00:00:00Z"));
  EXPECT_EQ(desk.factor(), 1);
  EXPECT_EQ(desk.feedback.suppressions().size(), 1u);
  desk.apply(verdict("true", "a1"));
  EXPECT_EQ(desk.factor(), 0.5);
  EXPECT_TRUE(desk.feedback.suppressions().empty());
}

TEST(Feedback, verdicts_change_the_rate_by_which_a_finding_is_judged) {
  Desk desk;
  desk.apply(verdict("false", "a1"));
  Alert alert = finding(0.010);
  EXPECT_FALSE(desk.feedback.silences(alert));
  EXPECT_DOUBLE_EQ(alert.rate_per_day, 0.020);
  EXPECT_DOUBLE_EQ(alert.verdict_factor, 2);
  desk.apply(verdict("true", "a1"));
  alert = finding(0.020);
  EXPECT_FALSE(desk.feedback.silences(alert));
  EXPECT_DOUBLE_EQ(alert.rate_per_day, 0.010);
  EXPECT_DOUBLE_EQ(alert.verdict_factor, 0.5);
}

TEST(Feedback, the_explanation_says_what_was_said_before_and_what_it_does) {
  Desk desk;
  desk.apply(verdict("false", "a1"));
  desk.apply(verdict("false", "a2"));
  Alert alert = finding(0.001);
  desk.feedback.silences(alert);
  EXPECT_EQ(Json::parse('{' + alert.explanation.json() + '}')["feedback"], (Json{{"true", 0}, {"false", 2}, {"factor", 4}}));
  EXPECT_DOUBLE_EQ(alert.rate_per_day, 0.004);
  Alert other = finding(0.001, "agent:b");
  desk.feedback.silences(other);
  EXPECT_EQ(other.explanation.json(), "");
}

TEST(Feedback, a_suppression_keeps_what_fits_it_silent_until_its_end) {
  Desk desk;
  desk.apply(suppression("s1", target("agent:a", "files.example"), "2025-09-02T00:00:00Z"));
  EXPECT_TRUE(desk.silenced(finding()));
  EXPECT_FALSE(desk.silenced(finding(0.01, "agent:b")));
  EXPECT_FALSE(desk.silenced(finding(0.01, "agent:a", "other.example")));
  EXPECT_TRUE(desk.silenced(finding(0.01, "agent:a", "files.example", monday + day - 1)));
  EXPECT_FALSE(desk.silenced(finding(0.01, "agent:a", "files.example", monday + day)));
}

TEST(Feedback, what_a_suppression_leaves_out_fits_anything) {
  Desk desk;
  desk.apply(suppression("s1", {{"entity", {{"id", "agent:a"}}}}, "2025-10-01T00:00:00Z"));
  EXPECT_TRUE(desk.silenced(finding(0.01, "agent:a", "other.example")));
  Alert silence = finding();
  silence.detector = Detector::silence;
  silence.rule = "silence.app";
  silence.bar_per_day = 0;
  EXPECT_TRUE(desk.silenced(silence));
  desk.apply(suppression("s2", {{"detector", "volume"}}, "2025-10-01T00:00:00Z"));  // of nobody: would silence everybody
  EXPECT_FALSE(desk.silenced(finding(0.01, "agent:b")));
}

TEST(Feedback, what_was_kept_silent_is_told_once_a_day_and_at_the_end) {
  Desk desk;
  desk.apply(suppression("s1", target(), "2025-09-03T12:00:00Z"));
  desk.silenced(finding(0.01, "agent:a", "one.example", monday + hour));
  desk.silenced(finding(0.01, "agent:a", "two.example", monday + 2 * hour));
  desk.close(monday + day - 1);
  EXPECT_TRUE(desk.told.empty());
  desk.close(monday + day);
  ASSERT_EQ(desk.told.size(), 1u);
  EXPECT_EQ(desk.told[0]["kind"], "suppression_used");
  EXPECT_EQ(desk.told[0]["entity"], (Json{{"type", "suppression"}, {"id", "s1"}, {"tenant", "eu"}}));
  EXPECT_EQ(desk.told[0]["explanation"],
            (Json{{"uses", 2}, {"owner", "ann"}, {"reason", "a migration"}, {"until", "2025-09-03T12:00:00Z"},
                  {"first_suppressed", "agent:a sent much to one.example"}}));
  desk.close(monday + day + hour);
  EXPECT_EQ(desk.told.size(), 1u);
  desk.silenced(finding(0.01, "agent:a", "three.example", monday + 2 * day));
  desk.close(monday + 2 * day + 12 * hour);  // its end is before the day's
  ASSERT_EQ(desk.told.size(), 2u);
  EXPECT_EQ(desk.told[1]["explanation"]["uses"], 1);
  EXPECT_TRUE(desk.feedback.suppressions().empty());
  EXPECT_EQ(desk.feedback.suppressed(), 3u);
}

TEST(Feedback, a_suppression_that_is_lifted_tells_its_uses_at_once_and_alerts_come_again) {
  Desk desk;
  desk.apply(suppression("s1", target(), "2025-10-01T00:00:00Z"));
  desk.silenced(finding());
  desk.apply({{"type", "suppression_end"}, {"uid", "s1"}}, monday + minute);
  ASSERT_EQ(desk.told.size(), 1u);
  EXPECT_EQ(desk.told[0]["explanation"]["uses"], 1);
  EXPECT_FALSE(desk.silenced(finding()));
}

TEST(Feedback, benign_is_no_prior_but_a_suppression_of_the_findings_with_their_destination) {
  Desk desk;
  desk.apply(verdict("benign", "a1", "2025-09-15T00:00:00Z"));
  EXPECT_EQ(desk.factor(), 1);
  EXPECT_TRUE(desk.silenced(finding()));
  EXPECT_FALSE(desk.silenced(finding(0.01, "agent:a", "other.example")));
  EXPECT_FALSE(desk.silenced(finding(0.01, "agent:a", "files.example", monday + 14 * day)));
  EXPECT_EQ(desk.feedback.suppressions().at("of-a1").reason, "looked at it");
}

TEST(Feedback, memory_is_bounded_the_oldest_verdict_and_the_suppression_that_ends_first_go) {
  Desk desk;
  for (std::size_t i = 0; i < Feedback::verdicts_max + 10; ++i)
    desk.feedback.apply(verdict("false", std::to_string(i)), monday + static_cast<std::int64_t>(i) * second);
  EXPECT_EQ(desk.feedback.verdicts(), Feedback::verdicts_max);
  for (std::size_t i = 0; i <= Feedback::suppressions_max; ++i)
    desk.apply(suppression("s" + std::to_string(i), target(), i == 7 ? "2025-09-02T00:00:00Z" : "2025-10-01T00:00:00Z"));
  EXPECT_EQ(desk.feedback.suppressions().size(), Feedback::suppressions_max);
  EXPECT_FALSE(desk.feedback.suppressions().contains("s7"));
}

TEST(Feedback, a_snapshot_goes_on_as_the_original_would) {
  Desk desk;
  desk.apply(verdict("false", "a1"));
  desk.apply(verdict("true", "a2"));
  desk.apply(verdict("benign", "a3", "2025-09-15T00:00:00Z"));
  desk.apply(suppression("s1", target("agent:b"), "2025-09-02T06:00:00Z"));
  desk.silenced(finding(0.001));
  desk.silenced(finding(0.001, "agent:b"));
  SnapshotWriter out, again;
  desk.feedback.save(out);
  Desk restored;
  SnapshotReader in(out.bytes());
  restored.feedback.load(in);
  EXPECT_TRUE(in.ok() && in.at_end());
  restored.feedback.save(again);
  EXPECT_EQ(out.bytes(), again.bytes());
  for (Desk* one : {&desk, &restored}) {
    one->silenced(finding(0.001, "agent:b", "x.example", monday + day));
    one->close(monday + 20 * day);
  }
  EXPECT_EQ(desk.told, restored.told);
  EXPECT_EQ(desk.told.size(), 3u);
  SnapshotReader cut(std::string_view(out.bytes()).substr(0, out.bytes().size() - 9));
  Feedback damaged;
  damaged.load(cut);
  EXPECT_FALSE(cut.ok());
}

EngineConfig sensitive(double false_alerts_per_day = 100) {
  EngineConfig config = small_config();
  config.false_alerts_per_day = false_alerts_per_day;
  config.budget.per_day = 100'000;
  config.volume_min_bytes = 1000;
  return config;
}

/// Three weeks of a company under a policy, with `said` after each of the days it names.
Stream company_with(const std::multimap<int, Json>& said) {
  Stream stream;
  stream.policy(default_policy_like());
  Company company;
  auto next = said.begin();
  company.play([&](const Made& made) {
    for (; next != said.end() && made.time >= monday + next->first * day; ++next) stream.control(next->second.dump());
    stream.add(made);
  });
  stream.tick(monday + 23 * day, {0, 1, 2, 3});
  return stream;
}

/// Without its place in the day's budget, which moves with what others get.
std::vector<Json> without_place(std::vector<Json> alerts) {
  for (Json& alert : alerts) alert["explanation"].erase("budget_used");
  return alerts;
}

std::vector<Json> alerts_of(const std::vector<Json>& all, const std::string& entity) {
  std::vector<Json> out;
  std::ranges::copy_if(all, std::back_inserter(out), [&](const Json& alert) {
    return alert["kind"] == "alert" && alert["entity"]["id"] == entity;
  });
  return out;
}

/// Who has the most alerts of statistical detectors.
std::string loudest(const std::vector<Json>& alerts) {
  std::map<std::string, int> counts;
  for (const Json& alert : alerts)
    if (alert["kind"] == "alert" && alert["entity"]["type"] == "principal") ++counts[alert["entity"]["id"]];
  return std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; })->first;
}

/// Who has many of both: those that are `inside` and the others.
template <class Inside>
std::string loudest(const std::vector<Json>& alerts, Inside inside) {
  std::map<std::string, std::array<int, 2>> counts;
  for (const Json& alert : alerts)
    if (alert["kind"] == "alert" && alert["entity"]["type"] == "principal") ++counts[alert["entity"]["id"]][inside(alert)];
  return std::ranges::max_element(counts, {}, [](const auto& entry) { return std::ranges::min(entry.second); })->first;
}

TEST(FeedbackInTheEngine, a_suppressed_entity_is_silent_in_its_span_and_told_of_while_all_others_are_as_before) {
  const auto before = without_place(judge(company_with({}), sensitive(400)));
  // Volume windows that ended just before are told when the watermark passes.
  const auto is_inside = [](const Json& alert) {
    return alert["time"] >= "2025-09-12T23:00:00Z" && alert["time"] < "2025-09-18T00:00:00Z";
  };
  const std::string who = loudest(before, is_inside);
  const Json record = suppression("s1", {{"entity", {{"id", who}}}}, "2025-09-18T00:00:00Z");  // days 12 to 17
  const auto after = without_place(judge(company_with({{12, record}}), sensitive(400)));
  std::vector<Json> outside, all_after = alerts_of(after, who);
  std::uint64_t inside = 0, used = 0;
  for (const Json& alert : alerts_of(before, who)) {
    if (is_inside(alert)) ++inside;
    else outside.push_back(alert);
  }
  ASSERT_GT(inside, 3u);
  ASSERT_GT(outside.size(), 3u);
  std::erase_if(all_after, [](const Json& alert) {
    const std::string time = alert["time"];
    return time >= "2025-09-12T23:00:00Z" && time < "2025-09-13T01:00:00Z";
  });
  for (const Json& alert : all_after) {
    const std::string time = alert["time"];
    EXPECT_TRUE(time < "2025-09-13T01:00:00Z" || time >= "2025-09-18T00:00:00Z") << alert.dump();
  }
  for (const Json& alert : outside) EXPECT_TRUE(std::ranges::find(all_after, alert) != all_after.end()) << alert.dump();
  for (const Json& alert : after)
    if (alert["kind"] == "suppression_used") {
      EXPECT_EQ(alert["entity"]["id"], "s1");
      EXPECT_FALSE(alert["evidence"].empty());
      used += alert["explanation"]["uses"].get<std::uint64_t>();
    }
  EXPECT_GE(used, inside - 1);
  for (const Json& alert : before) {
    if (alert["kind"] != "alert" || alert["entity"]["id"] == who) continue;
    EXPECT_TRUE(std::ranges::find(after, alert) != after.end()) << alert.dump();
  }
}

TEST(FeedbackInTheEngine, policy_alerts_are_not_suppressed) {
  Stream stream;
  stream.policy(default_policy_like());
  stream.control(suppression("s1", {{"entity", {{"id", "agent:a"}}}}, "2026-09-01T00:00:00Z").dump());
  stream.control(suppression("s2", {{"detector", "policy"}, {"entity", {{"id", "agent:a"}}}}, "2026-09-01T00:00:00Z").dump());
  Made made;
  made.tier = "high";
  made.data_class = "pii";
  made.category = "public";
  stream.add(made);
  EXPECT_EQ(count_rule(judge(stream), "flow"), 1u);
}

/// `times` verdicts on day 10 about whatever was alerted before it.
std::multimap<int, Json> verdicts_on_all(const std::vector<Json>& alerts, const std::string& word, int times) {
  std::multimap<int, Json> said;
  std::set<std::string> done;
  for (const Json& alert : alerts) {
    if (alert["kind"] != "alert" || alert["detector"] == "policy" || alert["time"] >= "2025-09-11") continue;
    const Json of = {{"detector", alert["detector"]}, {"rule", alert["rule"]}, {"entity", alert["entity"]}};
    if (!done.insert(of.dump()).second) continue;
    for (int i = 0; i < times; ++i) {
      const std::string uid = alert["uid"].get<std::string>() + std::to_string(i);
      said.emplace(10, Json{{"type", "verdict"}, {"uid", uid}, {"alert", uid}, {"alert_time", alert["time"]},
                            {"verdict", word}, {"owner", "ann"}, {"reason", "known"}, {"findings", {of}}});
    }
  }
  return said;
}

std::size_t told_later(const std::vector<Json>& alerts, bool with_feedback = false) {
  return static_cast<std::size_t>(std::ranges::count_if(alerts, [&](const Json& alert) {
    return alert["kind"] == "alert" && alert["time"] >= "2025-09-12" &&
           (!with_feedback || alert["explanation"].contains("feedback"));
  }));
}

TEST(FeedbackInTheEngine, false_verdicts_hold_back_what_is_only_a_little_strange_and_the_digest_counts_it) {
  const auto before = judge(company_with({}), sensitive(50));
  const auto after = judge(company_with(verdicts_on_all(before, "false", 4)), sensitive(50));
  EXPECT_GT(told_later(after, true), 0u);  // what is strange enough comes all the same
  EXPECT_LT(told_later(after), told_later(before));
  for (const Json& alert : after)
    if (alert["kind"] == "alert" && alert["explanation"].contains("feedback")) {
      EXPECT_EQ(alert["explanation"]["feedback"]["false"], 4);
      EXPECT_GT(alert["explanation"]["feedback"]["factor"], 8);
    }
  std::uint64_t held = 0;
  for (const Json& digest : after)
    if (digest["kind"] == "suppressed_digest") held += digest["explanation"].value("by_verdicts", std::uint64_t{0});
  EXPECT_GE(held, told_later(before) - told_later(after));
}

TEST(FeedbackInTheEngine, true_verdicts_let_weaker_findings_of_the_same_rule_and_entity_be_told) {
  const auto before = judge(company_with({}), sensitive(2));
  const auto after = judge(company_with(verdicts_on_all(before, "true", 4)), sensitive(2));
  EXPECT_GT(told_later(after), told_later(before));
  EXPECT_GT(told_later(after, true), 0u);
}

TEST(FeedbackInTheEngine, what_it_adds_to_records_fits_their_schema) {
  const auto before = judge(company_with({}), sensitive(50));
  auto said = verdicts_on_all(before, "false", 3);
  said.emplace(11, suppression("0123", {{"entity", {{"id", loudest(before)}}}}, "2025-09-18T00:00:00Z"));
  AlertSchema schema;
  std::map<std::string, int> seen;
  std::set<std::string> uids;
  for (const Json& record : judge(company_with(said), sensitive(50))) {
    EXPECT_EQ(schema.problem(record), "");
    EXPECT_TRUE(uids.insert(record["uid"]).second) << record.dump();
    seen[record["kind"]] += 1;
    seen["feedback"] += record["explanation"].contains("feedback");
    seen["by_verdicts"] += record["explanation"].contains("by_verdicts");
  }
  for (const char* what : {"alert", "suppressed_digest", "suppression_used", "feedback", "by_verdicts"})
    EXPECT_GT(seen[what], 0) << what;
}

TEST(FeedbackInTheEngine, wherever_commits_are_cut_and_from_a_snapshot_the_same_alerts_come) {
  const auto quiet = judge(company_with({}), sensitive());
  const std::string who = loudest(quiet);
  const Json entity = {{"type", "principal"}, {"id", who}};
  const std::multimap<int, Json> said = {
      {9, suppression("s1", {{"entity", entity}}, "2025-09-13T00:00:00Z")},
      {10, suppression("s2", {{"detector", "flow"}, {"entity", {{"id", "agent:3"}}}}, "2025-09-25T00:00:00Z")},
      {13, {{"type", "verdict"}, {"uid", "v1"}, {"alert", "a1"}, {"verdict", "false"},
            {"findings", {{{"detector", "volume"}, {"rule", "volume.principal"}, {"entity", alerts_of(quiet, who)[0]["entity"]}}}}}},
      {14, {{"type", "suppression_end"}, {"uid", "s2"}}},
      {14, {{"type", "suppression"}, {"uid", 7}, {"target", "nonsense"}}},
      {15, {{"type", "verdict"}, {"uid", "v2"}, {"alert", {{"no", "text"}}}, {"verdict", "false"}, {"findings", 3}}}};
  const Stream stream = company_with(said);
  Machine whole(sensitive()), cut(sensitive());
  std::vector<OwnRecord> expected, first, rest;
  stream.feed(*whole.engine, 0, stream.size(), [] { return 1000; }, expected);
  std::mt19937 random(3);
  const auto any = [&] { return random() % 300; };
  for (const double place : {0.4, 0.5, 0.6, 0.8}) {
    const auto middle = static_cast<std::size_t>(static_cast<double>(stream.size()) * place);
    Machine begun(sensitive()), restored(sensitive());
    first.clear();
    stream.feed(*begun.engine, 0, middle, any, first);
    const std::string snapshot = begun.engine->snapshot();
    ASSERT_TRUE(restored.engine->restore(snapshot));
    EXPECT_EQ(restored.engine->snapshot(), snapshot);
    stream.feed(*restored.engine, middle, stream.size(), any, first);
    EXPECT_EQ(bodies(first), bodies(expected)) << place;
  }
}

}  // namespace
}  // namespace tidewaiter::detect
