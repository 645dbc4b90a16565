#include "detect/health.hpp"

#include <cmath>

#include "detect/words.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t block_ns = 15 * 60 * second_ns;
constexpr std::int64_t cool_ns = 4 * 3600 * second_ns;  // hot blocks so far apart are not one run
constexpr std::int64_t bar_ns = 3600 * second_ns;
constexpr std::int64_t tick_ns = 5 * second_ns;              // what happens within it happens at once
constexpr double ln2 = 0.6931471805599453;
constexpr double ns_per_min = 60e9, ns_per_ms = 1e6;
constexpr double slowest_half_life_min = 240;
constexpr std::array<double, 3> window_min = {15 / ln2, 60 / ln2, 240 / ln2};
constexpr double forget_half_life_min = 30 * 1440;
constexpr double others_events_max = 1e5;   // remembered of a role or tenant
constexpr double share_prior = 0.03, share_prior_events = 10, share_own_events = 50;
constexpr double share_min = 1e-6, share_max = 0.99;
constexpr double mean_own_events = 4, variance_prior = 1, variance_own_events = 20;
constexpr double variance_min = 0.04;         // however steady the app: a fifth more for a while is no trouble of its own
constexpr float winsor_spreads = 4;
constexpr double shock_failures = 5, shock_operations = 15;
constexpr double hot_growth = 2;            // what a hot block is learnt as at most, times what is usual
constexpr double dispersion_min = 1, dispersion_prior_blocks = 20, dispersion_share_min = 0.01, dispersion_winsor = 4;
constexpr double interesting_nats = 6, score_max = 1000;
constexpr double excess_prior = 2;          // of the tails
constexpr std::uint32_t warm_blocks = 30;
constexpr std::int64_t warm_age_s = 3 * 86'400;
constexpr double warm_events = 100;
constexpr double calibrated_days = 7;
constexpr double operations_min = 20, failures_min = 5, slower_min = 0.25;  // in a window; less does not matter, however rare
constexpr double told_again = 2.302585;     // a tenfold lower rate, about
constexpr std::string_view tail_names[Health::kinds] = {"errors", "latency"};

bool failed(std::uint64_t outcome) { return outcome != word::outcome("success"); }

bool is_known(std::uint64_t outcome) {
  return outcome != word::outcome("unknown") && outcome != word::outcome("pending");
}

/// What is left of weights after some minutes, per scale.
std::array<float, 3> decay(double elapsed_min) {
  const double x = elapsed_min * (ln2 / slowest_half_life_min);
  const auto slow = static_cast<float>(x < 0.03 ? 1 - x * (1 - x / 2 * (1 - x / 3)) : std::exp(-x));
  const float middle = slow * slow * slow * slow;
  return {middle * middle * middle * middle, middle, slow};
}

/// KL(a || b) of two shares.
double divergence(double a, double b) {
  return (a > 0 ? a * std::log(a / b) : 0) + (a < 1 ? (1 - a) * std::log((1 - a) / (1 - b)) : 0);
}

/// D of the header: n operations with mean m where `expected` is that of N.
double surprise(Health::Kind kind, double n, double m, double expected, double variance, double past) {
  if (m <= expected || past <= 0) return 0;
  if (kind == Health::Kind::latency) {
    const double t2 = (m - expected) * (m - expected) / (variance * (1 / n + 1 / past));
    return past / 2 * std::log1p(t2 / past);
  }
  m = std::min(m, 1.0);  // sums of many are not exact
  const double both = std::min((n * m + past * expected) / (n + past), 1.0);
  return n * divergence(m, both) + past * divergence(expected, both);
}

/// The mean whose surprise is `nats`.
double mean_at(double nats, Health::Kind kind, double n, double expected, double variance, double past) {
  double low = expected, high = kind == Health::Kind::errors ? 1 : expected + 20;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (surprise(kind, n, middle, expected, variance, past) < nats ? low : high) = middle;
  }
  return high;
}

}  // namespace

