// Volume: what a judged window teaches.
#include <algorithm>
#include <cmath>
#include <limits>

#include "detect/volume.hpp"
#include "detect/volume_model.hpp"

namespace tidewaiter::detect {
namespace {

using namespace volume_model;

constexpr double excess_clip = 3;                              // of the scale: where its learning is winsorised
constexpr double amplitude_step = 3;

}  // namespace

void Volume::learn_window(const Window& window, const Judged& judged, const Standing& at, Series* own, Series* pool,
                          std::size_t scale, bool hot) {
  if (pool == nullptr) {
    pool = series_.find_or_insert(pool_key(window), window.quota).slot;
    pool->first_s = static_cast<std::uint32_t>(window.start_s);
    own = series_.find(window.series);
  }
  pool->last_s = static_cast<std::uint32_t>(window.start_s);
  learn(pool->scale[scale], at.r, at.x - at.season, prior_excess[scale], level_clip(*pool, scale), scale, hot);
  const double pool_excess = double{pool->scale[scale].excess};
  if (own == nullptr) return;  // it had to give way to the pool
  Scale& state = own->scale[scale];
  const double off = std::clamp(at.x - at.season - double{state.level}, -clip_nats, clip_nats);
  const bool rest = scale == day_scale && state.windows > 0 && rests(judged, at);
  if (state.windows >= warm_windows[scale]) {
    // Before, its windows of 5 min are not known either, and none of them is high.
    if (scale == day_scale && window.kind == SeriesKind::pair && !rest)
      own->highs.learn(double{window.high_nats}, double{state.windows} - warm_windows[scale]);
    const double step = amplitude_step * step_min[scale] * judged.season / (judged.season * judged.season + 0.25);
    state.amplitude = static_cast<float>(std::clamp(double{state.amplitude} + step * off, -1.0, 0.0));
  }
  learn(state, at.r, rest ? double{state.level} : at.x - at.season, pool_excess, level_clip(*own, scale), scale, hot);
}

// How far one window takes the level along. A day of a ramp that shows takes it hardly any further.
double Volume::level_clip(const Series& series, std::size_t scale) const {
  if (!parts_.winsorising) return std::numeric_limits<double>::infinity();
  const Scale& state = series.scale[scale];
  if (scale != day_scale || state.windows < warm_windows[scale]) return 3 * std::max(double{state.excess}, 0.3);
  return series.ramp.spread_after(double{state.windows}) * (series.ramp_run > 0 ? 0.25 : 2);
}

void Volume::learn(Scale& state, double r, double x, double excess_prior, double level_reach, std::size_t scale, bool hot) {
  const double seen = double{state.windows};
  double quantile = double{state.quantile}, excess = double{state.excess}, level = double{state.level};
  if (seen == 0) {
    quantile = r;
    level = x;
    excess = excess_prior;
  }
  const double step = std::max(1 / (seen + 1), step_min[scale]);
  level += step * (seen < warm_windows[scale] ? x - level : std::clamp(x - level, -level_reach, level_reach));
  if (seen < 5 && !hot) {
    quantile = std::max(quantile, r);  // of few values the largest is the best guess
  } else {
    // Far above the quantile: a ramp or a shift, learnt at a quarter of the pace and winsorised into the scale.
    const bool far = r > quantile + 2 * std::max(excess, excess_min[scale]);
    if (r > quantile && !hot) {
      const double share = std::max(1 / (quantile_tail * seen + 5), step_min[scale]);
      const double clip = parts_.winsorising ? excess_clip * std::max(excess, excess_min[scale]) : r;
      excess += share * (std::min(r - quantile, clip) - excess);
    }
    const double reach = 4 * std::max(excess, 0.1) * std::max(1 / (seen + 1), step_min[scale]) * (far ? 0.25 : 1);
    quantile += reach * (r > quantile ? 1 - quantile_tail : -quantile_tail);
  }
  // What was alerted is known from then on: only more than that is news.
  double largest = seen == 0 ? r : double{state.largest};
  largest -= 0.002 * std::max(0.0, largest - quantile);
  state.largest = static_cast<float>(std::max(largest, r));
  state.level = static_cast<float>(level);
  state.quantile = static_cast<float>(quantile);
  state.excess = static_cast<float>(std::max(excess, 0.05));
  state.windows = static_cast<float>(std::min(seen + 1, 1e6));
}

void Volume::learn_seasons(std::size_t scale) {
  for (const std::uint32_t role : roles_) {
    const RoleSum& sum = sums_[role];
    Season& season = seasons_.of(combine(sum.role, scale));
    season.learn(features_, sum.seasonal / sum.members, 1.0 / sum.members);
  }
}

}  // namespace tidewaiter::detect
