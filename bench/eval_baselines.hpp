// What others do, to compare with: own implementations from the papers. All take rows (source, destination, time) and
// score before they learn.
#pragma once

#include <memory>
#include <string_view>

#include "detect/hash.hpp"

namespace tidewaiter::bench {

class EdgeBaseline {
 public:
  virtual ~EdgeBaseline() = default;
  virtual double observe(detect::Key source, detect::Key destination, std::int64_t time_ns) = 0;
};

/// "count": rows of the destination in this minute. "never-seen": 1 for a new edge. "midas-f": Bhatia et al., TKDD 2022,
/// 2 x 1024 counters, threshold 1000, decay 0.5, ticks of a minute. nullptr for another name.
std::unique_ptr<EdgeBaseline> make_edge_baseline(std::string_view name);

}  // namespace tidewaiter::bench
