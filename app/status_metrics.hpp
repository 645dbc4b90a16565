// What the pipeline knows of itself, as metrics: positions, lag, balance of the counters, state of sources and
// connectors. Called about once a second by the supervisor.
#pragma once

#include "app/pipeline.hpp"
#include "core/metrics.hpp"

namespace tidewaiter::app {

void export_status(const PipelineStatus& status, std::int64_t now_ns, Metrics& metrics);

/// Promise P7, one sentence per difference; empty when all balances hold.
std::vector<std::string> balance_findings(const PipelineStatus& status);

}  // namespace tidewaiter::app
