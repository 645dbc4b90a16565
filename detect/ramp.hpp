// Ramp: day after day somewhat more than usual, none of the days rare by itself.
//
// r = residual of a day's log-volume against its slow baseline. For shifts d in {+60 %, +150 %, +400 %} the likelihood
// ratio of N(d, s) to N(0, s), l = d (r - d / 2) / s^2, is summed as Shiryaev and Roberts do, E <- (1 + E)^0.85 e^l, an
// e-detector (Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2023):
// whatever the mixture, a threshold of e^c takes some e^c quiet days to be reached, and no delay to a shift is below
// c / KL (Lorden 1971). The power forgets what slow growth of its own would add up to; below 1 it makes E no larger on
// average (Jensen). r is winsorised, so one huge day is left to the tail of single windows and one quiet day does not
// undo a week; the latter lets E be a little too large, and how often a score comes up is counted anyway.
// Score = ln of the mean of the three, in nats.
#pragma once

#include <array>

namespace tidewaiter::detect {

struct Ramp {
  static constexpr std::array<double, 3> shifts = {0.47000, 0.91629, 1.60944};  // ln 1.6, ln 2.5, ln 5

  float spread;                        // s, of quiet days; 0 = nothing seen yet
  std::array<float, shifts.size()> evidence;  // ln(1 + E)

  /// s as it is used after `days` days: shrunk to the usual, and no less than what days differ by anyway.
  double spread_after(double days) const;
  /// Score of a day with the residual `r`, 0 or more, without learning it.
  double score(double r, double days) const;
  void learn(double r, double days);
  /// A ramp was told: only what goes on from here is news.
  void restart() { evidence = {}; }
  /// The residual at which score() is `wanted` today.
  double residual_at(double wanted, double days) const;
};

}  // namespace tidewaiter::detect
