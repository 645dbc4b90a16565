#include "detect/incidents.hpp"

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

constexpr double false_per_day = 0.5;

struct Desk {
  explicit Desk(std::uint32_t per_day = 10) : incidents(false_per_day, limits(per_day), alerting) { alerting.begin(out, 0); }
  static BudgetLimits limits(std::uint32_t per_day) {
    BudgetLimits limits;
    limits.per_day = per_day;
    return limits;
  }
  /// `per_day`: how often as rare ones come over all detectors; this one has a fifth of the false alerts.
  static Alert finding(Detector detector, int who, double per_day, std::int64_t time) {
    Alert alert;
    alert.detector = detector;
    alert.rule = std::string(detector_name(detector)) + ".some";
    alert.severity = Severity::medium;
    alert.title = "agent " + std::to_string(who) + " is odd by " + alert.rule;
    alert.entity_type = "principal";
    alert.entity = std::to_string(who);
    alert.tenant = "eu";
    alert.rate_per_day = per_day / 5;
    alert.bar_per_day = false_per_day / 5;
    alert.time_ns = alert.window_start_ns = alert.window_end_ns = time;
    return alert;
  }
  void add(Detector detector, int who, double per_day, std::int64_t time, Key where = 0) {
    incidents.close(time);
    incidents.add(finding(detector, who, per_day, time), static_cast<Key>(who) + 1, where);
  }
  nlohmann::json record(std::size_t i) const { return nlohmann::json::parse(out.at(i).body); }

  Watermark watermark{0};
  Alerting alerting{{}, watermark};
  std::vector<OwnRecord> out;
  Incidents incidents;
};

TEST(Incidents, a_finding_below_the_bar_is_told_at_once_and_one_above_it_is_not) {
  Desk desk;
  desk.add(Detector::flow, 1, 0.51, monday);
  EXPECT_TRUE(desk.out.empty());
  desk.add(Detector::flow, 2, 0.49, monday + hour);
  ASSERT_EQ(desk.out.size(), 1u);
  const auto explanation = desk.record(0)["explanation"];
  EXPECT_NEAR(explanation["incident_expected_per_day"], 0.49, 1e-6);
  EXPECT_EQ(explanation["told_below_per_day"], false_per_day);
  EXPECT_EQ(explanation["incident_findings"], 1);
  EXPECT_EQ(explanation["budget_used"], 1);
  EXPECT_EQ(explanation["budget_per_day"], 10);
}

TEST(Incidents, weak_findings_of_several_detectors_add_up_and_the_rarest_speaks) {
  Desk desk;
  desk.add(Detector::flow, 1, 1.2, monday);
  desk.add(Detector::volume, 1, 1.5, monday + 10 * minute);
  ASSERT_TRUE(desk.out.empty());
  desk.add(Detector::burst, 1, 1.5, monday + 20 * minute);  // 1 / (1/1.2 + 1/1.5 + 1/1.5) = 0.46
  ASSERT_EQ(desk.out.size(), 1u);
  const auto alert = desk.record(0);
  EXPECT_EQ(alert["detector"], "flow");
  EXPECT_EQ(alert["time"], "2025-09-01T00:20:00Z");  // when it was enough
  EXPECT_EQ(alert["window"]["start"], "2025-09-01T00:00:00Z");
  EXPECT_EQ(alert["explanation"]["also_volume"], "agent 1 is odd by volume.some");
  EXPECT_EQ(alert["explanation"]["also_burst"], "agent 1 is odd by burst.some");
  EXPECT_EQ(alert["explanation"]["incident_since"], "2025-09-01T00:00:00Z");
}

TEST(Incidents, without_combination_an_incident_is_as_rare_as_its_rarest_finding) {
  Desk desk;
  Ablation parts;
  parts.combination = false;
  desk.incidents.ablate(parts);
  desk.add(Detector::flow, 1, 0.6, monday);
  desk.add(Detector::volume, 1, 0.6, monday + 10 * minute);
  EXPECT_TRUE(desk.out.empty());
  desk.add(Detector::burst, 1, 0.4, monday + 20 * minute);
  EXPECT_EQ(desk.out.size(), 1u);
}

TEST(Incidents, findings_of_one_detector_do_not_add_up) {
  Desk desk;
  for (int i = 0; i < 20; ++i) desk.add(Detector::volume, 1, 0.6, monday + i * minute);
  EXPECT_TRUE(desk.out.empty());
}

