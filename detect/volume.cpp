#include "detect/volume.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/text.hpp"
#include "detect/volume_model.hpp"

namespace tidewaiter::detect {
namespace {

using namespace volume_model;

const double quantile_nats = -std::log(quantile_tail);
constexpr std::string_view tail_names[tail_classes] = {
    "pair_5m", "pair_1h", "pair_1d", "principal_5m", "principal_1h", "principal_1d", "app_5m", "app_1h", "app_1d",
    "ramp_principal", "ramp_regular_pair", "ramp_other", "stretch_pair"};
constexpr double prior_weight[scales] = {6, 10, 20};            // excesses that the pool's scale is worth
constexpr std::int64_t warm_age_s = 3 * 86'400;
constexpr double calibrated_days = 7;
// The upper tail of a sparse series has less season than its mean: nights bring fewer large sums, not none.
constexpr double season_min = -0.5, season_max = 1.5;
constexpr double activity_min = 0.2;
constexpr double learnt_beyond_bar_nats = 3;
constexpr std::uint32_t common_members = 8;                    // days
constexpr std::size_t windows_ahead = 8;                       // whose lines are asked for

double log_bytes(std::uint64_t bytes) { return std::log1p(static_cast<double>(bytes)); }

Key series_of(SeriesKind kind, Key who, Key observer) {
  return combine(combine(who, observer), 0x5e + static_cast<std::uint64_t>(kind));
}

/// The window that takes up one that ends; there is one unless `scale` is the last.
struct Longer {
  explicit Longer(const Window& window)
      : scale(static_cast<std::uint8_t>(window.scale + 1)),
        start_s(window.start_s / scale_s[scale] * scale_s[scale]),
        key(WindowTable::key_of(window.series, scale, start_s)) {}
  std::uint8_t scale;
  std::int64_t start_s;
  Key key;
};
bool has_longer(const Window& window) { return window.scale + 1u < scales; }

std::int64_t first_start_s(const Event& event) { return event.time_ns() / second_ns / scale_s[0] * scale_s[0]; }

}  // namespace

Volume::Volume(std::uint64_t memory_bytes, double false_alerts_per_day, double bytes_min, Names& names, double handed_over,
               double hot)
    : false_alerts_per_day_(false_alerts_per_day),
      bytes_min_(bytes_min),
      handed_over_(handed_over),
      hot_(hot),
      names_(names),
      series_(memory_bytes / 2),
      windows_(memory_bytes / 3),
      seasons_(memory_bytes / 16),
      tails_(tail_classes, TailCalibrator(interesting_nats, 1.25)) {
  tails_[stretch_tail] = TailCalibrator(stretch_nats, 2.5);
  for (std::size_t i = 0; i < tails_.size(); ++i) tails_[i].set_name(tail_names[i]);
}

// Bytes count as leaving unless the event or the destination tables say that they stay inside.
bool Volume::leaves(const Event& event) {
  if (event.get(Num::bytes_out) == 0 || event.get(Str::dst_category) == "internal") return false;
  const auto direction = static_cast<Direction>(event.get(Num::direction));
  return direction == Direction::egress || direction == Direction::unknown;
}

template <class Visit>
void Volume::each_series(const EventKeys& keys, const Event& event, Visit visit) {
  if (!leaves(event)) return;
  if (keys.principal != 0) {
    if (keys.destination != 0)
      visit(SeriesKind::pair, series_of(SeriesKind::pair, combine(keys.principal, keys.destination), keys.observer));
    visit(SeriesKind::principal, series_of(SeriesKind::principal, keys.principal, keys.observer));
  }
  if (keys.app != 0) visit(SeriesKind::app, series_of(SeriesKind::app, keys.app, keys.observer));
}

void Volume::prefetch(const EventKeys& keys, const Event& event) const {
  const std::int64_t start_s = first_start_s(event);
  each_series(keys, event, [&](SeriesKind, Key series) { windows_.prefetch(WindowTable::key_of(series, 0, start_s)); });
}

void Volume::prefetch_windows(const EventKeys& keys, const Event& event) const {
  const std::int64_t start_s = first_start_s(event);
  bool open = true;
  each_series(keys, event, [&](SeriesKind, Key series) {
    open = windows_.prefetch_window(WindowTable::key_of(series, 0, start_s)) && open;
  });
  if (open) return;
  for (const Key name : {keys.tenant, keys.app, keys.principal, keys.destination}) names_.prefetch(name);
}

void Volume::observe(const EventKeys& keys, const Seen& seen, std::vector<Finding>& out) {
  bool named = false;
  each_series(keys, *seen.event, [&](SeriesKind kind, Key series) { add(kind, series, keys, seen, named, out); });
}

void Volume::add(SeriesKind kind, Key series, const EventKeys& keys, const Seen& seen, bool& named,
                 std::vector<Finding>& out) {
  const Event& event = *seen.event;
  const std::int64_t start_s = first_start_s(event);
  const Key key = WindowTable::key_of(series, 0, start_s);
  bool opened = false;
  Window* window = windows_.find_or_open(key, 0, start_s, kind, opened);
  while (window == nullptr) {
    ++closed_early_;
    close_first_group(out);
    window = windows_.find_or_open(key, 0, start_s, kind, opened);
  }
  if (opened) open_named(*window, kind, series, keys, event, named);
  window->bytes += event.get(Num::bytes_out);
  ++window->events;
  window->data_classes |= event.get(Num::data_classes);
  window->take(seen.evidence());
}

/// `named`: the names of this event are kept already, by another of its windows.
void Volume::open_named(Window& window, SeriesKind kind, Key series, const EventKeys& keys, const Event& event,
                        bool& named) {
  window.series = series;
  window.principal = keys.principal;
  window.app = keys.app;
  window.tenant = keys.tenant;
  window.role = keys.role;
  window.observer = keys.observer;
  window.quota = keys.quota;
  window.principal_type = static_cast<std::uint8_t>(event.get(Num::principal_type));
  window.risk_tier = static_cast<std::uint8_t>(event.get(Num::risk_tier));
  const std::int64_t time_ns = event.time_ns();
  if (!std::exchange(named, true)) {
    names_.keep(keys.tenant, event.get(Str::tenant), keys.quota, time_ns);
    if (keys.app != 0) names_.keep(keys.app, event.get(Str::app), keys.quota, time_ns);
    if (keys.principal != 0) names_.keep(keys.principal, event.get(Str::principal), keys.quota, time_ns);
  }
  if (kind != SeriesKind::pair) return;
  window.destination = keys.destination;
  if (event.has(Str::dst_host))
    names_.keep(keys.destination, event.get(Str::dst_host), keys.quota, time_ns);
  else
    names_.keep(keys.destination, destination_of(event), keys.quota, time_ns);
  if (!event.has(Str::dst_category)) return;
  window.category = hash_name(event.get(Str::dst_category));
  names_.keep(window.category, event.get(Str::dst_category), keys.quota, time_ns);
}

std::int64_t Volume::next_close_ns() const {
  return windows_.empty() ? std::numeric_limits<std::int64_t>::max() : windows_.first_end_s() * second_ns;
}

void Volume::close(std::int64_t watermark_ns, std::vector<Finding>& out) {
  while (next_close_ns() <= watermark_ns) close_first_group(out);
}

void Volume::close_first_group(std::vector<Finding>& out) {
  const WindowTable::Group group = windows_.take_first_group();
  const auto scale = static_cast<std::size_t>(group.order >> 4 & 3);
  collect(group, scale);
  for (const Judged& judged : judged_) judge(judged, scale, out);
  if (windows_.at(group.head).kind == SeriesKind::principal) learn_seasons(scale);
  for (std::size_t i = 0; i < std::min(judged_.size(), windows_ahead); ++i) prefetch_longer(judged_[i]);
  for (std::size_t i = 0; i < judged_.size(); ++i) {
    if (i + windows_ahead < judged_.size()) prefetch_longer(judged_[i + windows_ahead]);
    roll_up(windows_.at(judged_[i].slot));
    windows_.release(judged_[i].slot);
  }
}

// Its place in the index was asked for by prefetch_judgement().
void Volume::prefetch_longer(const Judged& judged) const {
  const Window& window = windows_.at(judged.slot);
  if (has_longer(window)) windows_.prefetch_window(Longer(window).key);
}

// What a window's judgement touches was last used a window ago: it is asked for some windows ahead, in two steps.
void Volume::prefetch_judgement(const Window& window) const {
  series_.prefetch(window.series);
  series_.prefetch(pool_key(window));
  windows_.prefetch(window.key);
  if (has_longer(window)) windows_.prefetch(Longer(window).key);
}

// First pass: where every window stands against its own level, and what the members of each role have in common.
void Volume::collect(const WindowTable::Group& group, std::size_t scale) {
  judged_.clear();
  sums_.clear();
  sums_index_.clear();
  highs_.clear();
  highs_index_.clear();
  roles_.clear();
  const double middle_s = static_cast<double>(group.end_s()) - static_cast<double>(scale_s[scale]) / 2;
  if (std::exchange(middle_s_, middle_s) != middle_s) features_ = Season::features(middle_s);
  for (std::uint32_t slot = group.head; slot != WindowTable::none; slot = windows_.next(slot)) {
    if (judged_.size() < 2 * windows_ahead) windows_.prefetch_slot(slot);
    judged_.push_back({slot, 0, 0, 0, 0, 0, 0});
  }
  for (std::size_t i = 0; i < std::min(judged_.size(), windows_ahead); ++i) prefetch_judgement(windows_.at(judged_[i].slot));
  for (std::size_t i = 0; i < judged_.size(); ++i) {
    if (i + 2 * windows_ahead < judged_.size()) windows_.prefetch_slot(judged_[i + 2 * windows_ahead].slot);
    if (i + windows_ahead < judged_.size()) prefetch_judgement(windows_.at(judged_[i + windows_ahead].slot));
    place(judged_[i], scale);
  }
}

void Volume::place(Judged& judged, std::size_t scale) {
  const Window& window = windows_.at(judged.slot);
  std::uint32_t at = sums_index_.find(window.role);
  if (at == KeyIndex::none) {
    at = static_cast<std::uint32_t>(sums_.size());
    const double season = seasons_.of(combine(window.role, scale)).at(features_);
    sums_.push_back({window.role, std::clamp(season, season_min, season_max), 0, 0, 0, {}});
    sums_index_.insert(window.role, at);
  }
  RoleSum& role = sums_[at];
  judged.role = at;
  judged.bytes = window.net_bytes();
  judged.x = log_bytes(judged.bytes);
  judged.season = role.season;
  const auto [series, inserted] = series_.find_or_insert(window.series, window.quota);
  if (inserted) series->first_s = static_cast<std::uint32_t>(window.start_s);
  series->last_s = static_cast<std::uint32_t>(window.start_s);
  const Scale& own = series->scale[scale];
  if (scale == day_scale && window.kind == SeriesKind::pair) count_highs(judged, window, *series, role);
  if (own.windows < warm_windows[scale] / 2) return;
  const double season = judged.season * (1 + double{own.amplitude});
  judged.deviation = std::clamp(judged.x - season - double{own.level}, -clip_nats, clip_nats);
  if (role.members++ == 0) roles_.push_back(at);
  role.sum += judged.deviation;
  role.seasonal += judged.deviation + season;
}

// Pairs of one principal rise together, so only members (principals, apps) are compared with each other.
double Volume::shock_of(const Judged& judged, const Window& window, std::size_t scale) const {
  if (window.kind == SeriesKind::pair) return 0;
  const RoleSum& role = sums_[judged.role];
  if (role.members <= shock_members) return 0;
  const double others = role.members - 1.0;
  return std::max(0.0, (role.sum - judged.deviation) / (others + shock_shrink[scale]));
}

// Of ramps and levels, where a fall counts as well and of many pairs one does not matter.
double Volume::common_of(const Judged& judged) const {
  const RoleSum& role = sums_[judged.role];
  return role.members <= common_members ? 0 : (role.sum - judged.deviation) / role.members;
}

Key Volume::pool_key(const Window& window) {
  switch (window.kind) {
    case SeriesKind::pair: return combine(window.principal, 0x9001);
    case SeriesKind::principal: return combine(window.role, 0x9002);
    case SeriesKind::app: return combine(window.tenant, 0x9003);
  }
  return 1;
}

Volume::Expectation Volume::expect(const Window& window, const Series& series, const Series* pool, std::size_t scale) {
  const Scale& own = series.scale[scale];
  const bool pool_warm = pool != nullptr && pool->scale[scale].windows >= warm_windows[scale];
  const double pool_excess = pool_warm ? double{pool->scale[scale].excess} : prior_excess[scale];
  const double weight = prior_weight[scale] + quantile_tail * double{own.windows};
  const bool old_enough = window.start_s - series.first_s >= warm_age_s;
  Expectation expected{};
  expected.own = &own;
  expected.first_s = series.first_s;
  expected.weight = weight;
  expected.excess = (prior_weight[scale] * pool_excess + quantile_tail * double{own.windows * own.excess}) / weight;
  expected.quantile = double{own.quantile} + 1.5 * expected.excess / std::sqrt(double{own.windows} + 1);
  expected.warm = old_enough && own.windows >= warm_windows[scale];
  if (!expected.warm && window.kind == SeriesKind::pair && pool_warm && window.start_s - pool->first_s >= warm_age_s) {
    // A destination that is new to the principal: what it sends elsewhere is all there is to compare with.
    expected.own = &pool->scale[scale];
    expected.first_s = pool->first_s;
    expected.weight = prior_weight[scale] + quantile_tail * double{pool->scale[scale].windows};
    expected.excess = pool_excess;
    expected.quantile = double{pool->scale[scale].quantile};
    expected.warm = expected.from_pool = true;
  }
  expected.excess = std::max(expected.excess, excess_min[scale]);
  return expected;
}

void Volume::judge(const Judged& judged, std::size_t scale, std::vector<Finding>& out) {
  Window& window = windows_.at(judged.slot);
  const auto [series, inserted] = series_.find_or_insert(window.series, window.quota);
  if (inserted) series->first_s = static_cast<std::uint32_t>(window.start_s);
  Series* const pool = series_.find(pool_key(window));
  const Expectation expected = expect(window, *series, pool, scale);
  Standing at;
  at.season = judged.season * (1 + double{series->scale[scale].amplitude});
  at.shock = shock_of(judged, window, scale);
  // A pair may have explained a part since the first pass.
  at.x = window.net_bytes() == judged.bytes ? judged.x : log_bytes(window.net_bytes());
  at.r = at.x - at.season - at.shock;
  at.common = scale == day_scale ? common_of(judged) : 0;
  bool hot = false;
  if (expected.warm) {
    if (!expected.from_pool) {
      const double age_windows = static_cast<double>((window.start_s - expected.first_s) / scale_s[scale]) + 1;
      at.active = std::clamp(double{expected.own->windows} / age_windows, activity_min, 1.0);
    }
    const double y = (at.r - expected.quantile) / expected.excess;
    if (y > 0)
      at.score = quantile_nats - std::log(at.active) + expected.weight * std::log1p(y / expected.weight);
    hot = alerts(window, *series, expected, at, scale, out);
  }
  if (window.kind == SeriesKind::pair && scale == 0 && parts_.scales && expected.warm && !hot && at.score > stretch_window_nats) {
    window.high_nats = static_cast<float>(std::min(at.score - stretch_window_nats, stretch_nats));
    window.high_windows = 1;
  }
  if (window.kind == SeriesKind::pair && scale == hour_scale && parts_.scales && !expected.from_pool)
    hot = judge_stretch(window, judged, *series, expected, at, hot, out) || hot;
  if (hot && scale != day_scale) {  // told: no news for the day
    window.high_nats = 0;
    window.high_windows = 0;
  }
  if (scale == day_scale && parts_.scales && !expected.from_pool) hot = judge_ramp(window, judged, *series, expected, at, hot, out) || hot;
  learn_window(window, judged, at, series, pool, scale, hot && parts_.winsorising);
}

// What is counted is what may be told: records of their series, of bytes that matter. Windows of one series that stay
// high are one event, at their highest (declustering).
bool Volume::alerts(Window& window, Series& series, const Expectation& expected, const Standing& at, std::size_t scale,
                    std::vector<Finding>& out) {
  const auto kind = static_cast<std::size_t>(window.kind);
  TailCalibrator& tail = tails_[kind * scales + scale];
  float& run = series.scale[scale].run;
  if (at.score < interesting_nats) run = 0;
  const bool left_out = !parts_.scales && scale != hour_scale;
  if (left_out || at.score < interesting_nats || at.r <= double{expected.own->largest} ||
      static_cast<double>(window.net_bytes()) < bytes_min_) {
    tail.learn_ordinary(window.end_s() * second_ns);
    return false;
  }
  const double rate_max = false_alerts_per_day_ * budget_share[kind][scale];
  const Rarity rare = rarity(tail, at.score, rate_max, run, window.end_s() * second_ns);
  if (rare.rate < rate_max * handed_over_) {
    Finding& finding = out.emplace_back(find(window, expected, at, rare.bar));
    weigh(finding, tail, at.score, rare, rate_max);
  }
  if (rare.rate >= rate_max * hot_) return false;
  explain_usual_away(window, std::expm1(expected.quantile + at.season + at.shock));
  return true;
}

Volume::Rarity Volume::rarity(TailCalibrator& tail, double score, double rate_max, float& run, std::int64_t time_ns) const {
  const double rate = tail.days() >= calibrated_days ? tail.rate_per_day(score) : std::numeric_limits<double>::infinity();
  const auto bar_of = [&](double rate_least) { return rate < rate_least ? tail.bar(score, rate_least) : score; };
  const double learnt = parts_.winsorising ? std::min(score, bar_of(rate_max * hot_) + learnt_beyond_bar_nats) : score;
  if (run == 0)
    tail.learn(learnt, time_ns);
  else if (learnt > double{run})
    tail.raise(double{run}, learnt);
  run = std::max(run, static_cast<float>(learnt));
  return {rate, bar_of(rate_max)};
}

Volume::Finding Volume::find(const Window& window, const Expectation& expected, const Standing& at, double bar) const {
  const auto to_bytes = [&](double log) { return std::max(0.0, std::expm1(log + at.season + at.shock)); };
  const double weight = expected.weight;
  const double upper = expected.quantile + expected.excess * weight * (std::pow(0.01 / quantile_tail, -1 / weight) - 1);
  const double bar_y = weight * std::expm1((bar - quantile_nats + std::log(at.active)) / weight);
  const double least = std::max(expected.quantile + expected.excess * bar_y, double{expected.own->largest});
  Finding finding;
  finding.window = window;
  finding.expected = to_bytes(double{expected.own->level});
  finding.upper = std::max(to_bytes(upper), finding.expected);
  finding.largest_before = to_bytes(double{expected.own->largest});
  finding.not_below = std::min(std::max(to_bytes(least), bytes_min_), static_cast<double>(window.net_bytes()));
  finding.windows_seen = double{expected.own->windows};
  finding.first_s = expected.first_s;
  finding.from_pool = expected.from_pool;
  finding.shock = std::exp(at.shock);
  return finding;
}

void Volume::weigh(Finding& finding, const TailCalibrator& tail, double score, const Rarity& rare, double rate_max) {
  finding.score = score;
  finding.rate_per_day = rare.rate;
  finding.bar_per_day = rate_max;
  finding.p_value = tail.p_value(score);
  finding.calibration = tail.state_at(score);
}

void Volume::explain_usual_away(const Window& window, double usual) {
  const auto kept = static_cast<std::uint64_t>(std::max(0.0, usual));
  if (kept < window.net_bytes()) explain_away(window, window.net_bytes() - kept);
}

// What was alerted here is no news for the principal, the app and the longer windows.
void Volume::explain_away(const Window& window, std::uint64_t bytes) {
  const auto explain = [&](SeriesKind kind, Key who) {
    const Key series = series_of(kind, who, window.observer);
    if (Window* other = windows_.find(WindowTable::key_of(series, window.scale, window.start_s)))
      other->explained += bytes;
  };
  windows_.find(window.key)->explained += bytes;
  if (window.kind == SeriesKind::pair) explain(SeriesKind::principal, window.principal);
  if (window.kind != SeriesKind::app && window.app != 0) explain(SeriesKind::app, window.app);
}

void Volume::roll_up(const Window& window) {
  if (!has_longer(window)) return;
  const auto [scale, start_s, key] = Longer(window);
  bool opened = false;
  Window* longer = windows_.find_or_open(key, scale, start_s, window.kind, opened);
  if (longer == nullptr) {
    ++closed_early_;  // full: this sum is lost to the longer scale
    return;
  }
  if (opened) {
    *longer = window;
    longer->key = key;
    longer->scale = scale;
    longer->start_s = start_s;
    return;
  }
  longer->high_nats += window.high_nats;
  longer->high_windows = static_cast<std::uint16_t>(longer->high_windows + window.high_windows);
  longer->bytes += window.bytes;
  longer->explained += window.explained;
  longer->events += window.events;
  longer->data_classes |= window.data_classes;
  for (const EvidenceRef& evidence : window.top)
    if (evidence.used != 0) longer->take(evidence);
}

void Volume::save(SnapshotWriter& out) const {
  series_.save(out);
  windows_.save(out);
  seasons_.save(out);
  for (const TailCalibrator& tail : tails_) tail.save(out);
  out.put(closed_early_);
}

bool Volume::load(SnapshotReader& in) {
  if (!series_.load(in) || !windows_.load(in) || !seasons_.load(in)) return false;
  for (TailCalibrator& tail : tails_) tail.load(in);
  closed_early_ = in.get<std::uint64_t>();
  return in.ok();
}

}  // namespace tidewaiter::detect
