// What principals do by the hour, and the detectors of hours to compare with: each scores an hour of a principal when it is
// over, before it learns it. Hours in which a principal does nothing are no points.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "detect/hash.hpp"

namespace tidewaiter::bench {

struct Hour {
  detect::Key principal = 0, app = 0;
  std::int64_t start_ns = 0;
  double bytes_outside = 0;  // to destinations that are not internal
  double messages = 0;
  double destinations = 0;   // different ones, counted in 128 cells (linear counting, Whang et al. 1990)
};

class HourDetector {
 public:
  virtual ~HourDetector() = default;
  virtual double observe(const Hour& hour) = 0;
};

/// "static-threshold": bytes_outside. "windowed-gaussian": standard deviations of ln(1 + bytes_outside) above the mean of the
/// principal's last 100 hours, 0 below 20 of them. "half-space-trees", "random-cut-forest": one model of all principals
/// over (bytes_outside, messages, destinations, hour of the day), the first three as logarithms. nullptr for another name.
std::unique_ptr<HourDetector> make_hour_detector(std::string_view name);

/// Gathers events into hours. Events of an hour that is over count in the hour that is open.
class Hours {
 public:
  /// True when `time_ns` begins a new hour: take the ones that are over with close() first.
  bool over(std::int64_t time_ns) const { return open_ && time_ns >= start_ns_ + hour_ns; }
  void add(detect::Key principal, detect::Key app, detect::Key destination, double bytes_outside, std::int64_t time_ns);
  /// The hours that are over, in the order in which their principals came.
  const std::vector<Hour>& close();

  static constexpr std::int64_t hour_ns = 3'600'000'000'000;

 private:
  bool open_ = false;
  std::int64_t start_ns_ = 0;
  std::unordered_map<detect::Key, std::size_t> at_;
  std::vector<Hour> hours_;
  std::vector<std::array<std::uint64_t, 2>> cells_;
  std::vector<Hour> closed_;
};

}  // namespace tidewaiter::bench
