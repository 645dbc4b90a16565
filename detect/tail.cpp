#include "detect/tail.hpp"

#include <algorithm>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double ns_per_day = 86'400e9;
constexpr double half_life_days = 28;
constexpr double sweep_days = 0.25;
constexpr double incident_per_day = 0.05;
constexpr double settled_days = 7;  // of history, before p-values are held against what comes

}  // namespace

void TailCalibrator::advance(std::int64_t time_ns) {
  if (last_ns_ == 0) last_ns_ = time_ns;
  if (time_ns <= last_ns_) return;
  pending_days_ += static_cast<double>(time_ns - last_ns_) / ns_per_day;
  last_ns_ = time_ns;
  if (pending_days_ < sweep_days) return;
  const double keep = std::exp2(-pending_days_ / half_life_days);
  for (float& count : counts_) count = static_cast<float>(count * keep);
  stale_ = true;
  weights_ *= keep;
  squares_ *= keep;
  days_ = days_ * keep + pending_days_;
  pending_days_ = 0;
  const bool settled = days_ >= settled_days;
  pit_.settle(settled ? p_value(floor_nats_) : 0);
  correction_.settle(settled ? tail_p_value(floor_nats_) : 0, keep);
}

std::size_t TailCalibrator::bin_of(double score) {
  return static_cast<std::size_t>(std::clamp(score / bin_nats, 0.0, static_cast<double>(bins - 1)));
}

// `before`: what it was noted as, 0 = not yet.
void TailCalibrator::note(double score, double weight, double before) {
  pit_.note(p_value(score), weight, before > 0 ? p_value(before) : 1);
  // What is so rare may be an incident, and tells nothing of how p-values hold on ordinary days.
  const double rate = tail_rate(score);
  if (rate >= incident_per_day) correction_.note(p_of_rate(rate), 1, before > 0 ? tail_p_value(before) : 1);
}

void TailCalibrator::raise(double from, double to) {
  const std::size_t low = bin_of(from), high = bin_of(to);
  if (high <= low) return;
  note(to, 1, from);
  const float moved = std::min(counts_[low], 1.0f);  // it has decayed a little since
  counts_[low] -= moved;
  counts_[high] += moved;
  changed(high);
}

void TailCalibrator::learn(double score, std::int64_t time_ns, float weight, double seen) {
  advance(time_ns);
  pit_.test(double{weight});
  correction_.test(1);  // however many it stands for, it is one piece of evidence
  if (const double highest = std::max(score, seen); highest >= floor_nats_) note(highest, double{weight}, 0);
  counts_[bin_of(score)] += weight;
  changed(bin_of(score));
  if (score < floor_nats_) return;
  weights_ += double{weight};
  squares_ += double{weight} * double{weight};
}

/// Ten that one stands for are one piece of evidence: the effective sample size (Kish 1965) over the sum of weights.
double TailCalibrator::independent_share() const { return squares_ > 0 ? weights_ / squares_ : 1; }

void TailCalibrator::learn_ordinary(std::int64_t time_ns, float count) {
  advance(time_ns);
  pit_.test(double{count});
  correction_.test(1);
  counts_[0] += count;
  shape_.above[0] = shape_.above[1] + double{counts_[0]};  // nothing else of it
}

double TailCalibrator::tests() const { return above(0); }

double TailCalibrator::p_of_rate(double rate_per_day) const {
  return std::min(1.0, rate_per_day * std::max(days_ + pending_days_, 1.0) / std::max(tests(), 1.0));
}

double TailCalibrator::tail_p_value(double score) const { return p_of_rate(tail_rate(score)); }

double TailCalibrator::rate_per_day(double score) const {
  const double rate = tail_rate(score);
  return rate * factor(p_of_rate(rate));
}

double TailCalibrator::p_value(double score) const {
  const double p = tail_p_value(score);
  return std::min(1.0, p * factor(p));
}

