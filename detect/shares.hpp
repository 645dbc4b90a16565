// What each detector gets of the memory bound (one part in so many) and of the false alerts that an operator accepts. The
// latter add up to 0.99: nobody needs what stretches do not any more.
#pragma once

#include <algorithm>
#include <cstdint>

#include "detect/engine.hpp"

namespace tidewaiter::detect {

inline constexpr std::uint64_t flow_memory = 4, volume_memory = 4, rules_memory = 12, names_memory = 16, silence_memory = 32,
                               joins_memory = 24, rhythm_memory = 16, surge_memory = 24, chain_memory = 16, health_memory = 32;
inline constexpr double flow_budget = 0.27, volume_budget = 0.35, rhythm_budget = 0.08, surge_budget = 0.24, chain_budget = 0.02,
                        health_budget = 0.03;

/// What is rarer than this, over all detectors, they learn winsorised, however much an operator wants to be told.
inline double hot_of(const EngineConfig& config) {
  constexpr double hot_per_day = 0.25;
  return std::min(1.0, hot_per_day / config.false_alerts_per_day);
}

}  // namespace tidewaiter::detect
