// Pit: whether p-values are what they say. On ordinary days a p-value is at most 0.001 once in a thousand tests (the
// probability integral transform; Dawid, "Statistical theory: the prequential approach", 1984). Every p-value is given by a
// calibrator that has not seen its test, and is counted here against how many such ones were to come.
#pragma once

#include <array>
#include <cstdint>

namespace tidewaiter::detect {

class Pit {
 public:
  static constexpr std::array<double, 5> levels = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6};

  struct Level {
    double seen = 0;      // p-values at or below the level
    double expected = 0;  // so many were to come
  };

  /// `count` tests more, whatever came of them.
  void test(double count) { tests_ += count; }
  /// One of them had this p-value, or (a run that rose) has it now where it had `before`.
  void note(double p_value, double weight, double before = 1) {
    for (std::size_t i = 0; i < levels.size(); ++i)
      if (p_value <= levels[i] && before > levels[i] && levels[i] <= resolved_) levels_[i].seen += weight;
  }
  /// From now on p-values up to `resolved` are told apart; those above it are not (0 = none yet).
  void settle(double resolved) {
    for (std::size_t i = 0; i < levels.size(); ++i)
      if (levels[i] <= resolved_) levels_[i].expected += tests_ * levels[i];
    tests_ = 0;
    resolved_ = resolved;
  }

  /// What was counted until now is worth `keep` of what it was.
  void forget(double keep) {
    for (Level& level : levels_) {
      level.seen *= keep;
      level.expected *= keep;
    }
  }

  /// Since the first commit (but for forget()), as of the last settle().
  const std::array<Level, levels.size()>& counts() const { return levels_; }

 private:
  std::array<Level, levels.size()> levels_{};
  double tests_ = 0, resolved_ = 0;
};

}  // namespace tidewaiter::detect
