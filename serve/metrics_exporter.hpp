// The registry of core/metrics.hpp in Prometheus text format 0.0.4. The only user of prometheus-cpp.
// Pure; any thread. Cost: one pass over the samples.
#pragma once

#include <string>

#include "core/metrics.hpp"

namespace tidewaiter::serve {

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// Families in order of name, samples of a family in order of registration.
std::string metrics_text(const Metrics& metrics);

}  // namespace tidewaiter::serve
