#include "detect/silence.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t minute_ns = 60 * second_ns;
constexpr std::int64_t hour_ns = 3600 * second_ns;
constexpr std::int64_t day_ns = 24 * hour_ns;
constexpr std::int64_t check_ns = 5 * minute_ns;
constexpr std::int64_t warm_age_ns = 8 * day_ns;  // one weekend at least
constexpr std::int64_t gap_min_ns = 15 * minute_ns;
constexpr double log_p_max = -16;                 // 1e-7 per check of one source
constexpr double gap_factor = 1.5;                // over the longest gap so far
constexpr double gap_decay = 0.999;               // of the longest gap, per hour
constexpr float average_min = 0.15f;              // weight of the newest day in the hour's average
constexpr float days_min = 3;                     // an hour of the week counts in full once it was seen so often
constexpr double suspect_share = 0.5;             // of log_p_max: falls silent together with others
constexpr std::size_t together_min = 5;           // and half of the living: one alert for all

int weekend_of(std::int64_t hour) { return ((hour / 24) + 3) % 7 >= 5; }  // 1970-01-01 was a Thursday

template <std::size_t n>
void copy_name(char (&out)[n], std::string_view text) {
  const std::size_t size = std::min(text.size(), n - 1);
  std::memcpy(out, text.data(), size);
  out[size] = 0;
}

}  // namespace

Silence::Silence(std::uint64_t memory_bytes)
    : sources_max_(std::max<std::size_t>(memory_bytes / (sizeof(Source) + 64), 16)) {
  sources_.reserve(sources_max_);
}

void Silence::prefetch_source(const EventKeys& keys) const {
  const std::uint32_t at = index_.find(source_key(keys));
  if (at == KeyIndex::none) return;
  prefetch_line(&sources_[at]);
  prefetch_line(&sources_[at].last);
}

void Silence::observe(const EventKeys& keys, const Seen& seen, const Watermark& watermark) {
  const Event& event = *seen.event;
  const std::int64_t time_ns = event.time_ns();
  if (const Key key = source_key(keys); key != 0) {
    const std::uint32_t at = index_.find(key);
    const Str column = keys.observer != 0 ? Str::observer : Str::app;
    Source* source = at != KeyIndex::none ? &sources_[at]
                                          : add(keys.observer != 0 ? Type::observer : Type::app, key, event.get(column),
                                                event.get(Str::tenant), time_ns);
    if (source != nullptr) hear(*source, seen);
  }
  const Key key = combine(0x9a27, seen.partition);
  const std::uint32_t at = index_.find(key);
  if (at != KeyIndex::none) return hear(sources_[at], seen);
  const Origin& origin = *watermark.origin(seen.partition);
  const std::string name = origin.topic + '/' + std::to_string(watermark.number(seen.partition));
  if (Source* source = add(Type::partition, key, name, {}, time_ns)) hear(*source, seen);
}

Silence::Source* Silence::add(Type type, Key key, std::string_view name, std::string_view tenant, std::int64_t time_ns) {
  if (sources_.size() == sources_max_) {
    ++untracked_;
    return nullptr;
  }
  index_.insert(key, static_cast<std::uint32_t>(sources_.size()));
  Source& source = sources_.emplace_back();
  source.key = key;
  source.type = type;
  source.first_ns = source.last_ns = time_ns;
  source.hour = time_ns / hour_ns;
  copy_name(source.name, name);
  copy_name(source.tenant, tenant);
  return &source;
}

void Silence::hear(Source& source, const Seen& seen) {
  const std::int64_t time_ns = seen.event->time_ns();
  ++source.events;
  source.silent = false;
  if (time_ns < source.last_ns) return;  // a straggler says nothing about now
  if (!source.silent) source.longest_gap_ns = std::max(source.longest_gap_ns, time_ns - source.last_ns);
  close_hours(source, time_ns / hour_ns);
  source.count += 1;
  source.last_ns = time_ns;
  source.last = seen.evidence();
}

// Every hour that ended is learnt, the empty ones too, but no more than a week of them: that long it was gone.
void Silence::close_hours(Source& source, std::int64_t hour) {
  if (hour <= source.hour) return;
  const std::int64_t from = std::max(source.hour, hour - 7 * 24);
  for (std::int64_t at = from; at < hour; ++at) {
    const float count = at == source.hour ? source.count : 0;
    float& rate = source.rate[weekend_of(at)][at % 24];
    float& days = source.days[weekend_of(at)][at % 24];
    if (days >= 2 && rate > 0.5f) {
      const float ratio = std::min((count - rate) * (count - rate) / rate, 50.0f);
      source.dispersion += 0.02f * (std::max(ratio, 0.0f) - source.dispersion);
    }
    days += 1;
    rate += std::max(1 / days, average_min) * (count - rate);
    source.longest_gap_ns = static_cast<std::int64_t>(static_cast<double>(source.longest_gap_ns) * gap_decay);
  }
  source.hour = hour;
  source.count = 0;
}

