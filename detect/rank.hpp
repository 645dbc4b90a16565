// RankCalibrator: the share of scores so far that were at least this high, from a histogram of 1,024 bins of 1/32 that is
// halved every 2^20 scores (a probability integral transform of what was seen; Rosenblatt 1952). No p-value below
// 1/(n+1): what was never seen is not given a number it has not earned. O(1); the running sums are renewed every 256 scores.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace tidewaiter::detect {

class RankCalibrator {
 public:
  double p_value(double score) const { return (above_[bin_of(score)] + 1) / (total_ + 1); }
  void learn(double score) {
    counts_[bin_of(score)] += 1;
    if (++learnt_ % renew == 0 || learnt_ < renew) sum_up();
  }

 private:
  static constexpr std::size_t bins = 1024;
  static constexpr double bins_per_unit = 32;
  static constexpr std::uint64_t renew = 256, halve = 1 << 20;

  static std::size_t bin_of(double score) {
    return static_cast<std::size_t>(std::clamp(score * bins_per_unit, 0.0, static_cast<double>(bins - 1)));
  }
  void sum_up() {
    if (learnt_ % halve == 0)
      for (double& count : counts_) count /= 2;
    double sum = 0;
    for (std::size_t i = bins; i-- > 0;) above_[i] = sum += counts_[i];
    total_ = sum;
  }

  std::array<double, bins> counts_{}, above_{};
  double total_ = 0;
  std::uint64_t learnt_ = 0;
};

}  // namespace tidewaiter::detect
