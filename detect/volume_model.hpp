// What judging and learning volumes go by, by scale: 5 min, 1 h, 1 day.
#pragma once

#include <cstddef>
#include <cstdint>

#include "detect/windows.hpp"

namespace tidewaiter::detect::volume_model {

inline constexpr double quantile_tail = 0.2;                          // mass above the tracked quantile
inline constexpr double warm_windows[scales] = {20, 15, 6};
inline constexpr double prior_excess[scales] = {0.5, 0.4, 0.3};       // nats, before anything is known
inline constexpr double excess_min[scales] = {0.15, 0.12, 0.1};
inline constexpr double step_min[scales] = {0.01, 0.015, 0.02};        // of the trackers, once they have settled
inline constexpr double clip_nats = 1.5;
inline constexpr std::uint32_t shock_members = 3;                      // that many or fewer have no shock
inline constexpr double shock_shrink[scales] = {3, 2, 1};              // members that say there is none
inline constexpr std::size_t hour_scale = 1, day_scale = 2;
inline constexpr std::int64_t second_ns = 1'000'000'000;
inline constexpr double interesting_nats = 3;

// Of the false alerts, by kind and scale: most go where a single principal shows best.
inline constexpr double budget_share[series_kinds][scales] = {{0.03, 0.06, 0.03}, {0.05, 0.06, 0.03}, {0.02, 0.02, 0.02}};
// Ramps by class: of principals, of pairs that are used day by day with a like amount, of the others. Apps grow by many
// hands: theirs are left to these.
inline constexpr std::size_t ramp_classes = 3;
inline constexpr double ramp_share[ramp_classes] = {0.17, 0.27, 0.02};
// Stretches: what a window's score has beyond the first counts, up to the second.
inline constexpr double stretch_share = 0.22;
inline constexpr double stretch_window_nats = 2, stretch_nats = 7;

inline constexpr std::size_t ramp_tail = series_kinds * scales, stretch_tail = ramp_tail + ramp_classes, tail_classes = stretch_tail + 1;

}  // namespace tidewaiter::detect::volume_model
