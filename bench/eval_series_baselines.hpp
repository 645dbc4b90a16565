// What others do with a series of values: own implementations. Each scores a value before it learns it, in [0, 1].
#pragma once

#include <memory>
#include <string_view>

namespace tidewaiter::bench {

class SeriesBaseline {
 public:
  virtual ~SeriesBaseline() = default;
  virtual double observe(double value) = 0;
};

/// "static-threshold": multiples of the highest of the first 288 values. "windowed-gaussian": how far out of a normal
/// distribution of the last 6,400 values, learnt every 100 (as in the Numenta benchmark). Of bench/eval_points.hpp:
/// "half-space-trees" over the value, by the range of those before it; "random-cut-forest" over the value alone, which does
/// better on the benchmark than the last 8 of them. nullptr for another name.
std::unique_ptr<SeriesBaseline> make_series_baseline(std::string_view name);

}  // namespace tidewaiter::bench
