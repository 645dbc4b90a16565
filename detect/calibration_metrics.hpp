// Metrics of how well the detectors' p-values hold (pit.hpp), per detector, class of what is judged, and level.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class CalibrationMetrics {
 public:
  void add(Metrics& metrics, std::string_view detector, std::string_view tail_class) {
    Gauges& gauges = gauges_.emplace_back();
    for (std::size_t i = 0; i < Pit::levels.size(); ++i) {
      const Labels labels = {{"detector", std::string(detector)}, {"class", std::string(tail_class)}, {"level", names[i]}};
      gauges[i].seen = &metrics.gauge("tidewaiter_detect_p_values_seen", "Tests whose p-value was at or below the level, since the first commit", labels);
      gauges[i].correction = &metrics.gauge("tidewaiter_detect_p_value_correction", "What p-values of this level are multiplied by, as their past says", labels);
      gauges[i].expected = &metrics.gauge("tidewaiter_detect_p_values_expected", "So many such tests ordinary days bring", labels);
    }
  }
  /// In the order of add().
  void set(std::size_t at, const TailCalibrator& tail) {
    for (std::size_t i = 0; i < Pit::levels.size(); ++i) {
      gauges_[at][i].seen->set(tail.pit().counts()[i].seen);
      gauges_[at][i].expected->set(tail.pit().counts()[i].expected);
      gauges_[at][i].correction->set(tail.correction().factors()[i]);
    }
  }

 private:
  static constexpr std::array names = {"1e-2", "1e-3", "1e-4", "1e-5", "1e-6"};
  static_assert(names.size() == Pit::levels.size());
  struct Level {
    Gauge* seen;
    Gauge* expected;
    Gauge* correction;
  };
  using Gauges = std::array<Level, Pit::levels.size()>;
  std::vector<Gauges> gauges_;
};

}  // namespace tidewaiter::detect
