#include "detect/odd_hours.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "detect/volume.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t hour_ns = 3'600'000'000'000;
constexpr std::uint64_t type_service = 2, type_ci_job = 4, type_host = 5;  // in enums::principal_type
static_assert(enums::principal_type_words[type_service] == "service" && enums::principal_type_words[type_ci_job] == "ci_job" &&
              enums::principal_type_words[type_host] == "host");
constexpr double machine_share = 1.0 / 3;  // of the findings
constexpr float weight_leaving = 1, weight_other = 0.5f;
constexpr double weeks_max = 10;          // that an hour of the week is averaged over
constexpr float prior_weeks = 1.5;       // what the prior is worth
constexpr double base_share = 0.05;       // of the prior that any hour has
constexpr double neighbour_share = 0.5;   // the hours beside count so much: habits are not punctual, clocks are changed
constexpr double odd_share = 1.0 / 3;     // of the average hour
constexpr double shape_min = 0.5;
constexpr double dispersion_prior = 1.5, dispersion_weight = 6;  // the latter in expected actions
constexpr float dispersion_keep = 0.998f;  // per odd hour
constexpr float busy_keep = 0.9f;           // per busy hour
constexpr double busy_slack = 4;            // actions that the excess of busy hours is measured against
constexpr double count_min = 3;
constexpr double interesting_nats = 3, hot_nats = 5;
constexpr double calibrated_days = 7, warm_weeks = 1;
constexpr double actions_min = 150;       // of history: of few actions in batches nobody knows their hours
constexpr std::uint32_t night_hours = 26;  // high hours so close are one observation, night after night
constexpr double winsor_per_day = 0.02;   // scores rarer than that are learnt as the least that is so rare
constexpr double news_nats = 3;           // more than what was told before
constexpr double forget_nats_per_day = 1;  // of what was told
constexpr double role_slack = 2;          // actions that the role's excess is measured against

/// Deviance of the gamma-Poisson law: what c actions say when m are expected with the evidence of `shape`.
double deviance(double c, double m, double shape) {
  return c <= m ? 0 : c * std::log(c / m) - (c + shape) * std::log((c + shape) / (m + shape));
}

/// The least c whose deviance reaches `nats`.
double least_count(double nats, double m, double shape) {
  double low = m, high = m + 1;
  while (deviance(high, m, shape) < nats && high < 1e9) high *= 2;
  for (int i = 0; i < 40; ++i) {
    const double middle = 0.5 * (low + high);
    (deviance(middle, m, shape) < nats ? low : high) = middle;
  }
  return high;
}

}  // namespace

float OddHours::Rate::get() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
void OddHours::Rate::set(float rate) {
  bits = static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(std::max(rate, 0.0f)) + 0x8000u) >> 16);
}

OddHours::OddHours(std::uint64_t memory_bytes, double findings_per_day, double handed_over)
    : findings_per_day_(findings_per_day), handed_over_(handed_over), profiles_(memory_bytes), tails_{{interesting_nats, 1.25}, {interesting_nats, 2.5}} {
  tails_[0].set_name("odd_hours");
  tails_[1].set_name("odd_hours_machine");
}

void OddHours::prefetch(const EventKeys& keys) const {
  if (keys.principal == 0) return;
  profiles_.prefetch(keys.principal, 64);
  profiles_.prefetch(role_key(keys), 64);
}

void OddHours::prefetch_hours(const EventKeys& keys, const Event& event) const {
  if (keys.principal == 0) return;
  const auto hour = static_cast<std::uint32_t>(event.time_ns() / hour_ns);
  for (const Key key : {keys.principal, role_key(keys)})
    if (const Profile* profile = profiles_.find(key); profile != nullptr && profile->hour != hour)
      profiles_.prefetch_part(key, 64, sizeof(Profile));
}

void OddHours::observe(const EventKeys& keys, const Seen& seen, std::vector<Finding>& out) {
  const auto type = seen.event->get(Num::principal_type);
  if (keys.principal == 0 || type == type_ci_job) return;  // a build comes when somebody pushes: its hours are not its own
  const auto hour = static_cast<std::uint32_t>(seen.event->time_ns() / hour_ns);
  const float weight = Volume::leaves(*seen.event) ? weight_leaving : weight_other;
  const auto [role, new_role] = profiles_.find_or_insert(role_key(keys), keys.quota);
  const auto [own, fresh] = profiles_.find_or_insert(keys.principal, keys.quota);
  if (role->key != role_key(keys)) return;  // it had to give way to the principal
  if (new_role) role->first_hour = role->hour = hour;
  if (fresh) {
    own->first_hour = own->hour = hour;
    own->machine = type == type_service || type == type_host;
  }
  if (!enter(*role, hour, nullptr) || !enter(*own, hour, role)) return;
  if (own->count == 0) own->first = seen.evidence();
  own->count += weight;
  // One member alone makes no excess of the role.
  if (own->count <= 3 * own->mean + 3) role->count += weight;
  if (own->odd && double{own->count} + double{own->count_before} >= count_min) judge(*own, *role, seen, out);
}

