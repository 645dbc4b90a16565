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
#include <cstdint>

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

/// Days of which more windows of 5 minutes are high than usual: what a day's sum does not show while a large transfer of
/// another day outweighs it. S = what the scores of a day's windows have beyond 2 nats, each at most 7, together. Scores of
/// ordinary windows are exponential, so S is a compound Poisson sum; with mean m, P(S >= s) <= exp(-(sqrt s - sqrt m)^2)
/// (Chernoff 1952). m is the series' own mean of days, times the factor by which the role's other members exceed theirs. The
/// exponent, where it is above 1 and winsorised at 15, is summed over days, of which 70 % are kept from day to day, up to 30. Three
/// quarters of the sum count beside Ramp::score(): in part a day says both of the same bytes.
struct HighDays {
  std::uint16_t usual_q6, evidence_q6;  // m (0 = nothing learnt) and the sum of exponents, in 1/64 nats

  double usual() const;
  /// The sum of exponents with a day of so many nats, of which `expected` are usual today.
  double sum(double nats, double expected) const;
  static double weight(double sum) { return 0.75 * sum; }
  void keep(double sum);
  /// A day that is none of rest; `days` learnt before.
  void learn(double nats, double days);
  void restart() { evidence_q6 = 0; }
};

}  // namespace tidewaiter::detect
