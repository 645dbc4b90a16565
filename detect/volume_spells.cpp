// Volume: windows that are more than usual together and not one by one: days of a ramp, a stretch of 5-minute windows.
#include <algorithm>
#include <cmath>

#include "detect/volume.hpp"
#include "detect/volume_model.hpp"

namespace tidewaiter::detect {
namespace {

using namespace volume_model;

constexpr double regular_spread = 0.5, regular_activity = 0.6;
constexpr double rest_nats = -0.7;  // on a day of rest what little is sent tells nothing of the level
constexpr double run_steps_per_nat = 64;
constexpr double high_prior_nats = 20;   // that say that others have nothing in common
constexpr double high_usual_winsor = 5;  // of one pair, in what others have in common

}  // namespace

bool Volume::judge_ramp(const Window& window, const Judged& judged, Series& series, const Expectation& expected,
                        const Standing& at, bool told, std::vector<Finding>& out) {
  const Scale& own = series.scale[day_scale];
  if (window.kind == SeriesKind::app || own.windows < warm_windows[day_scale] || rests(judged, at)) return false;
  const double r = at.x - at.season - double{own.level} - at.common, days = double{own.windows};
  const Ramp until_now = series.ramp;
  const double spread = until_now.spread_after(days);
  const Highs highs = add_highs(window, judged, series);
  const double score = until_now.score(r, days) + highs.score;
  series.ramp.learn(r, days);
  const bool regular = spread <= regular_spread && at.active >= regular_activity;
  const std::size_t ramp_class = window.kind == SeriesKind::principal ? 0 : regular ? 1 : 2;
  TailCalibrator& tail = tails_[ramp_tail + ramp_class];
  const std::int64_t end_ns = window.end_s() * second_ns;
  if (score < interesting_nats) series.ramp_run = 0;
  if (score < interesting_nats || r < spread || told || static_cast<double>(window.net_bytes()) < bytes_min_) {
    tail.learn_ordinary(end_ns);
    return false;
  }
  const double rate_max = false_alerts_per_day_ * ramp_share[ramp_class];
  const double before = double{series.ramp_run};
  const Rarity rare = rarity(tail, score, rate_max, series.ramp_run, end_ns);
  if (score <= before || rare.rate >= rate_max * handed_over_) return false;
  Finding& finding = out.emplace_back(find(window, expected, at, rare.bar));
  const double base = double{own.level} + at.season + at.common;
  finding.ramp = true;
  finding.high_nats = highs.nats;
  finding.high_expected = highs.expected;
  finding.high_score = highs.score;
  weigh(finding, tail, score, rare, rate_max);
  finding.expected = std::expm1(base);
  finding.upper = std::max(finding.expected, std::expm1(base + 2.33 * spread));
  finding.shock = std::exp(at.common);
  const double least = std::expm1(base + std::max(spread, until_now.residual_at(rare.bar - highs.score, days)));
  finding.not_below = std::min(std::max(least, bytes_min_), static_cast<double>(window.net_bytes()));
  if (rare.rate >= rate_max) return false;
  series.ramp.restart();
  series.highs.restart();
  series.ramp_run = 0;
  return rare.rate < rate_max * hot_;
}

Volume::Highs Volume::add_highs(const Window& window, const Judged& judged, Series& series) const {
  if (window.kind != SeriesKind::pair) return {};
  const double nats = double{window.high_nats};
  const double expected = series.highs.usual() * high_factor_of_others(judged);
  const double sum = series.highs.sum(nats, expected);
  series.highs.keep(sum);
  return {nats, expected, HighDays::weight(sum)};
}

void Volume::count_highs(Judged& judged, const Window& window, const Series& series, RoleSum& role) {
  const Key key = combine(window.role, window.principal);
  judged.high_of = highs_index_.find(key);
  if (judged.high_of == KeyIndex::none) {
    judged.high_of = static_cast<std::uint32_t>(highs_.size());
    highs_.emplace_back();
    highs_index_.insert(key, judged.high_of);
  }
  if (series.scale[day_scale].windows < warm_windows[day_scale]) return;
  const double usual = series.highs.usual();
  const double nats = std::min(double{window.high_nats}, high_usual_winsor * (usual + 1));
  for (HighSum* sum : {&highs_[judged.high_of], &role.highs}) {
    sum->nats += nats;
    sum->usual += usual;
  }
}

double Volume::high_factor_of_others(const Judged& judged) const {
  const HighSum &all = sums_[judged.role].highs, &own = highs_[judged.high_of];
  return std::max(1.0, (high_prior_nats + all.nats - own.nats) / (high_prior_nats + all.usual - own.usual));
}

bool Volume::rests(const Judged& judged, const Standing& at) { return judged.season + at.common < rest_nats; }

// Looks through the whole group: only a window in some thousands asks. One principal of many pairs is one word.
double Volume::shock_of_others(const Judged& judged, const Window& window, std::size_t scale) {
  others_.clear();
  for (const Judged& other : judged_)
    if (other.role == judged.role && other.deviation != 0)
      if (const Key principal = windows_.at(other.slot).principal; principal != window.principal)
        others_.emplace_back(principal, other.deviation);
  std::ranges::sort(others_);
  double sum = 0, principals = 0;
  for (auto first = others_.begin(); first != others_.end();) {
    const auto last = std::find_if(first, others_.end(), [&](const auto& other) { return other.first != first->first; });
    double deviations = 0;
    for (auto other = first; other != last; ++other) deviations += other->second;
    sum += deviations / static_cast<double>(last - first);
    ++principals;
    first = last;
  }
  return principals <= shock_members ? 0 : std::max(0.0, sum / (principals + shock_shrink[scale]));
}

bool Volume::judge_stretch(const Window& window, const Judged& judged, Series& series, const Expectation& expected,
                           const Standing& at, bool told, std::vector<Finding>& out) {
  TailCalibrator& tail = tails_[stretch_tail];
  double score = double{window.high_nats}, shock = 0;
  if (score > stretch_nats) {
    shock = shock_of_others(judged, window, hour_scale);
    score -= window.high_windows * shock / std::max(double{series.scale[0].excess}, excess_min[0]);
  }
  const std::int64_t end_ns = window.end_s() * second_ns;
  if (score <= stretch_nats) series.stretch_run = 0;
  if (score <= stretch_nats || told || static_cast<double>(window.net_bytes()) < bytes_min_) {
    tail.learn_ordinary(end_ns);
    return false;
  }
  const double rate_max = false_alerts_per_day_ * stretch_share;
  float run = static_cast<float>(series.stretch_run / run_steps_per_nat);
  const double before = double{run};
  const Rarity rare = rarity(tail, score, rate_max, run, end_ns);
  series.stretch_run = static_cast<std::uint16_t>(std::min(double{run} * run_steps_per_nat, 65535.0));
  if (score <= before || rare.rate >= rate_max * handed_over_) return false;
  Finding& finding = out.emplace_back(find(window, expected, at, rare.bar));
  finding.stretch = true;
  weigh(finding, tail, score, rare, rate_max);
  finding.shock = std::exp(shock);
  // Were all of its windows smaller by one factor, each would score less by the factor's logarithm over the excess.
  const double excess = std::max(double{series.scale[0].excess}, excess_min[0]);
  const double less = (score - std::min(rare.bar, score)) * excess / window.high_windows;
  finding.not_below = std::max(static_cast<double>(window.net_bytes()) * std::exp(-less), bytes_min_);
  if (rare.rate >= rate_max * hot_) return false;
  explain_usual_away(window, std::expm1(expected.quantile + at.season + at.shock));
  return true;
}

}  // namespace tidewaiter::detect