double OddHours::weeks(const Profile& profile) {
  return static_cast<double>(profile.hour - profile.first_hour) / static_cast<double>(week_hours);
}

bool OddHours::enter(Profile& profile, std::uint32_t hour, Profile* role) {
  if (hour < profile.hour) return false;
  if (hour == profile.hour && profile.mean > 0) return true;
  if (hour > profile.hour) close_hours(profile, hour, role);
  const float least = 1e-3f;
  if (role == nullptr) {
    profile.mean = std::max(profile.rates[hour % week_hours].get(), least);
    return true;
  }
  profile.mean = std::max(static_cast<float>(expectation(profile, *role, hour)), least);
  const double known = std::min(weeks(profile), weeks_max) * static_cast<double>(week_hours) * double{profile.level};
  profile.odd = weeks(profile) >= warm_weeks && known >= actions_min && double{profile.mean} < odd_share * double{profile.level};
  if (!profile.odd) profile.count_before = profile.mean_before = 0;
  return true;
}

// Every hour that is over is learnt, the empty ones too, but no more than a week of them.
void OddHours::close_hours(Profile& profile, std::uint32_t hour, Profile* role) {
  float count = profile.count;
  if (role != nullptr) {
    if (profile.peak > 0) end_night(profile, hour);
    else tail_of(profile).learn_ordinary(std::int64_t{hour} * hour_ns);
  }
  const bool hot = profile.odd && double{profile.peak} >= hot_nats && profile.peak_hour == profile.hour;
  if (hot) count = std::min(count, profile.mean + 2 * std::sqrt(profile.mean) + 1);
  const std::uint32_t from = std::max(profile.hour, hour - std::min<std::uint32_t>(hour, week_hours));
  for (std::uint32_t at = from; at < hour; ++at) {
    const bool empty = at != profile.hour;
    Rate& rate = profile.rates[at % week_hours];
    const float before = rate.get(), now = empty ? 0 : count;
    const auto seen = static_cast<float>((at - profile.first_hour) / week_hours);
    // Of empty hours their plain average is near enough to what was expected.
    if (role != nullptr && seen >= 1) {
      const float mean = empty ? before : profile.mean;
      if (empty ? double{before} < odd_share * double{profile.level} : profile.odd) {
        learn_dispersion(profile, *role, now, mean, seen + (empty ? 0 : prior_weeks));
      } else {
        profile.busy_count = busy_keep * profile.busy_count + now;
        profile.busy_mean = busy_keep * profile.busy_mean + mean;
      }
    }
    rate.set(before + std::max(1 / (seen + 1), static_cast<float>(1 / weeks_max)) * (now - before));
    profile.level += (rate.get() - before) / week_hours;
  }
  const bool in_a_row = profile.odd && hour == profile.hour + 1;
  profile.count_before = in_a_row ? profile.count : 0;
  profile.mean_before = in_a_row ? profile.mean : 0;
  profile.count = profile.mean = 0;
  profile.first = {};
  profile.odd = false;
  profile.hour = hour;
}

// An average of some weeks is uncertain itself: the law of count - mean has a variance of mean (1 + 1 / weeks).
void OddHours::learn_dispersion(Profile& own, Profile& role, float count, float mean, float weeks) {
  for (Profile* each : {&own, &role}) {
    each->squares = dispersion_keep * each->squares + (count - mean) * (count - mean);
    each->means = dispersion_keep * each->means + mean * (1 + 1 / weeks);
  }
}

void OddHours::end_night(Profile& profile, std::uint32_t hour) {
  if (hour - profile.peak_hour < night_hours) return;
  tail_of(profile).learn(double{profile.peak}, std::int64_t{hour} * hour_ns);
  profile.peak = 0;
}

double OddHours::expectation(const Profile& own, const Profile& role, std::uint32_t hour) {
  const double known = std::min(weeks(own), weeks_max), level = double{own.level};
  const bool role_known = weeks(role) >= warm_weeks && role.level > 0;
  const auto at = [&](std::uint32_t h) {
    const std::size_t of_week = h % week_hours;
    double same_hour = 0;
    for (std::size_t i = of_week % 24; i < week_hours; i += 24) same_hour += double{own.rates[i].get()};
    const double of_role = role_known ? double{role.rates[of_week].get()} / double{role.level} * level : level;
    const double prior = base_share * level + (1 - base_share) * 0.5 * (same_hour / 7 + of_role);
    return (known * double{own.rates[of_week].get()} + double{prior_weeks} * prior) / (known + double{prior_weeks});
  };
  return std::max({at(hour), neighbour_share * at(hour - 1), neighbour_share * at(hour + 1)});
}

