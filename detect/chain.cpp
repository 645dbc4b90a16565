#include "detect/chain.hpp"

#include <algorithm>
#include <cmath>

#include "detect/words.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t agent_type = word::principal_type("agent");
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t gap_ns = 15 * 60 * second_ns;
constexpr std::int64_t renew_ns = 3600 * second_ns;
constexpr std::int64_t warm_age_s = 3 * 86'400;
constexpr float warm_events = 100;
constexpr double calibrated_days = 7;
constexpr double interesting_nats = 6, excess_prior = 3;
constexpr double step_max = 24, margin_min = 1, forget_half_life_min = 10;
constexpr double mean_prior = 4, mean_prior_events = 50, mean_share_min = 0.0005;
constexpr double hot_nats = 12;
constexpr std::uint16_t hot_events_max = 20;
constexpr double told_again = 2.302585;
constexpr double score_max = 500;
constexpr std::size_t owner_levels = 2;  // kind, role
constexpr std::uint64_t role_salt = 0xc4a1;
constexpr std::array<double, 2> budget_share = {0.95, 0.05};

Key role_key(const EventKeys& keys) { return combine(keys.role, role_salt); }

std::uint16_t kind_of(const Event& event) {
  return static_cast<std::uint16_t>(1 + (event.get(Num::action) & 63) + (event.get(Num::resource_type) << 6));
}

}  // namespace

Chain::Chain(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over, double hot)
    : false_alerts_per_day_(false_alerts_per_day),
      handed_over_(handed_over),
      hot_(hot),
      runs_(memory_bytes / 4),
      actions_(memory_bytes / 2),
      resources_(memory_bytes / 4),
      tails_{TailCalibrator(interesting_nats, excess_prior), TailCalibrator(interesting_nats, excess_prior)} {
  tails_[0].set_name("agent");
  tails_[1].set_name("other");
}

Chain::Step Chain::step_of(const EventKeys& keys, const Event& event, const Run& run) {
  Step step;
  step.kind = kind_of(event);
  Sequence::History before, owners;
  for (std::size_t i = steps; i-- > 0;) before.push(run.kinds[i]);
  before.push(keys.role);
  step.before = Sequence::Place(before, steps + 1);
  if (keys.resource == 0) return step;
  owners.push(keys.role);
  owners.push(step.kind);
  step.owners = Sequence::Place(owners, owner_levels);
  step.resource = keys.resource;
  return step;
}

void Chain::prefetch(const EventKeys& keys) const {
  runs_.prefetch(keys.principal);
  runs_.prefetch(role_key(keys));
}

void Chain::prefetch_step(const EventKeys& keys, const Event& event) const {
  if (!asks(keys, event)) return;
  const Run* run = runs_.find(keys.principal);
  if (run == nullptr) return;
  const Step step = step_of(keys, event, *run);
  actions_.prefetch(step.before, step.kind);
  if (step.resource != 0) resources_.prefetch(step.owners, step.resource);
}

void Chain::observe(const EventKeys& keys, const Event& event, std::vector<Finding>& out) {
  if (!asks(keys, event)) return;
  const std::int64_t time_ns = event.time_ns();
  const std::size_t tail = event.get(Num::principal_type) == agent_type ? 0 : 1;
  const auto [role, new_role] = runs_.find_or_insert(role_key(keys), keys.quota);
  if (new_role) role->mean = static_cast<float>(mean_prior);
  role->last_ns = std::max(role->last_ns, time_ns);
  const double prior = double{role->mean};
  const auto [run, inserted] = runs_.find_or_insert(keys.principal, keys.quota);  // `role` is not valid any more
  if (inserted) {
    run->first_s = run->start_s = static_cast<std::uint32_t>(time_ns / second_ns);
    run->last_ns = time_ns;
    run->mean = static_cast<float>(prior);
  }
  if (time_ns - run->last_ns > gap_ns) end_run(tail, *run, time_ns);
  const double events = double{run->events};
  const double usual = (double{run->mean} * events + prior * mean_prior_events) / (events + mean_prior_events);
  Step step = step_of(keys, event, *run);
  step.usual_nats = usual;
  step.action_nats = actions_.surprise(step.before, step.kind);
  if (step.resource != 0) step.resource_nats = resources_.surprise(step.owners, step.resource);
  const double elapsed_min = std::max(0.0, static_cast<double>(time_ns - run->last_ns) / 60e9);
  const double excess = std::min(step.nats(), step_max) - usual - std::max(margin_min, double{run->spread});
  const double kept = double{run->sum} * std::exp2(-elapsed_min / forget_half_life_min);
  run->sum = static_cast<float>(std::max(0.0, kept + excess));
  run->top = std::max(run->top, run->sum);
  run->last_ns = std::max(run->last_ns, time_ns);
  ++run->run_events;
  if (double{run->sum} >= interesting_nats) tell(tail, *run, step, time_ns, out);

  learn_mean(*run, step.nats());
  for (std::size_t i = steps - 1; i > 0; --i) run->kinds[i] = run->kinds[i - 1];
  run->kinds[0] = static_cast<std::uint16_t>(step.kind);
  const bool hot = winsorising_ && double{run->sum} >= hot_nats && ++run->hot_events <= hot_events_max;
  if (Run* pool = runs_.find(role_key(keys))) learn_mean(*pool, step.nats());
  if (hot) return;
  actions_.learn(step.before, step.kind, keys.quota);
  if (step.resource != 0) resources_.learn(step.owners, step.resource, keys.quota);
}

