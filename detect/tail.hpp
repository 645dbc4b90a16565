// Tails: how rare a score is, counted on what was seen. Shared by the statistical detectors.
//
// TailCalibrator keeps a decayed histogram of the scores (nats, higher = more surprising) of one detector and class
// and answers with a rate: how many scores at least this high a day of normal life brings. Inside the data that is a
// count; beyond it a generalised Pareto tail over a high threshold, fitted by moments with a prior (peaks over
// threshold: Pickands 1975; Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017).
// Scores that became alerts are learnt winsorised, as the least score that would have been one: an incident raises the
// bar a little for the next one like it, but no further than to itself. What the tail says is corrected by how its p-values held
// in the past (correction.hpp); pit() counts the corrected ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "detect/ablation.hpp"
#include "detect/codec.hpp"
#include "detect/correction.hpp"
#include "detect/pit.hpp"

namespace tidewaiter::detect {

/// How p-values like one held so far, for the alert that it is in.
struct CalibrationState {
  std::string_view tail_class;
  double level = 0;               // finest above the p-value of which one or more were to come, else the coarsest; 0 = none yet
  double seen = 0, expected = 0;  // p-values at or below it since the first commit
  double factor = 1;              // the correction that is in the p-value
};

class TailCalibrator {
 public:
  static constexpr double bin_nats = 0.25;
  static constexpr std::size_t bins = 256;

  /// Scores below `floor_nats` are the body. `prior_excess` nats: what the tail is like before it is known. `tied`: many scores
  /// are the same number, so those of a bin are not told apart.
  TailCalibrator(double floor_nats, double prior_excess, bool tied = false)
      : floor_nats_(floor_nats), prior_excess_(prior_excess), tied_(tied) {}

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
  /// What its p-values and rates are multiplied by.
  const Correction& correction() const { return correction_; }
  CalibrationState state_at(double score) const;
  void ablate(const Ablation& parts) {
    calibrated_ = parts.calibration;
    corrected_ = parts.correction && parts.calibration;
  }
  /// Of its class; lives longer than the calibrator.
  void set_name(std::string_view name) { name_ = name; }
  std::string_view name() const { return name_; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  static std::size_t bin_of(double score);
  void advance(std::int64_t time_ns);
  double above(std::size_t bin) const { return shape().above[bin]; }
  /// As the tail has it, before it is corrected.
  double tail_rate(double score) const;
  double tail_p_value(double score) const;
  double p_of_rate(double rate_per_day) const;
  double factor(double tail_p_value) const { return corrected_ ? correction_.factor(tail_p_value) : 1; }
  void note(double score, double weight, double before);
  double independent_share() const;

  double floor_nats_, prior_excess_;
  bool tied_, calibrated_ = true, corrected_ = true;
  std::string_view name_;
  /// What questions need of the counts, worked out once after they changed.
  struct Shape {
    std::array<double, bins + 1> above{};  // sum of the counts from a bin on
    double share = 1;                      // what a count is worth as evidence
    double start = 0, count = 0;           // threshold of the fit, scores beyond it
    double scale = 1, xi = 0;              // of the generalised Pareto tail beyond it
  };
  const Shape& shape() const {
    if (stale_) reshape();
    return shape_;
  }
  void reshape() const;
  void changed(std::size_t bin) {
    stale_ = true;
    end_ = std::max(end_, bin + 1);
  }

  std::array<float, bins> counts_{};
  double weights_ = 0, squares_ = 0;  // of the scores from the floor on: what their counts are worth as evidence
  double days_ = 0;      // observed time, decayed like the counts
  double pending_days_ = 0;
  std::int64_t last_ns_ = 0;
  Pit pit_;
  Correction correction_;
  std::size_t end_ = 1;  // bins from here on are empty
  mutable Shape shape_;  // of counts_, unless stale
  mutable bool stale_ = true;
};

}  // namespace tidewaiter::detect
