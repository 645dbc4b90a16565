#include "bench/eval_metrics.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace tidewaiter::bench {
namespace {

constexpr std::int64_t minute_ns = 60'000'000'000, hour_ns = 60 * minute_ns, day_ns = 24 * hour_ns;

TEST(RankCounts, area_and_precision_by_hand_with_a_tie) {
  RankCounts counts;
  counts.add(3, true);
  counts.add(2, false);
  counts.add(1, true);
  counts.add(1, false);
  // Pairs: 3>2, 3>1, 1<2, 1=1.
  EXPECT_DOUBLE_EQ(counts.auc(), 2.5 / 4);
  EXPECT_DOUBLE_EQ(counts.average_precision(), 0.5 * 1 + 0.5 * 2 / 4);
  EXPECT_DOUBLE_EQ(counts.recall_of_top(1), 0.5);
  EXPECT_DOUBLE_EQ(counts.recall_of_top(3), 0.75);
}

TEST(RankCounts, without_attacks_there_is_no_area) {
  RankCounts counts;
  counts.add(1, false);
  EXPECT_TRUE(std::isnan(counts.auc()));
}

TEST(EdgeMetrics, rows_that_share_an_end_within_an_hour_are_one_incident) {
  EdgeMetrics metrics;
  metrics.add(9, 1, 2, 0, "a");
  metrics.add(9, 3, 2, 30 * minute_ns, "a");           // same destination
  metrics.add(9, 3, 4, 80 * minute_ns, "a");           // same source, 50 minutes later
  metrics.add(9, 1, 2, 80 * minute_ns + 1, "a");       // 80 minutes after its ends were seen: another incident
  metrics.add(0, 7, 8, 2 * hour_ns, "");
  const EdgeFigures figures = metrics.figures();
  EXPECT_EQ(figures.budgets[2].incidents, 2u);
  EXPECT_EQ(figures.episodes, 1u);
  EXPECT_DOUBLE_EQ(figures.auc, 1);
}

TEST(EdgeMetrics, an_incident_takes_no_more_rows_after_six_hours) {
  EdgeMetrics metrics;
  for (int i = 0; i <= 7 * 6; ++i) metrics.add(9, 1, 2, i * 10 * minute_ns, "a");
  metrics.add(0, 7, 8, day_ns - 1, "");
  EXPECT_EQ(metrics.figures().budgets[2].incidents, 2u);
}

TEST(EdgeMetrics, episodes_are_runs_of_one_label_and_the_budget_decides_which_are_seen) {
  EdgeMetrics metrics;
  // Twenty false alarms a day that score higher than the second attack.
  for (int i = 0; i < 20; ++i) metrics.add(5, 100 + static_cast<std::uint64_t>(i), 200 + static_cast<std::uint64_t>(i), i * hour_ns, "");
  metrics.add(9, 1, 2, 20 * hour_ns, "a");
  metrics.add(2, 3, 4, 22 * hour_ns, "a");  // two hours later: an episode of its own
  const EdgeFigures figures = metrics.figures();
  EXPECT_EQ(figures.episodes, 2u);
  EXPECT_DOUBLE_EQ(figures.budgets[2].recall, 0.5);
}

TEST(EdgeMetrics, delay_runs_from_the_first_row_of_the_episode) {
  EdgeMetrics metrics;
  metrics.add(0, 1, 2, 0, "a");
  metrics.add(9, 1, 2, 7 * minute_ns, "a");
  metrics.add(0, 5, 6, 8 * minute_ns, "");
  EXPECT_DOUBLE_EQ(metrics.figures().budgets[0].median_delay_min, 7);
}

TEST(EdgeMetrics, rows_beyond_those_in_memory_count_as_well) {
  const auto figures_holding = [](std::size_t rows) {
    EdgeMetrics metrics(rows);
    for (std::uint64_t i = 0; i < 100; ++i)
      metrics.add(static_cast<double>(i % 10), i % 7, i % 5, static_cast<std::int64_t>(i) * hour_ns, i % 10 > 7 ? "a" : "");
    return metrics.figures();
  };
  const EdgeFigures all = figures_holding(1000), few = figures_holding(7);
  EXPECT_GT(all.budgets[2].incidents, 0u);
  for (std::size_t i = 0; i < all.budgets.size(); ++i) {
    EXPECT_EQ(all.budgets[i].incidents, few.budgets[i].incidents);
    EXPECT_EQ(all.budgets[i].recall, few.budgets[i].recall);
    EXPECT_EQ(all.budgets[i].median_delay_min, few.budgets[i].median_delay_min);
  }
}

}  // namespace
}  // namespace tidewaiter::bench
