#include "bench/eval_series_baselines.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "bench/eval.hpp"
#include "bench/eval_points.hpp"

namespace tidewaiter::bench {
namespace {

constexpr std::string_view names[] = {"static-threshold", "windowed-gaussian", "half-space-trees", "random-cut-forest"};

class StaticThreshold : public SeriesBaseline {
 public:
  double observe(double value) override {
    if (!std::isfinite(value)) return 0;
    if (++seen_ <= set_by) {
      highest_ = std::max(highest_, value);
      return 0;
    }
    const double times = highest_ > 0 ? std::max(value, 0.0) / highest_ : 0;
    return times / (1 + times);
  }

 private:
  static constexpr std::size_t set_by = 288;
  std::size_t seen_ = 0;
  double highest_ = 0;
};

class WindowedGaussian : public SeriesBaseline {
 public:
  double observe(double value) override {
    if (!std::isfinite(value)) return 0;
    const double sigmas = deviation_ > 0 ? std::abs(value - mean_) / deviation_ : 0;
    values_.push_back(value);
    if (values_.size() > window) values_.pop_front();
    if (values_.size() < window || ++since_ == step) learn();
    // The benchmark tells 1 - the tail's probability, which is 1 when written down; this is of the same order.
    return sigmas / (1 + sigmas);
  }

 private:
  static constexpr std::size_t window = 6400, step = 100;
  void learn() {
    since_ = 0;
    sum_ = squares_ = 0;
    for (const double value : values_) sum_ += value, squares_ += value * value;
    const auto count = static_cast<double>(values_.size());
    mean_ = sum_ / count;
    // As in the benchmark: a series that never moved gets a small width.
    deviation_ = std::max(std::sqrt(std::max(squares_ / count - mean_ * mean_, 0.0)), 1e-6);
  }
  std::deque<double> values_;
  std::size_t since_ = 0;
  double sum_ = 0, squares_ = 0, mean_ = 0, deviation_ = 0;
};

class OfHalfSpaceTrees : public SeriesBaseline {
 public:
  double observe(double value) override {
    if (!std::isfinite(value)) return 0;
    const double scaled = high_ > low_ ? (value - low_) / (high_ - low_) : 0.5;
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
    return model_.observe(Point{scaled});
  }

 private:
  HalfSpaceTrees model_{1};
  double low_ = INFINITY, high_ = -INFINITY;
};

class OfRandomCutForest : public SeriesBaseline {
 public:
  double observe(double value) override {
    if (!std::isfinite(value)) return 0;
    const double displacement = model_.observe(Point{value});
    return displacement / (displacement + 10);
  }

 private:
  RandomCutForest model_{1};
};

}  // namespace

std::unique_ptr<SeriesBaseline> make_series_baseline(std::string_view name) {
  if (name == names[0]) return std::make_unique<StaticThreshold>();
  if (name == names[1]) return std::make_unique<WindowedGaussian>();
  if (name == names[2]) return std::make_unique<OfHalfSpaceTrees>();
  if (name == names[3]) return std::make_unique<OfRandomCutForest>();
  return nullptr;
}

std::vector<std::string_view> series_baselines() { return {std::begin(names), std::end(names)}; }

}  // namespace tidewaiter::bench
