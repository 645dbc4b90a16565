#include "detect/surge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "detect/words.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t agent_type = word::principal_type("agent");
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t block_ns = 15 * 60 * second_ns;
constexpr std::int64_t cool_ns = 60 * 60 * second_ns;  // blocks so far apart are not one surge
constexpr double ns_per_min = 60e9;
constexpr double forget_half_life_min = 30 * 1440;
constexpr double prior_events = 0.3, prior_rate = 0.03;
constexpr double usual_prior = 3, usual_prior_blocks = 20, usual_share_min = 0.01;
constexpr float excess_prior_events = 1;
constexpr double excess_prior_weight = 20, excess_share_min = 0.001, excess_winsor = 4;
constexpr double usual_winsor = 4;
constexpr double interesting_nats = 6;
constexpr double hot_growth = 2;
constexpr double score_max = 1000;  // nats; fixed-point numbers hold as much
constexpr std::uint16_t warm_blocks = 30;
constexpr std::int64_t warm_age_s = 3 * 86'400;
constexpr double calibrated_days = 7;
constexpr double excess_prior = 2;
// Of the false alerts, by kind: busy and sparse agents, busy and sparse others. Pipelines and services are bursty by trade
// and get little.
constexpr std::array<double, Surge::kinds * 4> budget_share = {0.5,  0.12, 0.01, 0.01, 0.06, 0.05, 0.01, 0.01,
                                                               0.03, 0.02, 0.01, 0.01, 0.05, 0.05,  0.01, 0.01};
constexpr std::string_view tail_names[Surge::kinds * 4] = {
    "principal_agent_busy", "principal_agent_sparse", "principal_other_busy", "principal_other_sparse",
    "action_agent_busy", "action_agent_sparse", "action_other_busy", "action_other_sparse",
    "app_agent_busy", "app_agent_sparse", "app_other_busy", "app_other_sparse",
    "fan_out_agent_busy", "fan_out_agent_sparse", "fan_out_other_busy", "fan_out_other_sparse"};
constexpr double busy_per_min = 0.25;
// In a window; fewer are too few to matter, however rare.
constexpr std::array<double, Surge::kinds> count_min = {8, 8, 8, 4};
constexpr double told_again = 2.302585;  // a tenfold lower rate, about
constexpr double fixed_top = 64, fixed_usual = 256;

std::uint16_t to_fixed(double nats, double unit) { return static_cast<std::uint16_t>(std::clamp(nats * unit, 0.0, 65535.0)); }

double surprise(double count, double expected, double events) {
  const double x = 2 * count, m = 2 * expected;
  if (x <= m) return 0;
  return x * std::log(x / m) - (x + events) * std::log((x + events) / (m + events));
}

/// The count whose surprise is `nats`.
double count_at(double nats, double expected, double events) {
  double low = expected, high = expected + 1;
  while (surprise(high, expected, events) < nats && high < 1e9) high *= 2;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (surprise(middle, expected, events) < nats ? low : high) = middle;
  }
  return high;
}

}  // namespace

Surge::Surge(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over, double hot)
    : false_alerts_per_day_(false_alerts_per_day),
      handed_over_(handed_over),
      hot_(hot),
      slots_(memory_bytes * 5 / 8),
      own_hours_(memory_bytes / 8),
      clock_(memory_bytes / 4),
      tails_(tails, TailCalibrator(interesting_nats, excess_prior)) {
  for (std::size_t i = 0; i < tails; ++i) tails_[i].set_name(tail_names[i]);
}

namespace {

Key action_key(const EventKeys& keys, const Event& event) { return combine(keys.principal, 0xac700 | event.get(Num::action)); }
Key app_key(const EventKeys& keys) { return combine(combine(keys.app, 0xa99), keys.role); }
Key fan_out_key(const EventKeys& keys) { return combine(keys.principal, 0xfa400); }

}  // namespace

