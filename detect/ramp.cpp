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

namespace {

constexpr double unit = 64, usual_prior = 6, usual_step_min = 0.04, usual_min = 1, winsor_roots = 3;
constexpr double highs_kept = 0.7, highs_of_day_max = 15, highs_max = 30;

std::uint16_t to_q6(double nats) { return static_cast<std::uint16_t>(std::lround(std::clamp(nats * unit, 0.0, 65535.0))); }
double exponent(double nats, double expected) {
  const double root = std::sqrt(nats) - std::sqrt(expected);
  return root > 1 ? std::min(root * root, highs_of_day_max) : 0;
}

}  // namespace

double HighDays::usual() const { return usual_q6 == 0 ? usual_prior : std::max(usual_q6 / unit, usual_min); }

double HighDays::sum(double nats, double expected) const {
  return std::min(highs_kept * evidence_q6 / unit + exponent(nats, expected), highs_max);
}

void HighDays::keep(double sum) { evidence_q6 = to_q6(sum); }

void HighDays::learn(double nats, double days) {
  const double before = usual_q6 == 0 ? usual_prior : usual_q6 / unit;
  const double limit = usual() + winsor_roots * std::sqrt(usual());
  const double after = before + std::max(1 / (days + 3), usual_step_min) * (std::min(nats, limit) - before);
  usual_q6 = std::max<std::uint16_t>(to_q6(after), 1);
}

}  // namespace tidewaiter::detect
