// What the pipeline knows of itself, as metrics: positions, lag, balance of the counters, state of sources and
// connectors. Called about once a second by the supervisor.
#pragma once

#include "app/pipeline.hpp"
#include "core/metrics.hpp"

namespace tidewaiter::app {

void export_status(const PipelineStatus& status, std::int64_t now_ns, Metrics& metrics);

/// Sees a follower that stands still while there is work for it. Owned by the supervisor.
class StallWatch {
 public:
  static constexpr std::int64_t stalled_after_ns = 60'000'000'000;
  /// True from a minute without progress on, until progress is seen again.
  bool stalled(std::uint64_t done, std::uint64_t wanted, std::int64_t now_ns);

 private:
  std::uint64_t done_ = 0;
  std::int64_t moved_ns_ = 0;
};

/// Promise P7, one sentence per difference; empty when all balances hold.
std::vector<std::string> balance_findings(const PipelineStatus& status);

}  // namespace tidewaiter::app
