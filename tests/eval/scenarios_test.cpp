#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "app/generator.hpp"
#include "bench/eval.hpp"
#include "bench/eval_hours.hpp"
#include "bench/eval_incidents.hpp"
#include "bench/eval_points.hpp"
#include "bench/eval_series_baselines.hpp"
#include "detect/ablation.hpp"

namespace tidewaiter::bench {
namespace {

constexpr std::int64_t minute = 60'000'000'000, hour = 60 * minute, day = 24 * hour;

struct Folder {
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("eval_scenarios." + std::to_string(getpid()));
};

/// Ten days, judged from the fifth; one incident of "agent:a" on day 6 from 12:00 to 13:00, harm from 12:30.
Truth one_incident() {
  Truth truth;
  truth.learning_end_ns = 5 * day;
  truth.end_ns = 10 * day;
  Truth::Planted planted;
  planted.scenario = "export";
  planted.principals = {detect::hash_name("agent:a")};
  planted.app = detect::hash_name("billing");
  planted.start_ns = 6 * day + 12 * hour;
  planted.counts_from_ns = planted.start_ns + 30 * minute;
  planted.end_ns = planted.start_ns + hour;
  truth.planted = {planted};
  return truth;
}

Finding found(std::string_view principal, std::int64_t time_ns, double score = 1, std::string_view destination = {}) {
  Finding finding;
  finding.principal = principal.empty() ? 0 : detect::hash_name(principal);
  finding.destination = destination.empty() ? 0 : detect::hash_name(destination);
  finding.time_ns = finding.start_ns = finding.end_ns = time_ns;
  finding.score = score;
  finding.kind = 1;
  return finding;
}

nlohmann::ordered_json judged(const std::vector<Finding>& list, const std::vector<std::string>& kinds = {}) {
  Findings findings(one_incident().learning_end_ns);
  for (const Finding& finding : list) findings.add(finding);
  return findings.figures(one_incident(), kinds);
}

TEST(Incidents, what_shares_a_principal_or_a_destination_within_an_hour_is_one) {
  const std::int64_t t = 7 * day;
  EXPECT_EQ(judged({found("b", t), found("b", t + 50 * minute), found("b", t + 100 * minute)})["incidents_per_day"], 0.2);
  EXPECT_EQ(judged({found("b", t), found("b", t + 61 * minute)})["incidents_per_day"], 0.4);
  EXPECT_EQ(judged({found("b", t, 1, "x"), found("c", t + minute, 1, "x")})["incidents_per_day"], 0.2);
  EXPECT_EQ(judged({found("b", t, 1, "x"), found("c", t + minute, 1, "y")})["incidents_per_day"], 0.4);
  // The third belongs to both.
  EXPECT_EQ(judged({found("b", t, 1, "x"), found("c", t, 1, "y"), found("b", t + minute, 1, "y")})["incidents_per_day"], 0.2);
  std::vector<Finding> long_one;
  for (int i = 0; i <= 14; ++i) long_one.push_back(found("b", t + i * 30 * minute));
  EXPECT_EQ(judged(long_one)["incidents_per_day"], 0.4) << "after six hours an incident takes no more";
  EXPECT_EQ(judged(long_one)["most_incidents_on_a_day"], 2);
}

TEST(Incidents, detection_counts_from_the_harm_on_and_only_of_those_it_names) {
  const std::int64_t start = one_incident().planted[0].start_ns;
  const auto recall = [](const Finding& finding) { return judged({finding})["scenarios"][0]["recall"].get<double>(); };
  const auto wrong = [](const Finding& finding) { return judged({finding})["false_incidents_per_day"].get<double>(); };
  EXPECT_EQ(recall(found("agent:a", start + 40 * minute)), 1);
  EXPECT_EQ(judged({found("agent:a", start + 40 * minute)})["scenarios"][0]["median_s"], 600);
  EXPECT_EQ(recall(found("agent:a", start + 10 * minute)), 0) << "before the harm";
  EXPECT_EQ(wrong(found("agent:a", start + 10 * minute)), 0) << "but not false";
  EXPECT_EQ(recall(found("agent:a", start + 64 * minute)), 1);
  EXPECT_EQ(recall(found("agent:a", start + 66 * minute)), 0);
  EXPECT_EQ(wrong(found("agent:a", start + 66 * minute)), 0.2);
  EXPECT_EQ(recall(found("agent:b", start + 40 * minute)), 0);
  Finding of_app = found("", start + 40 * minute);
  of_app.app = detect::hash_name("billing");
  EXPECT_EQ(recall(of_app), 1);
  of_app.principal = detect::hash_name("agent:b");
  EXPECT_EQ(recall(of_app), 0) << "another agent of the app";
  Finding of_day = found("agent:a", 7 * day);
  of_day.start_ns = 6 * day;
  EXPECT_EQ(recall(of_day), 1) << "a window of a day";
  EXPECT_EQ(judged({of_day})["scenarios"][0]["median_s"], 11.5 * 3600);
  EXPECT_EQ(judged({found("agent:a", 4 * day)})["findings"], 0) << "the learning half";
}

TEST(Incidents, policy_stands_outside_of_the_budget) {
  Finding finding = found("b", 7 * day);
  finding.kind = 0;
  const auto report = judged({finding, found("c", 7 * day)}, {"policy", "flow"});
  EXPECT_EQ(report["incidents_per_day"], 0.2);
  EXPECT_EQ(report["policy_incidents_per_day"], 0.2);
  EXPECT_EQ(report["false_policy_incidents_per_day"], 0.2);
}

TEST(Incidents, the_highest_findings_fill_a_budget_and_no_more) {
  Findings findings(0);
  for (int i = 0; i < 200; ++i) findings.add(found("p" + std::to_string(i), 5 * day + i * 30 * minute, i));
  const auto report = findings.figures_at(one_incident(), 4);
  EXPECT_EQ(report["incidents_per_day"], 4);
  EXPECT_EQ(report["threshold"], 180);
}

TEST(Incidents, a_budget_ends_where_it_is_first_exceeded_not_where_all_flows_together) {
  Findings findings(0);
  for (int i = 0; i < 200; ++i) findings.add(found("p" + std::to_string(i), 5 * day + i * 30 * minute, 1000 - i));
  // One destination that joins them all, six hours at a time.
  for (int i = 0; i < 200; ++i)
    findings.add(found("p" + std::to_string(i), 5 * day + i * 30 * minute + minute, 1, "shared"));
  const auto report = findings.figures_at(one_incident(), 4);
  EXPECT_EQ(report["findings"], 20);
}

template <class Model>
double rank_of_outlier(Model model) {
  std::mt19937_64 random(3);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  double highest = 0;
  for (int i = 0; i < 3000; ++i) {
    const double score = model.observe(Point{0.4 + 0.1 * uniform(), 0.5 + 0.1 * uniform()});
    if (i > 1000) highest = std::max(highest, score);
  }
  return model.observe(Point{0.9, 0.1}) / highest;
}

TEST(Points, an_outlier_scores_above_all_that_was_seen) {
  EXPECT_GT(rank_of_outlier(HalfSpaceTrees(2)), 1);
  EXPECT_GT(rank_of_outlier(RandomCutForest(2)), 1.5);
}

TEST(Points, a_random_cut_forest_bears_the_same_point_many_times) {
  RandomCutForest forest(1);
  for (int i = 0; i < 2000; ++i) EXPECT_LE(forest.observe(Point{static_cast<double>(i % 3)}), 3000);
  EXPECT_GT(forest.observe(Point{50.0}), 100);
}

TEST(Series, every_baseline_puts_a_spike_first) {
  for (const std::string_view name : series_baselines()) {
    const auto baseline = make_series_baseline(name);
    double highest = 0, spike = 0;
    for (int i = 0; i < 3000; ++i) {
      const double score = baseline->observe(i == 2500 ? 90 : 10 + std::sin(i / 7.0));
      EXPECT_GE(score, 0);
      EXPECT_LE(score, 1);
      if (i == 2500) spike = score;
      else if (i > 1500 && i < 2500) highest = std::max(highest, score);
    }
    EXPECT_GT(spike, highest) << name;
  }
}

TEST(Hours, are_counted_by_principal_and_closed_by_the_next) {
  Hours hours;
  hours.add(7, 1, 11, 100, 5 * hour);
  hours.add(8, 1, 11, 0, 5 * hour + minute);
  hours.add(7, 1, 12, 50, 5 * hour + 2 * minute);
  EXPECT_FALSE(hours.over(6 * hour - 1));
  EXPECT_TRUE(hours.over(6 * hour));
  const auto& closed = hours.close();
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0].principal, 7u);
  EXPECT_EQ(closed[0].bytes_outside, 150);
  EXPECT_EQ(closed[0].messages, 2);
  EXPECT_NEAR(closed[0].destinations, 2, 0.1);
  EXPECT_EQ(closed[0].start_ns, 5 * hour);
}

