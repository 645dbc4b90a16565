// Whether the plan of OTLP and the code written by hand have made the same of one span.
#pragma once

#include <string>

#include "bench/primitives/otlp_row.hpp"
#include "core/event.hpp"

namespace tidewaiter::bench {

/// Every column in which they differ, with both values; "" when they are equal. What the service adds to each event by
/// itself (observed_time, format, mapping_version, the time of reception where a message has none) is not compared.
std::string differences(const Event& event, const primitives::OtlpRow& row);

}  // namespace tidewaiter::bench