TEST(Incidents, apart_in_time_or_of_others_they_do_not_add_up) {
  Desk desk;
  desk.add(Detector::flow, 1, 0.9, monday);
  desk.add(Detector::volume, 2, 0.9, monday + 10 * minute);
  desk.add(Detector::burst, 1, 0.9, monday + 61 * minute);
  EXPECT_TRUE(desk.out.empty());
  for (int i = 1; i <= 6; ++i) desk.add(Detector::burst, 1, 4, monday + 61 * minute + i * 59 * minute);
  desk.add(Detector::volume, 1, 0.9, monday + 61 * minute + 361 * minute);  // seven hours after it began
  EXPECT_TRUE(desk.out.empty());
}

TEST(Incidents, one_attack_is_told_once_for_each_detector_that_says_so_by_itself) {
  Desk desk;
  for (int i = 0; i < 5; ++i) desk.add(Detector::flow, 1, 0.01, monday + i * minute);
  desk.add(Detector::volume, 1, 3, monday + 6 * minute);
  EXPECT_EQ(desk.out.size(), 1u);
  desk.add(Detector::volume, 1, 0.01, monday + 7 * minute);
  ASSERT_EQ(desk.out.size(), 2u);
  EXPECT_TRUE(desk.record(1)["explanation"].contains("also_flow"));
  EXPECT_EQ(desk.alerting.suppressed(), 5u);
}

TEST(Incidents, what_is_a_hundred_times_rarer_than_what_was_told_is_told_again) {
  Desk desk;
  desk.add(Detector::flow, 1, 0.4, monday);
  desk.add(Detector::flow, 1, 0.0001, monday + 14 * minute);  // it grows
  desk.add(Detector::flow, 1, 0.005, monday + 15 * minute);
  EXPECT_EQ(desk.out.size(), 1u);
  desk.add(Detector::flow, 1, 0.003, monday + 16 * minute);
  EXPECT_EQ(desk.out.size(), 2u);
}

TEST(Incidents, more_of_what_was_told_of_a_principal_within_a_day_is_counted_and_what_is_news_is_told) {
  Desk desk;
  desk.add(Detector::rhythm, 1, 0.2, monday);
  desk.add(Detector::rhythm, 1, 0.01, monday + 8 * hour);  // a new incident, of the same rule
  EXPECT_EQ(desk.out.size(), 1u);
  EXPECT_EQ(desk.alerting.suppressed(), 1u);
  desk.add(Detector::volume, 1, 0.2, monday + 10 * hour, 77);  // another rule's
  EXPECT_EQ(desk.out.size(), 2u);
  desk.add(Detector::volume, 1, 0.2, monday + 13 * hour, 77);
  EXPECT_EQ(desk.out.size(), 2u);
  desk.add(Detector::volume, 1, 0.2, monday + 16 * hour, 78);  // another destination
  EXPECT_EQ(desk.out.size(), 3u);
  desk.add(Detector::rhythm, 1, 0.0003, monday + 20 * hour);  // a hundred times rarer than what was told
  EXPECT_EQ(desk.out.size(), 4u);
  desk.add(Detector::rhythm, 1, 0.2, monday + 45 * hour);  // a day later
  EXPECT_EQ(desk.out.size(), 5u);
}

TEST(Incidents, a_destination_that_alerts_for_one_after_another_is_one_incident) {
  Desk desk;
  for (int who = 0; who < 8; ++who) desk.add(Detector::flow, who, 0.01, monday + who * minute, 77);
  desk.add(Detector::flow, 20, 0.01, monday + 9 * minute, 78);
  EXPECT_EQ(desk.out.size(), 2u);
  EXPECT_EQ(desk.alerting.suppressed(), 7u);
  desk.add(Detector::flow, 21, 0.00001, monday + 10 * minute, 77);
  EXPECT_EQ(desk.out.size(), 3u);
  desk.add(Detector::flow, 22, 0.01, monday + 3 * hour, 77);
  EXPECT_EQ(desk.out.size(), 4u);
}