Health::Health(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over, double hot)
    : false_alerts_per_day_(false_alerts_per_day),
      handed_over_(handed_over),
      hot_(hot),
      apps_(memory_bytes * 3 / 4),
      roles_(memory_bytes * 3 / 16),
      tenants_(memory_bytes / 16),
      tails_(kinds, TailCalibrator(interesting_nats, excess_prior)) {
  for (std::size_t i = 0; i < kinds; ++i) tails_[i].set_name(tail_names[i]);
}

bool Health::asks(const EventKeys& keys, const Event& event) {
  return keys.app != 0 && (is_known(event.get(Num::outcome)) || event.get(Num::duration_ns) > 0);
}

void Health::prefetch(const EventKeys& keys, const Event& event) const {
  if (asks(keys, event)) apps_.prefetch(keys.app, 192);
}

void Health::observe(const EventKeys& keys, const Event& event, std::vector<Finding>& out) {
  if (!asks(keys, event)) return;
  const std::int64_t time_ns = event.time_ns();
  const auto [app, inserted] = apps_.find_or_insert(keys.app, keys.quota);
  if (inserted) app->role = keys.peers;
  Others& role = *roles_.find_or_insert(app->role, keys.quota).slot;
  Others& tenant = *tenants_.find_or_insert(keys.tenant, keys.quota).slot;
  const std::uint64_t outcome = event.get(Num::outcome), duration_ns = event.get(Num::duration_ns);
  if (is_known(outcome)) add(*app, {Kind::errors, time_ns, role, tenant}, failed(outcome) ? 1 : 0, out);
  if (duration_ns > 0)
    add(*app, {Kind::latency, time_ns, role, tenant}, static_cast<float>(std::log(static_cast<double>(duration_ns))), out);
}

void Health::advance(Window& window, std::int64_t time_ns, std::int64_t least_ns) {
  if (time_ns < window.last_ns + least_ns) return;
  const auto keep = decay(static_cast<double>(time_ns - window.last_ns) / ns_per_min);
  for (std::size_t i = 0; i < scales; ++i) {
    window.weight[i] *= keep[i];
    window.sum[i] *= keep[i];
  }
  window.last_ns = time_ns;
}

// Of a partition that is read later: what is left of it by now.
void Health::count(Window& window, std::int64_t time_ns, float weight, float value) {
  if (time_ns < window.last_ns) {
    const auto left = decay(static_cast<double>(window.last_ns - time_ns) / ns_per_min);
    for (std::size_t i = 0; i < scales; ++i) {
      window.weight[i] += left[i] * weight;
      window.sum[i] += left[i] * value;
    }
    return;
  }
  for (std::size_t i = 0; i < scales; ++i) {
    window.weight[i] += weight;
    window.sum[i] += value;
  }
}

void Health::begin(App& app, const Now& now, float value) {
  Gauge& gauge = gauge_of(app, now.kind);
  Past& past = past_of(app, now.kind);
  gauge.window.last_ns = now.time_ns;
  past.usual = static_cast<float>(dispersion_min);
  past.first_s = static_cast<std::uint32_t>(now.time_ns / second_ns);
  settle(gauge, past, now, double{value});
}

