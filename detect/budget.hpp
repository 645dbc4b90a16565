// Budget: how many statistical alerts a UTC day of event time may bring, over all, per tenant and per severity. A hard
// bound: what is over it goes to the day's digest. So that a noisy morning does not use up what the evening may need:
//
// - The last fifth of a day's alerts is for what is rarer than an alert has to be, five times at its begin and fifty times
//   at its end.
// - Before that the bar rises with the pace. Ordinary days bring B = false_alerts_per_day incidents at the bar and B / x that
//   are x times rarer, so of what is left of the day, a share t, B t / x are still to come. x is chosen so that they fit into
//   what is left of the budget without its last fifth: x = max(1, B t / (left - fifth)), the threshold of an online choice of
//   the best of a known rate (Gallego & van Ryzin, "Optimal dynamic pricing of inventories with stochastic demand over
//   finite horizons", Management Science 1994, in its fluid limit). While B is far below the budget x is 1.
// - The last three fifths are not for more about what was told within a day: it is known already.
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
  /// `ordinary_per_day`: B above.
  explicit Budget(BudgetLimits limits, double ordinary_per_day = 0) : limits_(limits), ordinary_per_day_(ordinary_per_day) {}

  /// Takes one alert from the day of `time_ns` if there is one left. `urgency` = rate it had to be below / its rate;
  /// `news`: more about what was told within a day.
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
  /// x above.
  double pace(std::uint32_t taken, std::int64_t time_ns) const;

  const BudgetLimits limits_;
  const double ordinary_per_day_;
  std::map<std::int64_t, Day> days_;
};

}  // namespace tidewaiter::detect
