#include "detect/burst.hpp"

#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double ns_per_min = 60e9;
constexpr double ln2 = 0.6931471805599453;
constexpr double forget_half_life_min = 30 * 1440;
constexpr double prior_events = 0.3;
constexpr double prior_rate = 0.03;   // events per minute
constexpr double nothing_left = 150;  // half-lives after which a float holds 0
constexpr double hot_nats = 5;        // P < 0.007
constexpr double hot_growth = 2;      // times the expectation that a hot key may learn

}  // namespace

void Burst::ablate(const Ablation& parts) {
  winsorising_ = parts.winsorising;
  if (parts.scales) return;
  first_scale_ = scales / 2;
  end_scale_ = first_scale_ + 1;
}

// The largest of the scales' scores. Most are told from a bound: ln(1 + x) <= x (6 + x) / (6 + 4 x) (Topsoe 2004).
double Burst::highest(Slot& slot, double weight, double rate) const {
  constexpr double rounding = 1 + 1e-12;
  std::array<double, scales> x{}, at_most{};
  std::size_t likely = first_scale_;
  for (std::size_t i = first_scale_; i < end_scale_; ++i) {
    slot.counts[i] += static_cast<float>(weight);
    x[i] = ln2 / (rate * half_life_min[i]);
    at_most[i] = slot.counts[i] * (x[i] * (6 + x[i]) / (6 + 4 * x[i])) * rounding;
    if (at_most[i] > at_most[likely]) likely = i;
  }
  double score = slot.counts[likely] * std::log1p(x[likely]);
  for (std::size_t i = first_scale_; i < end_scale_; ++i)
    if (i != likely && at_most[i] > score) score = std::max(score, slot.counts[i] * std::log1p(x[i]));
  return score;
}

double Burst::observe(Key key, std::uint16_t quota, std::int64_t time_ns, bool one_action) {
  const auto [slot, inserted] = slots_.find_or_insert(key, quota);
  if (inserted) slot->last_ns = time_ns;
  const double elapsed_min = std::max<double>(0, static_cast<double>(time_ns - slot->last_ns) / ns_per_min);
  double learnt = slot->learnt, observed_min = slot->observed_min;
  if (elapsed_min > 0) {
    const double keep = std::exp2(-elapsed_min / forget_half_life_min);
    learnt *= keep;
    observed_min = observed_min * keep + elapsed_min;
    for (std::size_t i = 0; i < scales; ++i) {
      const double half_lives = elapsed_min / half_life_min[i];
      slot->counts[i] = half_lives > nothing_left ? 0 : slot->counts[i] * static_cast<float>(std::exp2(-half_lives));
    }
    slot->last_ns = time_ns;
    slot->instant = 0;
  }
  const double weight = one_action ? 1.0 / ++slot->instant : 1.0;
  const double rate = (learnt + prior_events) / (observed_min + prior_events / prior_rate);
  const double score = highest(*slot, weight, rate);
  const double learns = winsorising_ && score > hot_nats ? std::min(weight, rate * elapsed_min * hot_growth) : weight;
  slot->learnt = static_cast<float>(learnt + learns);
  slot->observed_min = static_cast<float>(observed_min);
  return score;
}

}  // namespace tidewaiter::detect