void Health::add(App& app, const Now& now, float value, std::vector<Finding>& out) {
  Gauge& gauge = gauge_of(app, now.kind);
  if (gauge.window.last_ns == 0) begin(app, now, value);
  const bool behind = now.time_ns < gauge.window.last_ns;
  const bool opens = !behind && now.time_ns / block_ns != gauge.window.last_ns / block_ns;
  if (opens) close_block(app, now);
  advance(gauge.window, now.time_ns, opens ? 0 : tick_ns);
  const bool of_errors = now.kind == Kind::errors;
  float excess = value - gauge.mean;
  if (!of_errors)
    if (const float variance = past_of(app, now.kind).variance; excess * excess > winsor_spreads * winsor_spreads * variance)
      excess = std::copysign(winsor_spreads * std::sqrt(variance), excess);
  for (Others* others : {&now.role, &now.tenant}) {
    Window& window = window_of(*others, now.kind);
    advance(window, now.time_ns, tick_ns);
    count(window, now.time_ns, of_errors ? gauge.mean : 1, of_errors ? value : excess);
  }
  count(gauge.window, now.time_ns, 1, excess);
  gauge.block_events += 1;
  gauge.block_sum += excess;
  gauge.block_squares += excess * excess;
  if (behind || (of_errors && value == 0)) return;  // no news, and a success raises no share
  Past& past = past_of(app, now.kind);
  const Standing at = stand(gauge, past, now);
  if (at.score >= interesting_nats && at.score >= bar(now.kind, now.time_ns)) tell(gauge, past, at, now, out);
}

double Health::shock(const Gauge& gauge, const Past& past, const Now& now, std::size_t scale) {
  const double n = double{gauge.window.weight[scale]}, sum = double{gauge.window.sum[scale]}, mean = double{gauge.mean};
  double most = now.kind == Kind::errors ? 1 : 0;
  for (Others* others : {&now.role, &now.tenant}) {
    const Window& window = window_of(*others, now.kind);
    if (now.kind == Kind::errors) {
      const double usually = std::max(0.0, double{window.weight[scale]} - n * mean);
      const double surely = double{window.sum[scale]} - (n * mean + sum) - std::sqrt(usually);  // what chance brings is no shock
      most = std::max(most, (surely + shock_failures) / (usually + shock_failures));
    } else {
      const double operations = std::max(0.0, double{window.weight[scale]} - n);
      const double surely = double{window.sum[scale]} - sum - std::sqrt(double{past.variance} * operations);
      most = std::max(most, surely / (operations + shock_operations));
    }
  }
  return most;
}

Health::Standing Health::stand(const Gauge& gauge, Past& past, const Now& now) const {
  const double usual = double{past.usual}, events = double{past.level.events}, variance = double{past.variance};
  // Below this a surprise is neither the largest of its block nor hot.
  const double enough = std::min(double{past.top}, interesting_nats * usual);
  Standing best;
  double top = 0;
  for (std::size_t i = first_scale_; i < end_scale_; ++i) {
    const double n = double{gauge.window.weight[i]}, sum = double{gauge.window.sum[i]};
    if (sum <= 0) continue;
    if (now.kind == Kind::latency && sum * sum <= 2 * variance * enough * n) continue;  // D <= t^2 / 2
    const double mean = double{gauge.mean}, beyond = sum / n, common = shock(gauge, past, now, i);
    const double expected = now.kind == Kind::errors ? std::min(mean * common, share_max) : mean + common;
    const double nats = surprise(now.kind, n, mean + beyond, expected, variance, events);
    if (nats <= top) continue;
    top = nats;
    best = {std::min(nats / usual, score_max), i, common, usual};
  }
  past.top = std::max(past.top, static_cast<float>(top));
  return best;
}

void Health::learn(Level& level, double keep, double events, double mean, double variance) {
  const double before = double{level.events} * keep, all = before + events;
  const double step = mean - double{level.mean};
  level.variance = static_cast<float>((before * double{level.variance} + events * variance + step * step * before * events / all) / all);
  level.mean += static_cast<float>(step * events / all);
  level.events = static_cast<float>(all);
}

