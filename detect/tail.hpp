// Tails: how rare a score is, counted on what was seen. Shared by the statistical detectors.
//
// TailCalibrator keeps a decayed histogram of the scores (nats, higher = more surprising) of one detector and class
// and answers with a rate: how many scores at least this high a day of normal life brings. Inside the data that is a
// count; beyond it a generalised Pareto tail over a high threshold, fitted by moments with a prior (peaks over
// threshold: Pickands 1975; Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017).
// Scores that became alerts are learnt winsorised, as the least score that would have been one: an incident raises the
// bar a little for the next one like it, but no further than to itself.
#pragma once

#include <array>
#include <cstdint>

#include "detect/codec.hpp"
#include "detect/pit.hpp"

namespace tidewaiter::detect {

class TailCalibrator {
 public:
  static constexpr double bin_nats = 0.25;
  static constexpr std::size_t bins = 256;

  /// Scores below `floor_nats` are the body. `prior_excess` nats: what the tail is like before it is known.
  TailCalibrator(double floor_nats, double prior_excess) : floor_nats_(floor_nats), prior_excess_(prior_excess) {}

  /// O(1); a sweep over the bins once in six hours of event time.
  /// `weight`: how many such scores this one of a sample stands for. `seen`: what it was before it was winsorised.
  void learn(double score, std::int64_t time_ns, float weight = 1, double seen = 0);
  /// A score that was learnt turned out higher: windows of one series that stay high are one event, at their highest.
  void raise(double from, double to);
  /// `count` more tests of which nothing is known but that they were unsurprising.
  void learn_ordinary(std::int64_t time_ns, float count = 1);

  /// Expected number of scores >= `score` per day of event time; at most a conservative guess while there is little
  /// history.
  double rate_per_day(double score) const;
  /// The same as a probability per test.
  double p_value(double score) const;
  /// The least score, to a bin, whose rate is below `rate_max`, coming down from `score`, which is one.
  double bar(double score, double rate_max) const;
  /// The least score, to a bin, from `from` on whose rate is at most `rate_max`; `to` when there is none below.
  double least_of_rate(double rate_max, double from, double to) const;
  double days() const { return days_; }
  double tests() const;
  /// How well its p-values held, from the day on when detectors go by them.
  const Pit& pit() const { return pit_; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  static std::size_t bin_of(double score);
  void advance(std::int64_t time_ns);
  double above(std::size_t bin) const;
  double independent_share() const;

  double floor_nats_, prior_excess_;
  std::array<float, bins> counts_{};
  double weights_ = 0, squares_ = 0;  // of the scores from the floor on: what their counts are worth as evidence
  double days_ = 0;      // observed time, decayed like the counts
  double pending_days_ = 0;
  std::int64_t last_ns_ = 0;
  Pit pit_;
};

}  // namespace tidewaiter::detect
