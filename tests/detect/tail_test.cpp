#include "detect/tail.hpp"

#include <cmath>

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

struct Exponential {
  std::mt19937_64 random{11};
  double next(double mean) { return -mean * std::log(1 - static_cast<double>(random() >> 11) * 0x1p-53); }
};

TEST(Tail, a_rate_inside_the_data_is_a_count_per_day) {
  TailCalibrator tail(4, 1.25);
  Exponential scores;
  for (int i = 0; i < 20'000; ++i) tail.learn(scores.next(1), monday + i * (20 * day / 20'000));
  for (const double score : {4.0, 5.0, 6.0}) {
    const double expected = 1000 * std::exp(-score);
    EXPECT_NEAR(tail.rate_per_day(score) / expected, 1, 0.35) << score;
  }
}

TEST(Tail, p_values_of_fresh_scores_are_uniform_down_to_the_tail) {
  TailCalibrator tail(4, 1.25);
  Exponential scores;
  for (int i = 0; i < 50'000; ++i) tail.learn(scores.next(1), monday + i * (20 * day / 50'000));
  for (const double level : {1e-1, 1e-2, 1e-3}) {
    int below = 0;
    const int tests = 100'000;
    for (int i = 0; i < tests; ++i) below += tail.p_value(scores.next(1)) <= level;
    EXPECT_GT(below, tests * level * 0.67) << level;
    EXPECT_LT(below, tests * level * 1.5) << level;
  }
}

TEST(Tail, its_own_count_of_p_values_says_how_well_they_hold) {
  TailCalibrator honest(4, 1.25), surprised(4, 1.25);
  Exponential scores;
  for (int i = 0; i < 200'000; ++i) {
    const std::int64_t time = monday + i * (40 * day / 200'000);
    const double score = scores.next(1);
    honest.learn(score, time);
    surprised.learn(std::min(score, 6.0), time, 1, score + (time > monday + 20 * day ? 2 : 0));
  }
  for (std::size_t level = 0; level < 3; ++level) {
    const Pit::Level& good = honest.pit().counts()[level];
    EXPECT_GT(good.expected, 10) << Pit::levels[level];
    EXPECT_NEAR(good.seen / good.expected, 1, 0.5) << Pit::levels[level];
    const Pit::Level& bad = surprised.pit().counts()[level];
    EXPECT_GT(bad.seen, 2 * bad.expected) << "scores that rose beyond what is learnt of them: " << Pit::levels[level];
  }
  TailCalibrator coarse(7, 1.25);
  for (int i = 0; i < 100'000; ++i) coarse.learn(scores.next(1), monday + i * (40 * day / 100'000));
  EXPECT_EQ(coarse.pit().counts()[1].expected, 0) << "1e-3 lies below the floor: such scores are not told apart";
  EXPECT_EQ(coarse.pit().counts()[1].seen, 0);
  EXPECT_GT(coarse.pit().counts()[3].expected, 0);
}

TEST(Tail, beyond_the_data_it_falls_like_the_data_does) {
  TailCalibrator tail(4, 1.25);
  Exponential scores;
  for (int i = 0; i < 50'000; ++i) tail.learn(scores.next(1), monday + i * (20 * day / 50'000));
  const double truth = 2500 * std::exp(-15.0);
  EXPECT_GT(tail.rate_per_day(15), truth / 10);
  EXPECT_LT(tail.rate_per_day(15), truth * 30);
  EXPECT_LT(tail.rate_per_day(30), tail.rate_per_day(20));
}

TEST(Tail, without_history_nothing_is_rare) {
  const TailCalibrator tail(4, 1.25);
  EXPECT_GT(tail.rate_per_day(5), 0.1);
}

TEST(Tail, the_bar_is_the_least_score_below_the_rate) {
  TailCalibrator tail(4, 1.25);
  Exponential scores;
  for (int i = 0; i < 20'000; ++i) tail.learn(scores.next(1), monday + i * (20 * day / 20'000));
  const double bar = tail.bar(40, 0.05);
  EXPECT_LT(tail.rate_per_day(bar), 0.05);
  EXPECT_GE(tail.rate_per_day(bar - TailCalibrator::bin_nats), 0.05);
}

TEST(Tail, a_run_of_high_scores_counts_once_at_its_highest) {
  TailCalibrator once(4, 1.25), run(4, 1.25);
  for (int i = 0; i < 100; ++i) {
    once.learn(9, monday + i * hour);
    run.learn(5, monday + i * hour);
    run.raise(5, 7);
    run.raise(7, 9);
    run.raise(9, 6);  // lower again: nothing new
  }
  EXPECT_EQ(run.tests(), once.tests());
  EXPECT_EQ(run.rate_per_day(8.9), once.rate_per_day(8.9));
}

TEST(Tail, old_scores_fade) {
  TailCalibrator tail(4, 1.25);
  for (int i = 0; i < 100; ++i) tail.learn(10, monday + i * hour);
  const double before = tail.rate_per_day(10);
  tail.learn_ordinary(monday + 150 * day);
  EXPECT_LT(tail.rate_per_day(10), before / 5);
}

}  // namespace
}  // namespace tidewaiter::detect