void Surge::prefetch(const EventKeys& keys, const Event& event) const {
  if (!asks(keys)) return;
  clock_.prefetch(keys.role);
  slots_.prefetch(keys.principal);
  own_hours_.prefetch(keys.principal);
  slots_.prefetch(action_key(keys, event));
  if (keys.app != 0) slots_.prefetch(app_key(keys));
}

void Surge::observe(const EventKeys& keys, const Event& event, bool new_edge, std::vector<Finding>& out) {
  if (!asks(keys)) return;
  const std::int64_t time_ns = event.time_ns();
  RoleClock::Role& role = clock_.at(keys.role, keys.quota, time_ns);
  const bool agent = event.get(Num::principal_type) == agent_type;
  const Now now{role, time_ns, role.season(time_ns), agent, keys.quota};
  bool hot = count(Kind::principal, keys.principal, now, false, out);
  hot = count(Kind::action, action_key(keys, event), now, hot, out) || hot;
  if (new_edge) count(Kind::fan_out, fan_out_key(keys), now, false, out);
  if (keys.app != 0 && !hot) count(Kind::app, app_key(keys), now, false, out);
  RoleClock::count(role, time_ns);
}

bool Surge::count(Kind kind, Key key, const Now& now, bool quiet, std::vector<Finding>& out) {
  const std::int64_t time_ns = now.time_ns;
  const auto [slot, inserted] = slots_.find_or_insert(key, now.quota);
  if (inserted) {
    slot->last_ns = time_ns;
    slot->first_s = static_cast<std::uint32_t>(time_ns / second_ns);
    slot->usual = to_fixed(usual_prior, fixed_usual);
    for (float& excess : slot->excess) excess = excess_prior_events;
  }
  const double rate_before = rate_of(*slot);
  const std::size_t tail = tail_of(kind, now.agents, rate_before >= busy_per_min);
  double busy_min = 0;
  if (time_ns > slot->last_ns) {
    if (time_ns / block_ns != slot->last_ns / block_ns) {
      if (kind == Kind::principal && rate_before >= busy_per_min) learn_hour(*slot, rate_before, now.season);
      close_block(tail, *slot, time_ns);
    }
    const double elapsed_min = static_cast<double>(time_ns - slot->last_ns) / ns_per_min;
    const auto keep = rate_decay(elapsed_min);
    for (std::size_t i = 0; i < scales; ++i) slot->counts[i] *= keep[i];
    busy_min = elapsed_min < 10 ? elapsed_min * now.season : now.role.busy_min(slot->last_ns, time_ns);
    const auto kept = static_cast<float>(elapsed_min < 10 ? 1 - elapsed_min * 0.6931471805599453 / forget_half_life_min
                                                          : std::exp2(-elapsed_min / forget_half_life_min));
    slot->learnt *= kept;
    slot->busy_min = slot->busy_min * kept + static_cast<float>(busy_min);
    slot->last_ns = time_ns;
  }
  if (time_ns < slot->last_ns) {  // of a partition that is read later: what is left of it by now, which is no news
    const auto left = rate_decay(static_cast<double>(slot->last_ns - time_ns) / ns_per_min);
    for (std::size_t i = 0; i < scales; ++i) slot->counts[i] += left[i];
    slot->learnt += 1;
    return false;
  }
  const double rate = rate_of(*slot);
  const Standing at = stand(kind, *slot, now, rate);
  const bool hot = at.score >= interesting_nats;
  if (hot && !quiet && at.score >= bar(tail, time_ns)) tell(kind, tail, *slot, at, rate, now, out);
  for (float& count : slot->counts) count += 1;
  slot->learnt += static_cast<float>(hot && winsorising_ ? std::min(1.0, hot_growth * rate * busy_min) : 1.0);
  return hot;
}

double Surge::rate_of(const Slot& slot) {
  return (double{slot.learnt} + prior_events) / (double{slot.busy_min} + prior_events / prior_rate);
}

/// What a block has taught of the hour that it was in.
void Surge::learn_hour(const Slot& slot, double rate, double season) {
  constexpr std::size_t scale = 2;
  const double most = winsorising_ ? hot_growth * rate * std::max(season, 1.0) : std::numeric_limits<double>::infinity();
  own_hours_.learn(slot.key, slot.quota, slot.last_ns, double{slot.counts[scale]} / rate_window_min[scale], most);
}

