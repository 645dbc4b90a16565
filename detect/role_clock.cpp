#include "detect/role_clock.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t hour_ns = 3600ll * 1'000'000'000;
constexpr double ns_per_min = 60e9;
constexpr double learn_share_min = 0.25;      // of the newest week
constexpr double winsor_low = 0.25, winsor_high = 2;
constexpr double other_days_weight = 0.5;     // weeks that the same hour of other days is worth
constexpr double other_days_events = 20;      // and more where hours have few events
constexpr double season_min = 0.15, season_max = 8;
constexpr double shock_events = 15;

std::size_t hour_of_week(std::int64_t hour) {
  constexpr auto week = static_cast<std::int64_t>(RoleClock::hours);
  return static_cast<std::size_t>(((hour % week) + week) % week);
}

std::size_t after(std::size_t hour_of_week) { return hour_of_week + 1 == RoleClock::hours ? 0 : hour_of_week + 1; }

}  // namespace

double RoleClock::Role::season(std::int64_t time_ns) const {
  if (!warm()) return 1;
  const std::int64_t shifted = time_ns - hour_ns / 2;
  const std::int64_t before = shifted / hour_ns;
  const double share = static_cast<double>(shifted - before * hour_ns) / static_cast<double>(hour_ns);
  return season_between(hour_of_week(before), share);
}

double RoleClock::Role::season_between(std::size_t at, double share) const {
  const double events = double{expected[at]} * (1 - share) + double{expected[after(at)]} * share;
  return std::clamp(events * double{norm}, season_min, season_max);
}

double RoleClock::Role::busy_min(std::int64_t from_ns, std::int64_t to_ns) const {
  if (to_ns <= from_ns) return 0;
  constexpr std::int64_t week_ns = static_cast<std::int64_t>(hours) * hour_ns;
  const std::int64_t weeks_between = (to_ns - from_ns) / week_ns;
  double busy = static_cast<double>(weeks_between * week_ns) / ns_per_min;
  from_ns += weeks_between * week_ns;
  // The middles of whole hours all lie at the same place between two hours of the week.
  if (warm() && from_ns >= 0) {
    const double share = static_cast<double>(from_ns % hour_ns) / static_cast<double>(hour_ns);
    for (std::size_t at = hour_of_week(from_ns / hour_ns); to_ns - from_ns >= hour_ns; at = after(at), from_ns += hour_ns)
      busy += season_between(at, share) * static_cast<double>(hour_ns) / ns_per_min;
  }
  while (from_ns < to_ns) {
    const std::int64_t step = std::min(to_ns - from_ns, hour_ns);
    busy += season(from_ns + step / 2) * static_cast<double>(step) / ns_per_min;
    from_ns += step;
  }
  return busy;
}

Scales RoleClock::Role::shock(const Scales& own, const Scales& own_usual) const {
  const Scales others = at_least(scales_of(counts) - own, 0);
  const Scales usually = at_least(scales_of(usual) - own_usual, 0);
  Scales by_chance;
  for (std::size_t i = 0; i < 4; ++i) by_chance[i] = std::sqrt(usually[i]);
  return at_least((others - by_chance + shock_events) / (usually + shock_events), 1);  // what chance brings is no shock
}

RoleClock::Role& RoleClock::at(Key key, std::uint16_t quota, std::int64_t time_ns) {
  const auto [role, inserted] = roles_.find_or_insert(key, quota);
  const std::int64_t hour = time_ns / hour_ns;
  if (inserted) {
    role->last_ns = time_ns;
    role->hour = hour;
    role->first_hour = 1;
  }
  if (time_ns <= role->last_ns) return *role;
  if (hour > role->hour) close_hours(*role, hour);
  const double elapsed_min = static_cast<double>(time_ns - role->last_ns) / ns_per_min;
  const auto keep = rate_decay(elapsed_min);
  const double per_min = role->season(time_ns) * double{role->mean} / 60;
  for (std::size_t i = 0; i < rate_scales; ++i) {
    role->counts[i] *= keep[i];
    role->usual[i] = role->usual[i] * keep[i] + static_cast<float>(per_min * rate_window_min[i]) * (1 - keep[i]);
  }
  role->last_ns = time_ns;
  return *role;
}

void RoleClock::count(Role& role, std::int64_t time_ns) {
  const auto left = rate_decay(static_cast<double>(role.last_ns - time_ns) / ns_per_min);
  for (std::size_t i = 0; i < rate_scales; ++i) role.counts[i] += left[i];
  role.counted += time_ns / hour_ns == role.hour ? 1 : 0;
}

void RoleClock::close_hours(Role& role, std::int64_t hour) {
  if (role.first_hour != 0) {
    role.first_hour = 0;  // it was not seen whole
  } else {
    learn_hour(role, hour_of_week(role.hour), double{role.counted});
  }
  const std::int64_t quiet = std::min<std::int64_t>(hour - role.hour - 1, static_cast<std::int64_t>(hours));
  for (std::int64_t i = 1; i <= quiet; ++i) learn_hour(role, hour_of_week(role.hour + i), 0);
  role.hour = hour;
  role.counted = 0;
}

void RoleClock::learn_hour(Role& role, std::size_t at, double count) {
  if (role.weeks[at] > 0 && role.expected[at] > 0)
    count = std::clamp(count, winsor_low * double{role.expected[at]}, winsor_high * double{role.expected[at]});
  const double share = std::max(1.0 / (role.weeks[at] + 1.0), learn_share_min);
  role.means[at] += static_cast<float>(share * (count - double{role.means[at]}));
  if (role.weeks[at] < 255) ++role.weeks[at];
  // The same hour of all days that are known.
  const std::size_t of_day = at % 24;
  double sum = 0, known = 0;
  for (std::size_t i = of_day; i < hours; i += 24)
    if (role.weeks[i] > 0) {
      sum += double{role.means[i]};
      known += 1;
    }
  const double any_day = sum / known;
  const double weight = other_days_weight + other_days_events / (any_day + 1);
  for (std::size_t i = of_day; i < hours; i += 24) {
    const double weeks = std::min<double>(role.weeks[i], 1 / learn_share_min);
    role.expected[i] = static_cast<float>((weeks * double{role.means[i]} + weight * any_day) / (weeks + weight));
  }
  double total = 0, hours_known = 0;
  for (std::size_t i = 0; i < hours; ++i)
    if (role.expected[i] > 0 || role.weeks[i] > 0) {
      total += double{role.expected[i]};
      hours_known += 1;
    }
  role.mean = static_cast<float>(total / hours_known);
  role.norm = role.mean > 0 ? 1 / role.mean : 0;
}

}  // namespace tidewaiter::detect