void Health::close_block(App& app, const Now& now) {
  Gauge& gauge = gauge_of(app, now.kind);
  Past& past = past_of(app, now.kind);
  const double score = std::min(double{past.top} / double{past.usual}, score_max);
  if (now.time_ns - gauge.window.last_ns >= cool_ns) past.counted = past.told = 0;
  learn_run(past, now, score);

  const double events = double{gauge.block_events};
  double beyond = double{gauge.block_sum} / events;
  const double variance = std::max(0.0, double{gauge.block_squares} / events - beyond * beyond);
  if (winsorising_ && score >= interesting_nats)
    beyond = std::min(beyond, now.kind == Kind::errors ? (hot_growth - 1) * double{gauge.mean} : std::log(hot_growth));
  const auto blocks = static_cast<double>(now.time_ns / block_ns - gauge.window.last_ns / block_ns);
  const double keep = std::exp2(-blocks * (block_ns / ns_per_min) / forget_half_life_min), mean = double{gauge.mean} + beyond;
  learn(past.level, keep, events, mean, variance);
  for (Others* others : {&now.role, &now.tenant}) {
    Level& level = level_of(*others, now.kind);
    learn(level, std::min(1.0, others_events_max / std::max(double{level.events}, 1.0)), events, mean, variance);
  }
  const double share = std::max(1 / (past.blocks + dispersion_prior_blocks), dispersion_share_min);
  const double most = winsorising_ ? dispersion_winsor * double{past.usual} : score_max;
  past.usual = static_cast<float>(
      std::max(double{past.usual} + share * (std::min(double{past.top}, most) - double{past.usual}), dispersion_min));
  past.top = 0;
  ++past.blocks;
  gauge.block_events = gauge.block_sum = gauge.block_squares = 0;
  settle(gauge, past, now, double{gauge.mean});
}

void Health::learn_run(Past& past, const Now& now, double score) {
  const bool warm = past.blocks >= warm_blocks && now.time_ns / second_ns - std::int64_t{past.first_s} >= warm_age_s;
  if (score < interesting_nats) past.counted = past.told = 0;
  if (!warm) return;
  TailCalibrator& tail = tails_[static_cast<std::size_t>(now.kind)];
  if (score < interesting_nats) return tail.learn_ordinary(now.time_ns);
  const double hot_max = rate_max() * hot_;
  const double most = winsorising_ && tail.rate_per_day(score) < hot_max ? tail.bar(score, hot_max) : score;
  if (past.counted == 0)
    tail.learn(most, now.time_ns, 1, score);
  else if (most > double{past.counted})
    tail.raise(double{past.counted}, most);
  past.counted = std::max(past.counted, static_cast<float>(most));
}

void Health::settle(Gauge& gauge, Past& past, const Now& now, double first) const {
  const auto drawn = [](const Level& level, double to, double weight) {
    return (double{level.events} * double{level.mean} + weight * to) / (double{level.events} + weight);
  };
  const Level none{}, &role = pooling_ ? level_of(now.role, now.kind) : none, &tenant = pooling_ ? level_of(now.tenant, now.kind) : none;
  double mean = 0;
  if (now.kind == Kind::errors) {
    mean = drawn(past.level, drawn(role, drawn(tenant, share_prior, share_prior_events), share_own_events), share_own_events);
    mean = std::clamp(mean, share_min, share_max);
  } else {
    const double parent = drawn(role, tenant.events > 0 ? double{tenant.mean} : first, mean_own_events);
    mean = drawn(past.level, parent, mean_own_events);
    const auto spread = [](const Level& level, double to) {
      return (double{level.events} * double{level.variance} + variance_own_events * to) / (double{level.events} + variance_own_events);
    };
    past.variance = static_cast<float>(std::max(spread(past.level, spread(role, variance_prior)), variance_min));
  }
  // Sums are of what lies beyond the mean.
  const auto moved = static_cast<float>(mean) - gauge.mean;
  for (std::size_t i = 0; i < scales; ++i) gauge.window.sum[i] -= moved * gauge.window.weight[i];
  gauge.mean = static_cast<float>(mean);
}

double Health::bar(Kind kind, std::int64_t time_ns) {
  const auto at = static_cast<std::size_t>(kind);
  if (time_ns < bars_until_ns_[at] && time_ns > bars_until_ns_[at] - 2 * bar_ns) return bars_[at];
  bars_until_ns_[at] = time_ns + bar_ns;
  return bars_[at] = tails_[at].least_of_rate(rate_max() * handed_over_, interesting_nats, score_max);
}

