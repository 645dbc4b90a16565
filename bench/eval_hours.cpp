#include "bench/eval_hours.hpp"

#include <bit>
#include <cmath>

#include "bench/eval_points.hpp"

namespace tidewaiter::bench {
namespace {

class StaticThreshold : public HourDetector {
 public:
  double observe(const Hour& hour) override { return hour.bytes_outside; }
};

class WindowedGaussian : public HourDetector {
 public:
  double observe(const Hour& hour) override {
    Window& window = windows_[hour.principal];
    const double value = std::log1p(hour.bytes_outside);
    double score = 0;
    const std::size_t count = window.values.size();
    if (count >= least) {
      double sum = 0, squares = 0;
      for (const double each : window.values) sum += each, squares += each * each;
      const double mean = sum / static_cast<double>(count);
      const double variance = std::max(squares / static_cast<double>(count) - mean * mean, 0.01);
      score = (value - mean) / std::sqrt(variance);
    }
    if (count < most) window.values.push_back(value);
    else window.values[window.next++ % most] = value;
    return score;
  }

 private:
  static constexpr std::size_t least = 20, most = 100;
  struct Window {
    std::vector<double> values;
    std::size_t next = 0;
  };
  std::unordered_map<detect::Key, Window> windows_;
};

// Logarithms brought into [0, 1] by what no hour exceeds: 1 TB, a million messages, the cells' limit.
Point point_of(const Hour& hour) {
  Point point{};
  point[0] = std::log1p(hour.bytes_outside) / std::log(1e12);
  point[1] = std::log1p(hour.messages) / std::log(1e6);
  point[2] = std::log1p(hour.destinations) / std::log(1000.0);
  point[3] = static_cast<double>(hour.start_ns / Hours::hour_ns % 24) / 24;
  return point;
}

template <class Model>
class OfPoints : public HourDetector {
 public:
  double observe(const Hour& hour) override { return model_.observe(point_of(hour)); }

 private:
  Model model_{4};
};

}  // namespace

std::unique_ptr<HourDetector> make_hour_detector(std::string_view name) {
  if (name == "static-threshold") return std::make_unique<StaticThreshold>();
  if (name == "windowed-gaussian") return std::make_unique<WindowedGaussian>();
  if (name == "half-space-trees") return std::make_unique<OfPoints<HalfSpaceTrees>>();
  if (name == "random-cut-forest") return std::make_unique<OfPoints<RandomCutForest>>();
  return nullptr;
}

void Hours::add(detect::Key principal, detect::Key app, detect::Key destination, double bytes_outside, std::int64_t time_ns) {
  if (!open_) start_ns_ = time_ns / hour_ns * hour_ns;
  open_ = true;
  const auto [entry, made] = at_.try_emplace(principal, hours_.size());
  if (made) {
    hours_.push_back({principal, app, start_ns_, 0, 0, 0});
    cells_.push_back({});
  }
  Hour& hour = hours_[entry->second];
  hour.bytes_outside += bytes_outside;
  hour.messages += 1;
  if (destination != 0) cells_[entry->second][destination >> 6 & 1] |= std::uint64_t{1} << (destination & 63);
}

const std::vector<Hour>& Hours::close() {
  for (std::size_t i = 0; i < hours_.size(); ++i) {
    const int set = std::popcount(cells_[i][0]) + std::popcount(cells_[i][1]);
    hours_[i].destinations = -128 * std::log1p(-std::min(set, 127) / 128.0);
  }
  closed_.swap(hours_);
  hours_.clear();
  cells_.clear();
  at_.clear();
  open_ = false;
  return closed_;
}

}  // namespace tidewaiter::bench