double OddHours::dispersion(const Profile& own, const Profile& role) {
  const auto shrink = [](double to, const Profile& profile) {
    return (dispersion_weight * to + double{profile.squares}) / (dispersion_weight + double{profile.means});
  };
  return std::max(1.0, shrink(shrink(dispersion_prior, role), own));
}

OddHours::Standing OddHours::stand(const Profile& own, const Profile& role, double factor) const {
  const double spread = dispersion(own, role), evidence = std::min(weeks(own), weeks_max) + double{prior_weeks};
  const auto of = [&](double count, double mean, int hours) {
    Standing at;
    at.count = count;
    at.mean = factor * mean;
    at.shape = std::max(shape_min, mean * evidence);
    at.score = deviance(count, at.mean, at.shape) / spread;
    at.hours = hours;
    return at;
  };
  const Standing one = of(double{own.count}, double{own.mean}, 1);
  if (own.mean_before == 0) return one;
  const Standing two = of(double{own.count} + double{own.count_before}, double{own.mean} + double{own.mean_before}, 2);
  return two.score > one.score ? two : one;
}

void OddHours::judge(Profile& own, const Profile& role, const Seen& seen, std::vector<Finding>& out) {
  const double others = double{role.count} - double{std::min(own.count, 3 * own.mean + 3)};
  const double usual = std::max(double{role.mean} - double{own.mean}, 0.0);
  const double factor = std::max(1.0, (std::max(others, 0.0) + role_slack) / (usual + role_slack));
  const double busy = std::max(1.0, (double{own.busy_count} + busy_slack) / (double{own.busy_mean} + busy_slack));
  const Standing at = stand(own, role, busy * factor);
  if (at.score < interesting_nats) return;
  double learnt = at.score;
  const TailCalibrator& tail = tail_of(own);
  if (tail.days() >= calibrated_days) {
    const double rate = tail.rate_per_day(at.score);
    if (winsorising_ && rate < winsor_per_day) learnt = tail.bar(at.score, winsor_per_day);
    if (rate < findings_per_day(own) * handed_over_) {
      const double told = double{own.told} - forget_nats_per_day * static_cast<double>(own.hour - own.told_hour) / 24;
      const double bar = tail.bar(at.score, findings_per_day(own));
      const bool first_above = rate < findings_per_day(own) && told < bar;
      if (told <= 0 || first_above || at.score >= told + news_nats) {
        Finding& finding = out.emplace_back(find(own, role, at, bar, seen.evidence()));
        finding.rate_per_day = rate;
        finding.role_factor = factor;
        finding.busy_factor = busy;
        own.told = static_cast<float>(at.score);
        own.told_hour = own.hour;
      }
    }
  }
  own.peak = std::max(own.peak, static_cast<float>(learnt));
  own.peak_hour = own.hour;
}

double OddHours::findings_per_day(const Profile& own) const {
  return findings_per_day_ * (own.machine ? machine_share : 1 - machine_share);
}

OddHours::Finding OddHours::find(const Profile& own, const Profile& role, const Standing& at, double bar,
                                  const EvidenceRef& last) const {
  const double spread = dispersion(own, role);
  Finding finding;
  finding.observed = at.count;
  finding.expected = at.mean;
  finding.upper = least_count(std::log(100.0) * spread, at.mean, at.shape);
  finding.not_below = std::min(std::max(least_count(bar * spread, at.mean, at.shape), count_min), at.count);
  finding.pace = double{own.level};
  finding.hours = at.hours;
  finding.start_ns = (std::int64_t{own.hour} - at.hours + 1) * hour_ns;
  finding.score = at.score;
  finding.bar_per_day = findings_per_day(own);
  finding.p_value = tails_[own.machine].p_value(at.score);
  finding.calibration = tails_[own.machine].state_at(at.score);
  finding.weeks = weeks(own);
  finding.first_ns = std::int64_t{own.first_hour} * hour_ns;
  if (own.first.seq != last.seq || own.first.sub != last.sub) finding.first = own.first;
  return finding;
}

void OddHours::save(SnapshotWriter& out) const {
  profiles_.save(out);
  for (const TailCalibrator& tail : tails_) tail.save(out);
}

bool OddHours::load(SnapshotReader& in) {
  if (!profiles_.load(in)) return false;
  for (TailCalibrator& tail : tails_) tail.load(in);
  return in.ok();
}

}  // namespace tidewaiter::detect