bool Health::worth_telling(const Gauge& gauge, const Past& past, const Standing& at, const Now& now) const {
  const TailCalibrator& tail = calibrator(now.kind);
  if (tail.days() < calibrated_days || past.blocks < warm_blocks || double{past.level.events} < warm_events) return false;
  if (now.time_ns / second_ns - std::int64_t{past.first_s} < warm_age_s) return false;
  const double n = double{gauge.window.weight[at.scale]}, mean = double{gauge.mean} + double{gauge.window.sum[at.scale]} / n;
  const double least = now.kind == Kind::errors ? n * mean / failures_min : std::expm1(mean - double{gauge.mean} - at.shock) / slower_min;
  if (n < operations_min || least < 1) return false;
  const double told = double{past.told};
  if (told == 0 || at.score >= told + told_again) return true;
  return at.score > told && tail.rate_per_day(told) >= rate_max() && tail.rate_per_day(at.score) < rate_max();
}

void Health::tell(const Gauge& gauge, Past& past, const Standing& at, const Now& now, std::vector<Finding>& out) {
  if (!worth_telling(gauge, past, at, now)) return;
  past.told = static_cast<float>(at.score);
  const TailCalibrator& tail = calibrator(now.kind);
  const bool of_errors = now.kind == Kind::errors;
  const double n = double{gauge.window.weight[at.scale]}, usual = double{gauge.mean};
  const double expected = of_errors ? std::min(usual * at.shock, share_max) : usual + at.shock;
  const double observed = usual + double{gauge.window.sum[at.scale]} / n, variance = double{past.variance};
  const auto shown = [&](double mean) { return of_errors ? mean : std::exp(mean) / ns_per_ms; };
  const auto at_nats = [&](double score) {
    return mean_at(score * at.dispersion, now.kind, n, expected, variance, double{past.level.events});
  };
  const double least = at_nats(tail.bar(at.score, rate_max()));
  Finding& finding = out.emplace_back();
  finding.kind = now.kind;
  finding.window_min = window_min[at.scale];
  finding.operations = n;
  finding.observed = shown(observed);
  finding.expected = shown(expected);
  finding.upper = shown(at_nats(std::log(100)));
  finding.not_below = shown(std::min(of_errors ? std::max(least, failures_min / n) : least, observed));
  finding.usual = shown(usual);
  finding.shock = of_errors ? at.shock : std::exp(at.shock);
  finding.spread = of_errors ? 0 : std::sqrt(variance);
  finding.dispersion = at.dispersion;
  finding.score = at.score;
  finding.rate_per_day = tail.rate_per_day(at.score);
  finding.bar_per_day = rate_max();
  finding.p_value = tail.p_value(at.score);
  finding.calibration = tail.state_at(at.score);
  finding.baseline_events = double{past.level.events};
  finding.baseline_blocks = past.blocks;
  finding.first_ns = std::int64_t{past.first_s} * second_ns;
}

void Health::ablate(const Ablation& parts) {
  for (TailCalibrator& tail : tails_) tail.ablate(parts);
  winsorising_ = parts.winsorising;
  pooling_ = parts.hierarchy;
  if (!parts.scales) {
    first_scale_ = scales / 2;
    end_scale_ = first_scale_ + 1;
  }
}

void Health::save(SnapshotWriter& out) const {
  apps_.save(out);
  roles_.save(out);
  tenants_.save(out);
  for (const TailCalibrator& tail : tails_) tail.save(out);
  out.put(bars_);
  out.put(bars_until_ns_);
}

bool Health::load(SnapshotReader& in) {
  if (!apps_.load(in) || !roles_.load(in) || !tenants_.load(in)) return false;
  for (TailCalibrator& tail : tails_) tail.load(in);
  bars_ = in.get<decltype(bars_)>();
  bars_until_ns_ = in.get<decltype(bars_until_ns_)>();
  return in.ok();
}

}  // namespace tidewaiter::detect