TEST(Scenarios, a_company_goes_through_parser_engine_and_baselines) {
  Folder folder;
  app::GeneratorConfig config = app::GeneratorConfig::of(app::Company::other);
  config.events = 250'000;  // too few for bursts
  app::Generator generator(config);
  {
    std::ofstream out(folder.path / "events.ndjson", std::ios::binary);
    app::Message message;
    while (generator.next(message)) out << *message.value << '\n';
  }
  std::ofstream(folder.path / "truth.json", std::ios::binary) << generator.truth_json();
  EvalOptions options;
  options.files = {folder.path};
  options.detector = "all";
  const auto report = eval_scenarios(options);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ((*report)["events"], config.events);
  EXPECT_EQ((*report)["not_events"], 0);
  EXPECT_GT((*report)["late_events"], 0);
  ASSERT_FALSE((*report)["calibration"].empty());
  for (const auto& of : (*report)["calibration"]) {
    EXPECT_GE(of["expected"], 1);
    EXPECT_EQ(of.contains("ratio_90"), of["expected"] < 35) << of;
  }
  const auto& detectors = (*report)["detectors"];
  ASSERT_EQ(detectors.size(), 1 + 2 * 7u);
  EXPECT_EQ(detectors[0]["detector"], "service");
  EXPECT_EQ(detectors[0]["scenarios"].size(), 12u);
  EXPECT_EQ(detectors[0]["false_policy_incidents_per_day"], 0);
  for (const auto& scenario : detectors[0]["scenarios"]) {
    EXPECT_EQ(scenario["incidents"], 4);
    if (scenario["scenario"] == "forbidden_flow") {
      EXPECT_EQ(scenario["recall"], 1);
      EXPECT_EQ(scenario["median_s"], 0);
      EXPECT_EQ(scenario["found_by"]["policy"], 4);
    }
  }
  for (const auto& detector : detectors) {
    EXPECT_GT(detector["ns_per_event"], 0);
    if (detector["detector"] != "service") {
      EXPECT_LE(detector["incidents_per_day"], detector["budget_per_day"]);
    }
  }
  options.detector = "service";
  options.without = {"flow", "volume", "silence", "burst", "sequence", "rhythm", "health"};
  const auto ablated = eval_scenarios(options);
  ASSERT_TRUE(ablated);
  for (const auto& scenario : (*ablated)["detectors"][0]["scenarios"])
    for (const auto& [name, count] : scenario["found_by"].items()) EXPECT_EQ(name, "policy");
  for (const auto& part : detect::ablation_switches) {
    options.without = {std::string(part.name)};
    const auto without = eval_scenarios(options);
    ASSERT_TRUE(without) << part.name;
    if (part.name != "combination") {  // which changes no p-value
      EXPECT_NE((*without)["calibration"], (*report)["calibration"]) << part.name;
    }
  }
}

TEST(Scenarios, what_is_missing_or_wrong_is_named) {
  Folder folder;
  EvalOptions options;
  options.files = {folder.path};
  EXPECT_THAT(eval_scenarios(options).error().message, testing::HasSubstr("truth.json cannot be read"));
  std::ofstream(folder.path / "truth.json") << "{}";
  EXPECT_THAT(eval_scenarios(options).error().message, testing::HasSubstr("is no truth file"));
  std::ofstream(folder.path / "truth.json") << app::Generator(app::GeneratorConfig{.events = 1000}).truth_json();
  EXPECT_THAT(eval_scenarios(options).error().message, testing::HasSubstr("events.ndjson cannot be read"));
  options.without = {"burts"};
  EXPECT_THAT(eval_scenarios(options).error().message, testing::HasSubstr("one of flow, volume, silence"));
  EXPECT_THAT(eval_scenarios(options).error().message, testing::HasSubstr("winsorising, hierarchy"));
}

}  // namespace
}  // namespace tidewaiter::bench