Surge::Standing Surge::stand(Kind kind, Slot& slot, const Now& now, double rate) const {
  const double season = std::max(now.season, 1.0);
  const Scales own = scales_of(slot.counts), as_role = rate * season * rate_windows_min;
  Scales usual = as_role;
  if (kind == Kind::principal && rate >= busy_per_min) usual = at_own_hours(slot.key, now.time_ns, own, usual);
  // Without branches: which scales are above what is usual changes from event to event.
  const Scales shock = own > usual ? now.role.shock(own, as_role) : 1.0 + Scales{};
  const Scales expected = usual * shock, beyond = own - expected;
  const Scales dispersion = 1 + 2 * at_least(scales_of(slot.excess), 0);
  // x ln(x / M) - (x - M) <= (x - M)^2 / M: most events need no logarithm.
  const Scales at_most = own <= expected + 1 ? Scales{} : 2 * beyond * beyond / (expected * dispersion);
  learn_excess(slot, beyond);
  // Below this a surprise is neither the largest of its block nor hot.
  const double enough = std::min(slot.top / fixed_top, interesting_nats / usual_prior * slot.usual / fixed_usual);
  Standing best;
  double top = 0;
  for (std::size_t i = first_scale_; i < end_scale_; ++i) {
    if (at_most[i] <= enough) continue;
    const double nats = surprise(own[i], expected[i], double{slot.learnt} + prior_events) / dispersion[i];
    if (nats <= top) continue;
    top = nats;
    best = {usual_prior * nats * fixed_usual / slot.usual, i, own[i], expected[i], shock[i],
            usual[i] / (rate * rate_window_min[i]), dispersion[i]};
  }
  slot.top = std::max(slot.top, to_fixed(top, fixed_top));
  return best;
}

/// Where it is above what is usual, a busy key is held against its own hours, too.
Scales Surge::at_own_hours(Key key, std::int64_t time_ns, const Scales& own, const Scales& usual) const {
  const auto above = own > usual;
  if (!(above[0] | above[1] | above[2])) return usual;
  const auto hours = own_hours_.per_min(key, time_ns);
  const Scales by_hours = Scales{hours[0], hours[1], hours[2]} * rate_windows_min;
  return above && usual < by_hours ? by_hours : usual;
}

void Surge::learn_excess(Slot& slot, const Scales& beyond) {
  const double share = std::max(1 / (double{slot.learnt} + excess_prior_weight), excess_share_min);
  const Scales excess = scales_of(slot.excess), reach = excess_winsor * (excess + 1);
  const Scales below = beyond > reach ? reach : beyond, learns = below < -reach ? -reach : below;
  const Scales step = share * (learns - excess);
  for (std::size_t i = 0; i < scales; ++i) slot.excess[i] += static_cast<float>(step[i]);
}

void Surge::close_block(std::size_t at, Slot& slot, std::int64_t time_ns) {
  TailCalibrator& tail = tails_[at];
  const double top = slot.top / fixed_top, usual = slot.usual / fixed_usual;
  const double score = usual_prior * top / usual;
  const double share = std::max(1.0 / (slot.blocks + usual_prior_blocks), usual_share_min);
  const double learns = winsorising_ ? std::min(top, usual_winsor * usual) : top;
  slot.usual = to_fixed(std::max(usual + share * (learns - usual), usual_prior), fixed_usual);
  slot.top = 0;
  if (time_ns - slot.last_ns >= cool_ns) slot.last_high = slot.told = 0;
  const bool warm = slot.blocks >= warm_blocks && slot.last_ns / second_ns - slot.first_s >= warm_age_s;
  if (warm) {
    if (score < interesting_nats) {
      tail.learn_ordinary(time_ns);
      slot.told = 0;
    } else if (slot.last_high < interesting_nats * fixed_top) {
      const double hot_max = rate_max(at) * hot_;
      const double most = winsorising_ && tail.rate_per_day(score) < hot_max ? tail.bar(score, hot_max) : score;
      tail.learn(most, time_ns, 1, score);
    }
  }
  slot.last_high = to_fixed(score, fixed_top);
  if (slot.blocks < 65535) ++slot.blocks;
}

