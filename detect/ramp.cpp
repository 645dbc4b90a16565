#include "detect/ramp.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tidewaiter::detect {
namespace {

constexpr double spread_prior = 0.4, prior_days = 6, spread_min = 0.2;
constexpr double spread_step_min = 0.02, under_way_nats = 3;
constexpr double low_spreads = -1.5, high_spreads = 2.5;  // where residuals are winsorised
constexpr double evidence_kept = 0.85;  // of the nats, from day to day: slow growth of its own adds up to little
const double mean_to_spread = std::sqrt(std::acos(-1.0) / 2);  // of a normal: sigma / E|r|

double ratio(double shift, double r, double spread) {
  const double clipped = std::clamp(r, low_spreads * spread, high_spreads * spread);
  return shift * (clipped - shift / 2) / (spread * spread);
}

}  // namespace

double Ramp::spread_after(double days) const {
  const double own = spread > 0 ? double{spread} : spread_prior;
  return std::max((prior_days * spread_prior + days * own) / (prior_days + days), spread_min);
}

double Ramp::score(double r, double days) const {
  const double s = spread_after(days);
  double top = 0, sum = 0;
  std::array<double, shifts.size()> nats;
  for (std::size_t i = 0; i < shifts.size(); ++i) {
    nats[i] = evidence_kept * double{evidence[i]} + ratio(shifts[i], r, s);
    top = std::max(top, nats[i]);
  }
  for (const double each : nats) sum += std::exp(each - top);
  return std::max(0.0, top + std::log(sum / shifts.size()));
}

void Ramp::learn(double r, double days) {
  const double s = spread_after(days);
  const bool under_way = days >= prior_days && score(r, days) >= under_way_nats;
  for (std::size_t i = 0; i < shifts.size(); ++i) {
    const double log_e = evidence_kept * double{evidence[i]} + ratio(shifts[i], r, s);
    evidence[i] = static_cast<float>(log_e > 30 ? log_e : std::log1p(std::exp(log_e)));
  }
  const double limit = days < prior_days ? std::abs(r) : high_spreads * s;  // at first there is nothing to go by
  const double size = std::min(std::abs(r), limit) * mean_to_spread;
  const double step = std::max(1 / (days + 2), spread_step_min) * (under_way ? 0.25 : 1);
  spread = static_cast<float>(spread == 0 ? (s + size) / 2 : double{spread} + step * (size - double{spread}));
}

double Ramp::residual_at(double wanted, double days) const {
  double low = low_spreads * spread_after(days), high = high_spreads * spread_after(days);
  for (int i = 0; i < 20; ++i) {
    const double middle = (low + high) / 2;
    (score(middle, days) < wanted ? low : high) = middle;
  }
  return high;
}

}  // namespace tidewaiter::detect