TEST(Incidents, the_budget_of_a_day_is_never_exceeded_and_its_last_fifth_is_for_the_rarest) {
  Desk desk(10);
  for (int who = 0; who < 10; ++who) desk.add(Detector::flow, who, 0.4, monday + who * minute);
  EXPECT_EQ(desk.out.size(), 8u);
  for (int who = 10; who < 20; ++who) desk.add(Detector::flow, who, 0.001 * (who - 5), monday + who * minute);
  EXPECT_EQ(desk.out.size(), 10u);
  EXPECT_EQ(desk.incidents.over_budget(), 10u);
  desk.add(Detector::flow, 9, 0.3, monday + 30 * minute);  // counted once
  EXPECT_EQ(desk.incidents.over_budget(), 10u);
  desk.alerting.close(monday + day);
  ASSERT_EQ(desk.out.size(), 11u);
  const auto digest = desk.record(10);
  EXPECT_EQ(digest["kind"], "suppressed_digest");
  EXPECT_EQ(digest["explanation"]["over_budget"], 10);
  EXPECT_EQ(digest["explanation"]["rarest_over_budget"], "agent 12 is odd by flow.some");
  desk.add(Detector::flow, 30, 0.4, monday + day);
  EXPECT_EQ(desk.out.size(), 12u);
}

TEST(Incidents, one_that_there_was_no_room_for_is_told_when_it_grows_rare_enough_for_what_is_left) {
  Desk desk(10);
  for (int who = 0; who < 9; ++who) desk.add(Detector::flow, who, 0.4, monday + who * minute);
  desk.add(Detector::flow, 8, 0.11, monday + 10 * minute);
  EXPECT_EQ(desk.out.size(), 8u);
  desk.add(Detector::flow, 8, 0.04, monday + 11 * minute);
  EXPECT_EQ(desk.out.size(), 9u);
  desk.add(Detector::volume, 8, 0.0001, monday + 12 * minute);  // news of what is told leaves the rest to others
  EXPECT_EQ(desk.out.size(), 9u);
  desk.add(Detector::volume, 70, 0.0001, monday + 13 * minute);
  EXPECT_EQ(desk.out.size(), 10u);
}

TEST(Incidents, sources_that_fall_silent_leave_the_last_fifth_to_others) {
  Desk desk(10);
  for (int source = 0; source < 10; ++source) {
    Alert silence = Desk::finding(Detector::silence, source, 0, monday + source * minute);
    silence.bar_per_day = 0;
    desk.incidents.tell_alone(silence, static_cast<Key>(source) + 1);
  }
  EXPECT_EQ(desk.out.size(), 8u);
  desk.add(Detector::flow, 1, 0.001, monday + hour);
  EXPECT_EQ(desk.out.size(), 9u);
}

TEST(Budget, its_bar_rises_so_far_that_what_ordinary_days_still_bring_fits_into_what_is_left) {
  Budget budget({}, 7);
  const auto take = [&](std::int64_t at, double urgency) { return budget.take(monday + at, 1, Severity::medium, urgency); };
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(take(0, 1.01)) << "7 to come, 8 and 7 left";
  EXPECT_FALSE(take(0, 1.1)) << "7 to come, 6 left";
  EXPECT_TRUE(take(0, 1.2));
  EXPECT_FALSE(take(0, 1.3)) << "7 to come, 5 left";
  EXPECT_TRUE(take(7 * hour, 1.01)) << "5 to come, 5 left";
  EXPECT_FALSE(take(7 * hour, 1.2)) << "5 to come, 4 left";
  EXPECT_TRUE(take(12 * hour, 1.01));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(take(18 * hour, 1.01));
  EXPECT_FALSE(take(18 * hour, 1.5)) << "1.75 to come, 1 left";
  EXPECT_TRUE(take(23 * hour, 1.01));
  EXPECT_FALSE(take(23 * hour, 4)) << "the last fifth";
  EXPECT_TRUE(take(23 * hour, 5));
  EXPECT_EQ(budget.taken(monday), 9u);
}

TEST(Budget, of_many_days_of_many_incidents_none_has_more_than_its_budget_and_the_rarest_are_told_more_often) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform;
  int rare = 0, rare_told = 0, plain = 0, plain_told = 0;
  Budget budget({}, 7);
  for (int on = 0; on < 200; ++on) {
    std::vector<std::int64_t> times(4 + random() % 30);
    for (std::int64_t& time : times) time = monday + on * day + static_cast<std::int64_t>(uniform(random) * static_cast<double>(day - 1));
    std::ranges::sort(times);
    for (const std::int64_t time : times) {
      const double urgency = 1 / uniform(random);
      const bool told = budget.take(time, 1, Severity::high, urgency);
      (urgency > 50 ? rare : plain) += 1;
      (urgency > 50 ? rare_told : plain_told) += told;
    }
    EXPECT_LE(budget.taken(monday + on * day), 10u);
    budget.forget(monday + (on + 1) * day);
  }
  EXPECT_GT(rare, 40);
  EXPECT_GE(rare_told * 10, rare * 9);
  EXPECT_LT(plain_told * 10, plain * 6);
}

