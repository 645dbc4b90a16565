// Correction: what a calibrator's own past says of its p-values. Of the p-values that it gave before it was corrected it is
// counted how many lay at or below each level of pit.hpp and how many were to come, both forgotten as the tail forgets. At
// a level l the empirical distribution of the p-values is l f, so l f is what l was worth (recalibration by the PIT:
// Dawid 1984; Kuleshov et al., "Accurate uncertainties for deep learning using calibrated regression", ICML 2018):
//
//   corrected(p) = p f(p),   f(l_i) = (seen_i + k f(l_i-1)) / (expected_i + k),   from the coarsest level to the finest
//
// so each level is shrunk to the coarser one, and the first to none (f = 1), by k = 10 p-values: levels at which little was to
// come follow those that are known, and one incident, which counts at each level once, changes little. ln f is linear
// in ln p between levels and constant outside of them. f stays within 1/3 and 3, so the map rises with p whatever was
// counted, and no p-value is made smaller than a third of what the tail says: the budget is a bound by itself.
//
// A pure function of the past: renewed when the tail is swept, not by the test that it corrects.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "detect/pit.hpp"

namespace tidewaiter::detect {

class Correction {
 public:
  static constexpr double least = 1.0 / 3, most = 3;

  /// `count` tests more; their p-values as Pit::note has them, uncorrected.
  void test(double count) { raw_.test(count); }
  void note(double p_value, double weight, double before = 1) { raw_.note(p_value, weight, before); }
  /// As Pit::settle; what was counted until now is worth `keep` of what it was.
  void settle(double resolved, double keep) {
    raw_.settle(resolved);
    raw_.forget(keep);
    constexpr double prior = 10;
    double factor = 1;
    for (std::size_t i = 0; i < Pit::levels.size(); ++i) {
      const Pit::Level& level = raw_.counts()[i];
      factor = std::clamp((level.seen + prior * factor) / (level.expected + prior), least, most);
      factors_[i] = factor;
    }
  }

  /// What a p-value is multiplied by.
  double factor(double p_value) const {
    const double at = -std::log10(std::clamp(p_value, 1e-300, 1.0)) - 2;  // levels are powers of ten from 1e-2 on
    constexpr auto last = static_cast<double>(Pit::levels.size() - 1);
    if (at <= 0) return factors_.front();
    if (at >= last) return factors_.back();
    const auto i = static_cast<std::size_t>(at);
    return factors_[i] * std::pow(factors_[i + 1] / factors_[i], at - static_cast<double>(i));
  }
  /// In force, by level.
  const std::array<double, Pit::levels.size()>& factors() const { return factors_; }

 private:
  Pit raw_;
  std::array<double, Pit::levels.size()> factors_ = {1, 1, 1, 1, 1};
};
static_assert(Pit::levels.size() == 5);

}  // namespace tidewaiter::detect