// Ten times rarer than what was told, or the first below the bar.
bool Surge::news(std::size_t tail, double told, double score) const {
  if (score >= told + told_again) return true;
  return score > told && tails_[tail].rate_per_day(told) >= rate_max(tail) && tails_[tail].rate_per_day(score) < rate_max(tail);
}

double Surge::rate_max(std::size_t tail) const { return false_alerts_per_day_ * budget_share[tail]; }

double Surge::bar(std::size_t at, std::int64_t time_ns) {
  if (time_ns < bars_until_ns_[at] && time_ns > bars_until_ns_[at] - 2 * cool_ns) return bars_[at];
  bars_until_ns_[at] = time_ns + cool_ns;
  return bars_[at] = tails_[at].least_of_rate(rate_max(at) * handed_over_, interesting_nats, score_max);
}

void Surge::tell(Kind kind, std::size_t tail_at, Slot& slot, const Standing& at, double rate, const Now& now,
                 std::vector<Finding>& out) {
  const TailCalibrator& tail = tails_[tail_at];
  if (tail.days() < calibrated_days || slot.blocks < warm_blocks) return;
  if (now.time_ns / second_ns - std::int64_t{slot.first_s} < warm_age_s) return;
  if (at.count < count_min[static_cast<std::size_t>(kind)]) return;
  if (slot.told > 0 && !news(tail_at, slot.told / fixed_top, at.score)) return;
  slot.told = to_fixed(at.score, fixed_top);
  const double per_min = 1 / rate_window_min[at.scale];
  const double unit = slot.usual / fixed_usual / usual_prior * at.dispersion;
  const double events = double{slot.learnt} + prior_events;
  Finding& finding = out.emplace_back();
  finding.kind = kind;
  finding.window_min = rate_window_min[at.scale];
  finding.observed = at.count * per_min;
  finding.expected = at.expected * per_min;
  finding.upper = count_at(std::log(100) * unit, at.expected, events) * per_min;
  const double least = std::max(count_at(tail.bar(at.score, rate_max(tail_at)) * unit, at.expected, events),
                                count_min[static_cast<std::size_t>(kind)]);
  finding.not_below = std::min(least * per_min, finding.observed);
  finding.usual = rate;
  finding.season = at.season;
  finding.shock = at.shock;
  finding.score = at.score;
  finding.rate_per_day = tail.rate_per_day(at.score);
  finding.bar_per_day = rate_max(tail_at);
  finding.p_value = tail.p_value(at.score);
  finding.calibration = tail.state_at(at.score);
  finding.baseline_events = double{slot.learnt};
  finding.baseline_blocks = slot.blocks;
  finding.first_ns = std::int64_t{slot.first_s} * second_ns;
}

void Surge::ablate(const Ablation& parts) {
  for (TailCalibrator& tail : tails_) tail.ablate(parts);
  winsorising_ = parts.winsorising;
  if (!parts.scales) {
    first_scale_ = scales / 2;
    end_scale_ = first_scale_ + 1;
  }
}

void Surge::save(SnapshotWriter& out) const {
  slots_.save(out);
  own_hours_.save(out);
  clock_.save(out);
  for (const TailCalibrator& tail : tails_) tail.save(out);
  out.put(bars_);
  out.put(bars_until_ns_);
}

bool Surge::load(SnapshotReader& in) {
  if (!slots_.load(in) || !own_hours_.load(in) || !clock_.load(in)) return false;
  for (TailCalibrator& tail : tails_) tail.load(in);
  bars_ = in.get<decltype(bars_)>();
  bars_until_ns_ = in.get<decltype(bars_until_ns_)>();
  return in.ok();
}

}  // namespace tidewaiter::detect