TEST(Budget, one_that_is_far_above_what_ordinary_days_bring_is_taken_at_the_bar) {
  Budget budget({}, 0.25);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(budget.take(monday, 1, Severity::medium, 1.01));
  EXPECT_FALSE(budget.take(monday, 1, Severity::medium, 1.01));
}

TEST(Incidents, what_is_found_of_a_told_incident_once_more_leaves_the_last_part_of_the_day_to_others) {
  Desk desk(10);
  for (int who = 0; who < 7; ++who) desk.add(Detector::flow, who, 0.4, monday + who * minute);
  desk.add(Detector::flow, 3, 0.0001, monday + 40 * minute);
  EXPECT_EQ(desk.out.size(), 7u);
  desk.add(Detector::flow, 50, 0.0001, monday + 40 * minute);
  EXPECT_EQ(desk.out.size(), 8u);
}

TEST(Incidents, what_is_ten_thousand_times_rarer_than_what_was_told_is_another_fact) {
  Desk desk(10);
  for (int who = 0; who < 7; ++who) desk.add(Detector::flow, who, 0.4, monday + who * minute);
  desk.add(Detector::flow, 3, 0.00001, monday + 40 * minute);
  EXPECT_EQ(desk.out.size(), 8u);
}

TEST(Incidents, most_of_a_day_is_for_principals_of_whom_nothing_was_told) {
  Desk desk(10);
  for (int who = 0; who < 6; ++who) desk.add(Detector::flow, who, 0.4, monday + who * minute);
  desk.add(Detector::volume, 3, 0.05, monday + 9 * hour, 77);  // another rule's, of another incident
  EXPECT_EQ(desk.out.size(), 6u);
  desk.add(Detector::volume, 7, 0.05, monday + 9 * hour, 77);
  EXPECT_EQ(desk.out.size(), 7u);
  desk.add(Detector::volume, 4, 0.03, monday + 9 * hour, 78);  // ten times rarer than what was told
  EXPECT_EQ(desk.out.size(), 8u);
}

TEST(Incidents, what_days_together_say_is_no_news_for_as_long_as_the_finding_says) {
  Desk desk;
  const auto ramp = [&](std::int64_t time) {
    Alert finding = Desk::finding(Detector::volume, 1, 0.2, time);
    finding.known_for_ns = 7 * day;
    desk.incidents.close(time);
    desk.incidents.add(finding, 2, 77);
  };
  ramp(monday);
  ramp(monday + 2 * day);
  ramp(monday + 7 * day);
  EXPECT_EQ(desk.out.size(), 1u);
  EXPECT_EQ(desk.alerting.suppressed(), 2u);
  ramp(monday + 7 * day + hour + minute);
  EXPECT_EQ(desk.out.size(), 2u);
}

TEST(Incidents, what_is_rarer_only_since_it_lasts_is_no_news_however_rare_it_gets) {
  Desk desk;
  const auto beacon = [&](double per_day, std::int64_t time) {
    Alert finding = Desk::finding(Detector::rhythm, 1, per_day, time);
    finding.lasting = true;
    desk.incidents.close(time);
    desk.incidents.add(finding, 2, 77);
  };
  beacon(0.2, monday);
  beacon(0.00001, monday + 20 * minute);
  beacon(1e-9, monday + 9 * hour);
  EXPECT_EQ(desk.out.size(), 1u);
  beacon(1e-9, monday + 25 * hour);
  EXPECT_EQ(desk.out.size(), 2u);
}

TEST(Incidents, who_was_counted_with_anothers_destination_was_not_told_of) {
  Desk desk;
  constexpr Key host = 99;
  desk.add(Detector::flow, 1, 0.3, monday, host);
  desk.add(Detector::flow, 2, 0.3, monday + 10 * minute, host);
  ASSERT_EQ(desk.out.size(), 1u);
  desk.add(Detector::flow, 2, 0.3, monday + 8 * hour, host);
  ASSERT_EQ(desk.out.size(), 2u);
  desk.add(Detector::flow, 2, 0.3, monday + 16 * hour, host);
  EXPECT_EQ(desk.out.size(), 2u);
}

