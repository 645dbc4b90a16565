// Budget: how many statistical alerts a UTC day of event time may bring, over all, per tenant and per severity. A hard
// bound: what is over it goes to the day's digest. So that a noisy morning does not use up what the evening may need, the last fifth of a
// day's alerts is for what is rarer than an alert has to be, ten times at its begin and a hundred times at its end, and
// the last three tenths are not for what another detector says of an incident that was told.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "core/column.hpp"
#include "detect/codec.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::detect {

struct BudgetLimits {
  static constexpr std::uint32_t unlimited = UINT32_MAX;
  std::uint32_t per_day = 10;                      // over all
  std::uint32_t per_tenant_and_day = unlimited;
  std::array<std::uint32_t, 6> per_severity_and_day = {unlimited, unlimited, unlimited, unlimited, unlimited, unlimited};
};

class Budget {
 public:
  explicit Budget(BudgetLimits limits) : limits_(limits) {}

  /// Takes one alert from the day of `time_ns` if there is one left. `urgency` = rate it had to be below / its rate;
  /// `news`: what another detector says of an incident that was told.
  static constexpr double news = 0;
  bool take(std::int64_t time_ns, Key tenant, Severity severity, double urgency);
  /// Alerts taken on that day.
  std::uint32_t taken(std::int64_t time_ns) const;
  std::uint32_t per_day() const { return limits_.per_day; }

  /// Forgets days that ended a day before the watermark; the time of the next one, or the maximum.
  std::int64_t forget(std::int64_t watermark_ns);

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  struct Day {
    std::uint32_t taken = 0;
    std::map<Key, std::uint32_t> by_tenant;
    std::array<std::uint32_t, 6> by_severity{};
  };
  static bool open(std::uint32_t taken, std::uint32_t limit, double urgency);

  const BudgetLimits limits_;
  std::map<std::int64_t, Day> days_;
};

}  // namespace tidewaiter::detect