void Chain::tell(std::size_t tail, Run& run, const Step& step, std::int64_t time_ns, std::vector<Finding>& out) {
  if (run.events < warm_events || time_ns / second_ns - std::int64_t{run.first_s} < warm_age_s) return;
  if (tails_[tail].days() < calibrated_days) return;
  const double score = double{run.sum};
  if (score < bar(tail, time_ns) || (run.told > 0 && !news(tail, double{run.told}, score))) return;
  run.told = run.sum;
  Finding& finding = out.emplace_back();
  finding.score = score;
  finding.rate_per_day = tails_[tail].rate_per_day(score);
  finding.p_value = tails_[tail].p_value(score);
  finding.calibration = tails_[tail].state_at(score);
  finding.bar_per_day = rate_max(tail);
  finding.not_below = tails_[tail].bar(score, rate_max(tail));
  finding.action_nats = step.action_nats;
  finding.resource_nats = step.resource_nats;
  finding.usual_nats = step.usual_nats;
  finding.run_events = run.run_events;
  finding.run_start_ns = std::int64_t{run.start_s} * second_ns;
  finding.baseline_events = double{run.events};
  finding.first_ns = std::int64_t{run.first_s} * second_ns;
  for (const std::uint16_t before : run.kinds)
    if (before != 0) finding.before[finding.before_known++] = static_cast<std::uint8_t>((before - 1) & 63);
}

void Chain::learn_mean(Run& run, double nats) {
  const double share = std::max(1 / (double{run.events} + 20), mean_share_min);
  const double away = std::min(nats, step_max) - double{run.mean};
  run.spread += static_cast<float>(share * (std::abs(away) - double{run.spread}));
  run.mean += static_cast<float>(share * away);
  run.events = std::min(run.events + 1, 1e6F);
}

void Chain::end_run(std::size_t at, Run& run, std::int64_t time_ns) {
  TailCalibrator& tail = tails_[at];
  const double top = double{run.top};
  if (run.events >= warm_events && run.last_ns / second_ns - std::int64_t{run.first_s} >= warm_age_s) {
    if (top < interesting_nats) {
      tail.learn_ordinary(time_ns);
    } else {
      const double hot_max = rate_max(at) * hot_;
      tail.learn(winsorising_ && tail.rate_per_day(top) < hot_max ? tail.bar(top, hot_max) : top, time_ns, 1, top);
    }
  }
  run.sum = run.top = run.told = 0;
  run.run_events = 0;
  run.hot_events = 0;
  run.kinds = {};
  run.start_s = static_cast<std::uint32_t>(time_ns / second_ns);
}

// Ten times rarer than what was told, or the first below the bar.
bool Chain::news(std::size_t tail, double told, double score) const {
  if (score >= told + told_again) return true;
  return score > told && tails_[tail].rate_per_day(told) >= rate_max(tail) && tails_[tail].rate_per_day(score) < rate_max(tail);
}

double Chain::rate_max(std::size_t tail) const { return false_alerts_per_day_ * budget_share[tail]; }

double Chain::bar(std::size_t at, std::int64_t time_ns) {
  if (time_ns < bars_until_ns_[at] && time_ns > bars_until_ns_[at] - 2 * renew_ns) return bars_[at];
  bars_until_ns_[at] = time_ns + renew_ns;
  return bars_[at] = tails_[at].least_of_rate(rate_max(at) * handed_over_, interesting_nats, score_max);
}

void Chain::save(SnapshotWriter& out) const {
  runs_.save(out);
  actions_.save(out);
  resources_.save(out);
  for (const TailCalibrator& tail : tails_) tail.save(out);
  out.put(bars_);
  out.put(bars_until_ns_);
}

bool Chain::load(SnapshotReader& in) {
  if (!runs_.load(in) || !actions_.load(in) || !resources_.load(in)) return false;
  for (TailCalibrator& tail : tails_) tail.load(in);
  bars_ = in.get<decltype(bars_)>();
  bars_until_ns_ = in.get<decltype(bars_until_ns_)>();
  return in.ok();
}

}  // namespace tidewaiter::detect
