// What judging and learning volumes go by, by scale: 5 min, 1 h, 1 day.
#pragma once

#include <cstddef>

#include "detect/windows.hpp"

namespace tidewaiter::detect::volume_model {

inline constexpr double quantile_tail = 0.2;                          // mass above the tracked quantile
inline constexpr double warm_windows[scales] = {20, 15, 6};
inline constexpr double prior_excess[scales] = {0.5, 0.4, 0.3};       // nats, before anything is known
inline constexpr double excess_min[scales] = {0.15, 0.12, 0.1};
inline constexpr double step_min[scales] = {0.01, 0.015, 0.02};        // of the trackers, once they have settled
inline constexpr double clip_nats = 1.5;
inline constexpr std::size_t hour_scale = 1, day_scale = 2;

}  // namespace tidewaiter::detect::volume_model
