// Periods: hours and days of event time (UTC), numbered since 1970; times before then have negative numbers.
#pragma once

#include <cstdint>

namespace tidewaiter::detect {

inline constexpr std::int64_t hour_ns = 3600ll * 1'000'000'000, day_ns = 24 * hour_ns;

/// Rounded down, also for negative times.
inline std::int64_t period_of(std::int64_t time_ns, std::int64_t period_ns) {
  return time_ns / period_ns - (time_ns % period_ns < 0);
}
inline std::int64_t day_of(std::int64_t time_ns) { return period_of(time_ns, day_ns); }

}  // namespace tidewaiter::detect
