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

TEST(Tail, what_its_past_says_of_its_p_values_corrects_them) {
  TailCalibrator tail(4, 1.25);
  Exponential scores;
  // Half of the surprising scores stop coming after ten days: the tail remembers them for weeks.
  double before = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::int64_t time = monday + i * (40 * day / 200'000);
    const double score = scores.next(1);
    const bool gone = time > monday + 10 * day && score > 4 && i % 2 == 0;
    gone ? tail.learn_ordinary(time) : tail.learn(score, time);
    if (i == 60'000) before = tail.correction().factor(1e-3);
  }
  EXPECT_LT(tail.correction().factor(1e-3), 0.95) << "it is too careful";
  EXPECT_GT(tail.correction().factor(1e-3), 0.5);
  EXPECT_LE(before, 1.05);
  const Pit::Level& corrected = tail.pit().counts()[1];
  EXPECT_GT(corrected.expected, 100);
  EXPECT_GT(corrected.seen / corrected.expected, 0.67);
  EXPECT_LT(corrected.seen / corrected.expected, 1.5);
}

TEST(Correction, is_none_without_a_past_and_follows_what_was_counted_within_its_bounds) {
  Correction correction;
  for (const double p : {1.0, 0.02, 1e-3, 3e-5, 1e-6, 1e-12, 0.0}) EXPECT_EQ(correction.factor(p), 1) << p;
  const auto spend = [&](double tests, double seen_per_level) {
    correction.settle(1, 1);
    correction.test(tests);
    for (const double level : Pit::levels)
      for (double n = 0; n < seen_per_level * tests * level; ++n) correction.note(level * 0.99, 1, level * 10);
    correction.settle(1, 1);
  };
  spend(100'000, 0.5);
  EXPECT_NEAR(correction.factor(1e-2), 0.5, 0.05);
  EXPECT_NEAR(correction.factor(1e-3), 0.55, 0.05);
  EXPECT_LT(correction.factor(1e-4), 1) << "little was to come there: it follows the coarser level";
  EXPECT_NEAR(correction.factor(std::sqrt(1e-2 * 1e-3)), std::sqrt(correction.factor(1e-2) * correction.factor(1e-3)), 1e-9);
  spend(100'000'000, 0.01);
  EXPECT_EQ(correction.factor(1e-4), Correction::least);
  spend(1'000'000'000, 9);
  EXPECT_EQ(correction.factor(1e-4), Correction::most);
}

TEST(Correction, rises_with_the_p_value_whatever_was_counted) {
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    Correction correction;
    correction.settle(1, 1);
    correction.test(1e6);
    for (const double level : Pit::levels) correction.note(level, static_cast<double>(random() % 20'000), level * 5);
    correction.settle(1, 1);
    double last = 0;
    for (double p = 1e-8; p <= 1; p *= 1.07) {
      const double corrected = p * correction.factor(p);
      EXPECT_GT(corrected, last) << p;
      EXPECT_GE(corrected, p * Correction::least);
      EXPECT_LE(corrected, p * Correction::most);
      last = corrected;
    }
  }
}

TEST(Correction, one_incident_changes_little) {
  Correction correction;
  correction.settle(1, 1);
  correction.test(20'000);
  correction.note(1e-9, 1);
  correction.settle(1, 1);
  for (const double p : Pit::levels) EXPECT_LT(correction.factor(p), 1.2) << p;
}

TEST(Tail, without_calibration_scores_are_taken_at_their_word) {
  TailCalibrator tail(4, 1.25);
  Ablation parts;
  parts.calibration = false;
  tail.ablate(parts);
  Exponential scores;
  for (int i = 0; i < 20'000; ++i) tail.learn(scores.next(2), monday + i * (20 * day / 20'000));
  EXPECT_NEAR(tail.p_value(9), std::exp(-9), 1e-9);
  EXPECT_EQ(tail.state_at(9).factor, 1);
}

TEST(Tail, within_a_bin_scores_are_told_apart_unless_they_are_tied) {
  TailCalibrator apart(4, 1.25), tied(4, 1.25, true);
  Exponential scores;
  for (int i = 0; i < 100'000; ++i)
    for (TailCalibrator* tail : {&apart, &tied}) tail->learn(scores.next(1), monday + i * (20 * day / 100'000));
  EXPECT_GT(apart.rate_per_day(4.5), apart.rate_per_day(4.7));
  EXPECT_EQ(tied.rate_per_day(4.5), tied.rate_per_day(4.7));
  EXPECT_NEAR(apart.rate_per_day(4.625) / (5000 * std::exp(-4.625)), 1, 0.15);
}

TEST(Tail, an_alert_is_told_the_finest_level_that_was_counted_above_its_p_value) {
  TailCalibrator tail(4, 1.25);
  tail.set_name("some_class");
  EXPECT_EQ(tail.state_at(9).level, 0) << "nothing is counted in the first week";
  Exponential scores;
  for (int i = 0; i < 200'000; ++i) tail.learn(scores.next(1), monday + i * (40 * day / 200'000));
  const CalibrationState near = tail.state_at(5.5), far = tail.state_at(40);
  EXPECT_EQ(near.tail_class, "some_class");
  EXPECT_EQ(near.level, 1e-2);
  EXPECT_EQ(far.level, 1e-5) << "of 1e-6 not one was to come";
  EXPECT_NEAR(near.seen / near.expected, 1, 0.3);
  EXPECT_EQ(near.factor, tail.correction().factor(tail.p_value(5.5) / near.factor));
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