double Silence::expected(const Source& source, std::int64_t from_ns, std::int64_t to_ns) {
  double sum = 0;
  for (std::int64_t hour = from_ns / hour_ns; hour <= to_ns / hour_ns && hour < from_ns / hour_ns + 7 * 24; ++hour) {
    const std::int64_t start = std::max(from_ns, hour * hour_ns), end = std::min(to_ns, (hour + 1) * hour_ns);
    const double share = static_cast<double>(end - start) / static_cast<double>(hour_ns);
    const float days = source.days[weekend_of(hour)][hour % 24];
    const double trust = days >= days_min ? 1 : days >= 2 ? 0.25 : 0;
    sum += trust * share * double{source.rate[weekend_of(hour)][hour % 24]};
  }
  return sum;
}

double Silence::log_p(const Source& source, std::int64_t now_ns) {
  const std::int64_t gap = now_ns - source.last_ns;
  if (source.silent || gap < gap_min_ns || source.last_ns - source.first_ns < warm_age_ns) return 0;
  if (static_cast<double>(gap) < gap_factor * static_cast<double>(source.longest_gap_ns)) return 0;
  return -expected(source, source.last_ns, now_ns) / std::max(double{source.dispersion}, 1.0);
}

Silence::Finding Silence::find(const Source& source, std::int64_t now_ns) {
  Finding finding;
  static constexpr std::string_view types[] = {"observer", "app", "partition"};
  finding.source = source.key;
  finding.type = types[static_cast<std::size_t>(source.type)];
  finding.name = source.name;
  finding.tenant = source.tenant;
  finding.last_ns = source.last_ns;
  finding.now_ns = now_ns;
  finding.expected = expected(source, source.last_ns, now_ns);
  finding.p_value = std::exp(log_p(source, now_ns));
  finding.longest_gap_ns = source.longest_gap_ns;
  finding.first_ns = source.first_ns;
  finding.events = source.events;
  finding.last = source.last;
  return finding;
}

void Silence::close(std::int64_t watermark_ns, std::vector<Finding>& out) {
  if (watermark_ns < next_check_ns_) return;
  const std::int64_t now_ns = watermark_ns / check_ns * check_ns;
  next_check_ns_ = now_ns + check_ns;
  std::size_t living = 0, suspect = 0;
  Source* worst = nullptr;
  for (Source& source : sources_) {
    living += !source.silent && now_ns - source.last_ns < 7 * day_ns;
    const double log_p_now = log_p(source, now_ns);
    suspect += log_p_now <= suspect_share * log_p_max;
    if (log_p_now <= log_p_max && (worst == nullptr || log_p_now < log_p(*worst, now_ns))) worst = &source;
  }
  if (worst == nullptr) return;
  const bool together = suspect >= together_min && suspect * 2 >= living;
  if (together) {
    Finding all = find(*worst, now_ns);
    all.source = combine(0xa11, 0);
    all.type = "pipeline";
    all.name = "all sources";
    all.tenant.clear();
    all.sources = suspect;
    out.push_back(std::move(all));
  }
  for (Source& source : sources_) {
    const double log_p_now = log_p(source, now_ns);
    if (log_p_now > (together ? suspect_share * log_p_max : log_p_max)) continue;
    if (!together) out.push_back(find(source, now_ns));
    source.silent = true;
  }
}

void Silence::save(SnapshotWriter& out) const {
  out.put<std::uint64_t>(sources_.size());
  for (const Source& source : sources_) {
    out.put(source.key);
    out.put(source.type);
    out.put(source.silent);
    out.put(source.first_ns);
    out.put(source.last_ns);
    out.put(source.longest_gap_ns);
    out.put(source.hour);
    out.put(source.count);
    out.put(source.dispersion);
    out.put(source.events);
    out.put(source.last);
    out.put(source.rate);
    out.put(source.days);
    out.put(source.name);
    out.put(source.tenant);
  }
  out.put(untracked_);
  out.put(next_check_ns_);
}

bool Silence::load(SnapshotReader& in) {
  for (std::uint64_t n = in.get_count(600); n > 0 && in.ok(); --n) {
    if (sources_.size() == sources_max_) return false;
    Source& source = sources_.emplace_back();
    source.key = in.get<Key>();
    source.type = in.get<Type>();
    source.silent = in.get<bool>();
    source.first_ns = in.get<std::int64_t>();
    source.last_ns = in.get<std::int64_t>();
    source.longest_gap_ns = in.get<std::int64_t>();
    source.hour = in.get<std::int64_t>();
    source.count = in.get<float>();
    source.dispersion = in.get<float>();
    source.events = in.get<std::uint64_t>();
    source.last = in.get<EvidenceRef>();
    in.get_bytes(source.rate, sizeof source.rate);
    in.get_bytes(source.days, sizeof source.days);
    in.get_bytes(source.name, sizeof source.name);
    in.get_bytes(source.tenant, sizeof source.tenant);
    index_.insert(source.key, static_cast<std::uint32_t>(sources_.size() - 1));
  }
  untracked_ = in.get<std::uint64_t>();
  next_check_ns_ = in.get<std::int64_t>();
  return in.ok();
}

}  // namespace tidewaiter::detect