TEST(Incidents, tenants_and_severities_have_budgets_of_their_own) {
  BudgetLimits limits;
  limits.per_tenant_and_day = 3;
  limits.per_severity_and_day[static_cast<std::size_t>(Severity::medium)] = 2;
  Budget budget(limits);
  int medium = 0, high = 0, other = 0;
  for (int i = 0; i < 9; ++i) medium += budget.take(monday, 1, Severity::medium, 100);
  for (int i = 0; i < 9; ++i) high += budget.take(monday, 1, Severity::high, 100);
  for (int i = 0; i < 9; ++i) other += budget.take(monday, 2, Severity::high, 100);
  EXPECT_EQ(medium, 2);
  EXPECT_EQ(high, 1);
  EXPECT_EQ(other, 3);
}

TEST(Incidents, what_verdicts_hold_back_is_counted_and_what_they_confirm_comes_sooner) {
  Desk desk;
  Alert finding = Desk::finding(Detector::flow, 1, 0.2 * 16, monday);
  finding.verdict_factor = 16;
  desk.incidents.add(finding, 2, 0);
  EXPECT_TRUE(desk.out.empty());
  EXPECT_EQ(desk.incidents.held_by_verdicts(), 1u);
  Alert confirmed = Desk::finding(Detector::flow, 2, 1.6 / 4, monday);
  confirmed.verdict_factor = 0.25;
  desk.incidents.add(confirmed, 3, 0);
  EXPECT_EQ(desk.out.size(), 1u);
}

TEST(Incidents, independent_findings_are_told_at_the_rate_that_was_asked_for) {
  Desk desk(1000);
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform;
  constexpr int days = 400;
  const double handed_over = Incidents::handed_over * false_per_day;
  for (int i = 0; i < days * 3; ++i) {  // three detectors, each with a third of the false alerts, forty agents
    const std::int64_t time = monday + i * (day / 3);
    for (const Detector detector : {Detector::flow, Detector::volume, Detector::burst})
      desk.add(detector, static_cast<int>(random() % 40), uniform(random) * 3 * handed_over * 3 / 3, time);
  }
  const double handed_per_day = 9.0 / 3;  // of each detector three a day, evenly up to 3 * handed_over
  const double expected = handed_per_day * 3 * false_per_day / (3 * handed_over);
  const double per_day = static_cast<double>(desk.out.size()) / days;
  EXPECT_GT(per_day, 0.67 * expected);
  EXPECT_LT(per_day, 1.5 * expected);
}

TEST(Incidents, open_ones_are_bounded_and_the_quietest_goes_first) {
  Desk desk;
  for (int who = 0; who < 5000; ++who) desk.add(Detector::flow, who, 4, monday + who);
  EXPECT_EQ(desk.incidents.open(), 4096u);
  EXPECT_EQ(desk.incidents.closed_early(), 5000u - 4096u);
  desk.add(Detector::volume, 0, 0.55, monday + minute);     // was forgotten
  EXPECT_TRUE(desk.out.empty());
  desk.add(Detector::volume, 4999, 0.55, monday + minute);  // 1 / (1/4 + 1/0.55) = 0.48
  EXPECT_EQ(desk.out.size(), 1u);
  desk.incidents.close(monday + 3 * hour);
  EXPECT_EQ(desk.incidents.open(), 0u);
}

TEST(Incidents, a_snapshot_goes_on_as_the_original_would) {
  Desk one, two;
  one.add(Detector::flow, 1, 0.9, monday);
  one.add(Detector::flow, 5, 0.01, monday, 77);
  one.add(Detector::burst, 8, 0.1, monday);
  SnapshotWriter out, again;
  one.incidents.save(out);
  SnapshotReader in(out.bytes());
  two.incidents.load(in);
  ASSERT_TRUE(in.ok() && in.at_end());
  two.incidents.save(again);
  EXPECT_EQ(out.bytes(), again.bytes());
  one.out.clear();
  for (Desk* desk : {&one, &two}) {
    desk->add(Detector::flow, 6, 0.01, monday + minute, 77);
    desk->add(Detector::volume, 1, 0.9, monday + 10 * minute);
    desk->add(Detector::burst, 8, 0.1, monday + 3 * hour);
  }
  ASSERT_EQ(one.out.size(), 1u);
  ASSERT_EQ(two.out.size(), 1u);
  EXPECT_EQ(one.out[0].body, two.out[0].body);
}

}  // namespace
}  // namespace tidewaiter::detect