CalibrationState TailCalibrator::state_at(double score) const {
  const double p = tail_p_value(score), corrected_by = factor(p);
  CalibrationState state{name_, 0, 0, 0, corrected_by};
  for (std::size_t i = 0; i < Pit::levels.size() && (state.level == 0 || Pit::levels[i] >= p * corrected_by); ++i)
    if (const Pit::Level& level = pit_.counts()[i]; level.expected >= (state.level == 0 ? 1e-9 : 1.0))
      state = {name_, Pit::levels[i], level.seen, level.expected, corrected_by};
  return state;
}

void TailCalibrator::reshape() const {
  constexpr double enough = 10;          // scores above the threshold of the fit
  constexpr double prior_weight = 6;     // excesses that the prior is worth
  Shape& to = shape_;
  for (std::size_t i = end_; i-- > 0;) to.above[i] = to.above[i + 1] + double{counts_[i]};
  to.share = independent_share();
  const auto floor = static_cast<std::size_t>(floor_nats_ / bin_nats);
  std::size_t threshold = std::max(end_, floor);
  while (threshold > floor && to.above[threshold] * to.share < enough) --threshold;
  to.start = static_cast<double>(threshold) * bin_nats;
  to.count = to.above[threshold];
  double sum = prior_weight * prior_excess_, squares = prior_weight * 2 * prior_excess_ * prior_excess_;
  double weight = prior_weight;
  for (std::size_t i = threshold; i < end_; ++i) {
    const double excess = (static_cast<double>(i - threshold) + 0.5) * bin_nats;
    const double evidence = counts_[i] * to.share;
    weight += evidence;
    sum += evidence * excess;
    squares += evidence * excess * excess;
  }
  const double mean = sum / weight;
  const double variance = std::max(squares / weight - mean * mean, 1e-6);
  to.xi = std::clamp(0.5 * (1 - mean * mean / variance), 0.0, 0.2);
  to.scale = mean * (1 - to.xi);
  stale_ = false;
}

double TailCalibrator::tail_rate(double score) const {
  const double days = std::max(days_ + pending_days_, 1.0);
  if (!calibrated_) return tests() / days * std::exp(-score);
  const Shape& tail = shape();
  if (score <= tail.start) {
    // Within its bin a score has left behind the part of it that lies below, as an exponential law has it.
    const double at = std::max(score, 0.0) / bin_nats;
    const auto bin = std::min(static_cast<std::size_t>(at), bins - 1);
    const double beyond = above(bin + 1) + 0.5 / tail.share, passed = tied_ ? 0 : at - static_cast<double>(bin);
    return beyond * std::pow((beyond + double{counts_[bin]}) / beyond, 1 - passed) / days;
  }
  const double beyond = (score - tail.start) / tail.scale;
  const double survival = tail.xi < 1e-3 ? std::exp(-beyond) : std::pow(1 + tail.xi * beyond, -1 / tail.xi);
  return (tail.count + 0.5 / tail.share) / days * survival;
}

double TailCalibrator::bar(double score, double rate_max) const {
  while (score > floor_nats_ && rate_per_day(score - bin_nats) < rate_max) score -= bin_nats;
  return score;
}

double TailCalibrator::least_of_rate(double rate_max, double from, double to) const {
  // Rates fall with the score: bisection over bins.
  auto low = std::int64_t{0}, high = static_cast<std::int64_t>(std::ceil((to - from) / bin_nats));
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (rate_per_day(from + static_cast<double>(middle) * bin_nats) > rate_max)
      low = middle + 1;
    else
      high = middle;
  }
  return from + static_cast<double>(low) * bin_nats;
}

void TailCalibrator::save(SnapshotWriter& out) const {
  out.put(counts_);
  out.put(weights_);
  out.put(squares_);
  out.put(days_);
  out.put(pending_days_);
  out.put(last_ns_);
  out.put(pit_);
  out.put(correction_);
}

void TailCalibrator::load(SnapshotReader& in) {
  counts_ = in.get<decltype(counts_)>();
  for (std::size_t bin = 0; bin < bins; ++bin)
    if (counts_[bin] != 0) changed(bin);
  weights_ = in.get<double>();
  squares_ = in.get<double>();
  days_ = in.get<double>();
  pending_days_ = in.get<double>();
  last_ns_ = in.get<std::int64_t>();
  pit_ = in.get<Pit>();
  correction_ = in.get<Correction>();
}

}  // namespace tidewaiter::detect
