#include "app/alert_diff.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::app {
namespace {

constexpr std::int64_t hour_ns = 3600ll * 1'000'000'000, day_ns = 24 * hour_ns;
constexpr std::int64_t start_ns = 1'756'720'800'000'000'000;  // 2025-09-01T10:00:00Z

AlertFacts alert(const std::string& uid, std::int64_t time_ns, const std::string& entity = "agent:a",
                 const std::string& severity = "high", const std::string& rule = "r") {
  AlertFacts facts;
  facts.uid = uid;
  facts.detector = "policy";
  facts.rule = rule;
  facts.severity = severity;
  facts.entity_type = "principal";
  facts.entity = entity;
  facts.time_ns = time_ns;
  return facts;
}

/// new, gone, moved, the same.
std::array<std::uint64_t, 4> counts(const AlertDiff& diff) {
  return {diff.changed(Change::appeared), diff.changed(Change::gone), diff.changed(Change::moved), diff.same()};
}
using Counts = std::array<std::uint64_t, 4>;

TEST(AlertDiff, equal_runs_have_no_difference_in_whatever_order_they_come) {
  AlertDiff diff{{}};
  for (int i = 0; i < 50; ++i) diff.add(Run::after, alert("u" + std::to_string(i), start_ns + i * hour_ns));
  for (int i = 49; i >= 0; --i) diff.add(Run::before, alert("u" + std::to_string(i), start_ns + i * hour_ns));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{0, 0, 0, 50}));
  EXPECT_EQ(diff.alerts(Run::before), 50u);
  EXPECT_EQ(diff.alerts(Run::after), 50u);
}

TEST(AlertDiff, what_only_one_run_has_is_new_or_gone_with_the_earliest_as_examples) {
  AlertDiff diff({}, 2);
  for (const int hour : {90, 60, 30}) diff.add(Run::after, alert("n" + std::to_string(hour), start_ns + hour * hour_ns, "agent:n" + std::to_string(hour)));
  diff.add(Run::before, alert("g", start_ns, "agent:g"));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{3, 1, 0, 0}));
  const RuleDiff& rule = diff.rules().at({"policy", "r"});
  EXPECT_EQ(rule.before, 1u);
  EXPECT_EQ(rule.after, 3u);
  ASSERT_EQ(rule.examples[0].size(), 2u);
  EXPECT_EQ(rule.examples[0][0].alert.entity, "agent:n30");
  EXPECT_EQ(rule.examples[0][1].alert.entity, "agent:n60");
  EXPECT_EQ(rule.examples[1].at(0).alert.entity, "agent:g");
}

TEST(AlertDiff, an_alert_of_the_same_rule_and_entity_within_a_day_has_moved) {
  AlertDiff diff{{}};
  diff.add(Run::before, alert("a", start_ns));
  diff.add(Run::after, alert("b", start_ns + day_ns));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{0, 0, 1, 0}));
  EXPECT_EQ(diff.rules().at({"policy", "r"}).examples[2].at(0).before_ns, start_ns);
}

TEST(AlertDiff, beyond_a_day_or_of_another_rule_or_entity_it_is_another_alert) {
  AlertDiff diff{{}};
  diff.add(Run::before, alert("a", start_ns));
  diff.add(Run::after, alert("b", start_ns + day_ns + 1));
  diff.add(Run::after, alert("c", start_ns, "agent:b"));
  diff.add(Run::after, alert("d", start_ns, "agent:a", "high", "other"));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{3, 1, 0, 0}));
}

TEST(AlertDiff, another_severity_is_a_move_and_other_evidence_is_not) {
  AlertDiff diff{{}};
  diff.add(Run::before, alert("a", start_ns));
  diff.add(Run::after, alert("a", start_ns, "agent:a", "critical"));
  diff.add(Run::before, alert("b", start_ns, "agent:b"));
  diff.add(Run::after, alert("c", start_ns, "agent:b"));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{0, 0, 1, 1}));
  EXPECT_EQ(diff.rules().at({"policy", "r"}).examples[2].at(0).before_severity, "high");
}

TEST(AlertDiff, a_missing_alert_does_not_shift_those_after_it) {
  AlertDiff diff{{}};
  for (int i = 0; i < 5; ++i) diff.add(Run::before, alert("b" + std::to_string(i), start_ns + i * hour_ns));
  for (int i = 1; i < 5; ++i) diff.add(Run::after, alert("a" + std::to_string(i), start_ns + i * hour_ns));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{0, 1, 0, 4}));
}

TEST(AlertDiff, only_the_range_counts_and_an_alert_that_moved_over_its_end_has_moved) {
  AlertDiff diff{{start_ns, start_ns + 10 * day_ns}};
  diff.add(Run::after, alert("far", start_ns - 2 * day_ns, "agent:x"));
  diff.add(Run::after, alert("near", start_ns - 1, "agent:y"));
  diff.add(Run::before, alert("end", start_ns + 10 * day_ns, "agent:z"));
  diff.add(Run::before, alert("in", start_ns));
  diff.add(Run::after, alert("out", start_ns - hour_ns));
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{0, 0, 1, 0}));
  EXPECT_EQ(diff.alerts(Run::before), 1u);
  EXPECT_EQ(diff.alerts(Run::after), 0u);
}

TEST(AlertDiff, many_differences_are_settled_early_and_none_is_lost) {
  AlertDiff diff({}, 3, 100);
  for (int i = 0; i < 5000; ++i) {
    const std::string entity = "agent:" + std::to_string(i);
    diff.add(Run::before, alert("b" + std::to_string(i), start_ns + i * hour_ns, entity));
    diff.add(Run::after, alert("a" + std::to_string(i), start_ns + i * hour_ns + 1, entity));
    diff.add(Run::after, alert("n" + std::to_string(i), start_ns + i * hour_ns, "new:" + std::to_string(i)));
  }
  diff.settle();
  EXPECT_EQ(counts(diff), (Counts{5000, 0, 5000, 0}));
  EXPECT_GT(diff.settled_early(), 0u);
  EXPECT_EQ(diff.rules().at({"policy", "r"}).examples[0].size(), 3u);
}

}  // namespace
}  // namespace tidewaiter::app
