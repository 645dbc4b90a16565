// Level: a value, or its level, beyond everything that this series has shown.
//
// Four views of a series are each compared with their own range so far: the value; its mean over 12 rows; the mean over
// 24 rows less the mean over 288; and what is left of the value after the mean of its time of day, over 6 rows. Means are
// exponential. Their novelty is that of their range,
//
//   n = how far beyond [min, max] / (max - min)
//
// A fifth view is the step from the row before, where one that was large before makes the next no more usual: it is compared with
// the step q that one row in a thousand exceeds, by their rank so far,
//
//   n = 2 (step / q - 2), 0 or more,   and of all five   score = the largest n / (1 + n),   in [0, 1)
//
// which needs no law of the noise and no threshold per series (for extremes as the null: Siffer et al., KDD 2017; for
// means of several lengths as a test of shifts: Page, "Continuous inspection schemes", 1954; for the time of day: Holt
// 1957, Winters 1960). After a score, 288 rows give only what is higher: one shift is told once. In the first 288
// rows of a view little is known: n counts in proportion to its rows so far, and steps do not count.
//
// Cost: O(1) per row, no allocation; memory is the season (at most 4,096 floats), 288 scores and 64 steps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidewaiter::detect {

class Level {
 public:
  /// `rows_per_day`: 0 when the series has no days, or too many rows in one; then the value stands for its season.
  explicit Level(std::size_t rows_per_day);

  /// Scores the next value in order of time, then learns it. Values that are not finite score 0 and teach nothing.
  double observe(double value);

  static constexpr std::size_t season_rows_max = 4096;

 private:
  class Range {
   public:
    double novelty(double x);

   private:
    double low_ = 0, high_ = 0;
    std::uint64_t rows_ = 0;
  };
  // The largest steps so far, in descending order.
  class Steps {
   public:
    double novelty(double step);

   private:
    static constexpr std::size_t kept = 64;  // of more than 64,000 rows q is exceeded by fewer
    std::array<double, kept> largest_{};
    std::uint64_t rows_ = 0;
  };
  // What was highest in the last rows: scores that a later, higher one has not overtaken (a monotonic queue).
  class Peak {
   public:
    /// `score` when it is above all of the last `rows`, else 0.
    double pass(double score);

   private:
    static constexpr std::size_t rows = 288;
    struct Entry {
      std::uint64_t row;
      double score;
    };
    std::array<Entry, rows + 1> entries_{};
    std::uint64_t begin_ = 0, end_ = 0, row_ = 0;
  };

  std::vector<float> season_;
  std::vector<bool> season_known_;
  Range value_, mean_, shift_, residual_;
  Steps steps_;
  double last_ = 0;
  Peak peak_;
  double mean_of_12_ = 0, mean_of_24_ = 0, mean_of_288_ = 0, residual_of_6_ = 0;
  std::uint64_t row_ = 0;
};

}  // namespace tidewaiter::detect
