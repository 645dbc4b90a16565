// Level: a value, or its level, beyond everything that this series has shown.
//
// Four views of a series are each compared with their own range so far: the value; its mean over 12 rows; the mean over
// 24 rows less the mean over 288; and what is left of the value after the mean of its time of day, over 6 rows. Means are
// exponential. The score of a view is its range novelty,
//
//   n = how far beyond [min, max] / (max - min),   score = the largest n / (1 + n),   in [0, 1)
//
// which needs no law of the noise and no threshold per series (for extremes as the null: Siffer et al., KDD 2017; for
// means of several lengths as a test of shifts: Page, "Continuous inspection schemes", 1954; for the time of day: Holt
// 1957, Winters 1960). After a score, 288 rows give only what is higher: one shift is told once.
//
// Cost: O(1) per row, no allocation; memory is the season (at most 4,096 floats) and 288 scores.
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
    bool started_ = false;
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
  Peak peak_;
  double mean_of_12_ = 0, mean_of_24_ = 0, mean_of_288_ = 0, residual_of_6_ = 0;
  std::uint64_t row_ = 0;
};

}  // namespace tidewaiter::detect
