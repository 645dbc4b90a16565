#include "detect/budget.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "detect/periods.hpp"

namespace tidewaiter::detect {
bool Budget::open(std::uint32_t taken, std::uint32_t limit, double urgency) {
  if (taken >= limit) return false;
  const double last_fifth = 5 * (static_cast<double>(taken) / limit) - 4;  // 0 at its begin, 1 at its end
  if (urgency == news) return 5 * std::uint64_t{taken} < 2 * std::uint64_t{limit};
  return last_fifth < 0 || urgency >= 5 * std::pow(10.0, last_fifth);
}

double Budget::pace(std::uint32_t taken, std::int64_t time_ns) const {
  const double left = 0.8 * static_cast<double>(limits_.per_day) - static_cast<double>(taken);
  if (left <= 0) return 1;  // the last fifth has its own bar
  const double day_left = static_cast<double>((day_of(time_ns) + 1) * day_ns - time_ns) / static_cast<double>(day_ns);
  return std::max(1.0, ordinary_per_day_ * day_left / left);
}

bool Budget::take(std::int64_t time_ns, Key tenant, Severity severity, double urgency) {
  Day& day = days_[day_of(time_ns)];
  std::uint32_t& of_severity = day.by_severity[static_cast<std::size_t>(severity) % day.by_severity.size()];
  std::uint32_t& of_tenant = day.by_tenant[tenant];
  if (urgency != news && urgency < pace(day.taken, time_ns)) return false;
  if (!open(day.taken, limits_.per_day, urgency) || !open(of_tenant, limits_.per_tenant_and_day, urgency) ||
      !open(of_severity, limits_.per_severity_and_day[static_cast<std::size_t>(severity) % day.by_severity.size()], urgency))
    return false;
  ++day.taken;
  ++of_tenant;
  ++of_severity;
  return true;
}

std::uint32_t Budget::taken(std::int64_t time_ns) const {
  const auto day = days_.find(day_of(time_ns));
  return day == days_.end() ? 0 : day->second.taken;
}

std::int64_t Budget::forget(std::int64_t watermark_ns) {
  while (!days_.empty() && (days_.begin()->first + 2) * day_ns <= watermark_ns) days_.erase(days_.begin());
  return days_.empty() ? std::numeric_limits<std::int64_t>::max() : (days_.begin()->first + 2) * day_ns;
}

void Budget::save(SnapshotWriter& out) const {
  out.put<std::uint64_t>(days_.size());
  for (const auto& [number, day] : days_) {
    out.put(number);
    out.put(day.taken);
    out.put(day.by_severity);
    out.put<std::uint64_t>(day.by_tenant.size());
    for (const auto& [tenant, taken] : day.by_tenant) {
      out.put(tenant);
      out.put(taken);
    }
  }
}

void Budget::load(SnapshotReader& in) {
  for (std::uint64_t n = in.get_count(44); n > 0 && in.ok(); --n) {
    Day& day = days_[in.get<std::int64_t>()];
    day.taken = in.get<std::uint32_t>();
    day.by_severity = in.get<decltype(day.by_severity)>();
    for (std::uint64_t m = in.get_count(12); m > 0 && in.ok(); --m) {
      const Key tenant = in.get<Key>();
      day.by_tenant[tenant] = in.get<std::uint32_t>();
    }
  }
}

}  // namespace tidewaiter::detect
