#include "detect/level.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace tidewaiter::detect {
namespace {

/// Ten days of five minutes with a daily wave and a small ripple.
double wave(int row) { return 10 + 5 * std::sin(row * 2 * M_PI / 288) + 0.3 * std::sin(row * 1.7); }

void settle(Level& level, int rows) {
  for (int i = 0; i < rows; ++i) level.observe(wave(i));
}

TEST(Level, a_value_beyond_the_range_scores_by_how_far) {
  Level level(0);
  for (int i = 0; i < 400; ++i) level.observe(i % 2);
  // Range [0, 1]: 4 is three ranges above.
  EXPECT_NEAR(level.observe(4), 0.75, 1e-9);
}

TEST(Level, what_comes_every_day_is_nothing) {
  Level level(288);
  settle(level, 10 * 288);
  double highest = 0;
  for (int i = 10 * 288; i < 12 * 288; ++i) highest = std::max(highest, level.observe(wave(i)));
  EXPECT_LT(highest, 0.02);
}

TEST(Level, a_level_at_the_wrong_time_of_day_is_found_within_the_range) {
  Level level(288), without(0);
  settle(level, 10 * 288 + 204);
  settle(without, 10 * 288 + 204);
  double found = 0, found_without = 0;
  // At the hour of the trough the value of the crest, by and by.
  for (int i = 0; i < 24; ++i) {
    const int row = 10 * 288 + 204 + i;
    const double value = wave(row) + std::min(0.6 * i, 9.0);
    found = std::max(found, level.observe(value));
    found_without = std::max(found_without, without.observe(value));
  }
  EXPECT_GT(found, 0.3);
  EXPECT_LT(found_without, found / 2);
}

TEST(Level, a_step_is_compared_with_the_steps_of_most_rows_whatever_single_ones_were) {
  Level level(0);
  const auto at = [](int row) { return std::sin(row * 1.7); };  // steps of up to 1.5
  for (int i = 0; i < 5000; ++i) level.observe(at(i));
  for (int spike = 0; spike < 4; ++spike) {
    EXPECT_GT(level.observe(at(0) - 6), 0.4) << spike;  // within the range after the first
    level.observe(at(0));  // back again
    for (int i = 1; i < 1000; ++i) EXPECT_LT(level.observe(at(i)), 0.4) << spike << " " << i;
  }
}

TEST(Level, in_its_first_rows_a_series_scores_little) {
  Level level(0);
  double highest = 0;
  for (int i = 0; i < 12; ++i) highest = std::max(highest, level.observe(i % 5));
  EXPECT_LT(highest, 0.1);
}

TEST(Level, one_shift_is_told_once) {
  Level level(0);
  for (int i = 0; i < 600; ++i) level.observe(i % 2);
  int told = 0;
  for (int i = 0; i < 250; ++i) told += level.observe(20 + i % 2) > 0.9;
  EXPECT_EQ(told, 1);
}

TEST(Level, what_is_no_number_scores_nothing_and_teaches_nothing) {
  Level level(0), other(0);
  for (int i = 0; i < 100; ++i) {
    level.observe(i % 3);
    EXPECT_EQ(level.observe(std::numeric_limits<double>::quiet_NaN()), 0);
    other.observe(i % 3);
  }
  EXPECT_EQ(level.observe(9), other.observe(9));
}

}  // namespace
}  // namespace tidewaiter::detect
