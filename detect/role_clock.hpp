// RoleClock: how busy a role is at each hour of the week, and whether it is busier than that right now.
//
// Members of a role share a rhythm, so what one of them should do now is its own level times the role's season, times
// what its peers do beyond theirs (the common effect: a release, a backup night, a rush). Per role and hour of the week
// (UTC) the mean number of events, a weighted mean of the weeks (the newest counts at least a quarter), shrunk to the
// same hour of other days while few weeks are known, and interpolated between the middles of hours. An hour is learnt
// when it is over, winsorised to [1/4, 2] of what was expected. Divided by its mean over the week it is the season,
// whose integral over time is "busy time": a key's rate is counted per busy minute, not per minute.
//
// Shock = max(1, (R - sqrt(E) + s) / (E + s)): R events of the role under exponential half-lives of 1, 4 and 16 minutes,
// E what its season makes of that, the member in question left out of both, s = 15.
//
// Cost: one slot of 1 kB per role, mostly in cache.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

/// Half-lives of the decayed counts, a factor of 4 apart.
inline constexpr std::size_t rate_scales = 3;
inline constexpr std::array<double, rate_scales> rate_half_life_min = {1, 4, 16};
/// Minutes that an exponential window is worth: it holds so many times the rate.
inline constexpr std::array<double, rate_scales> rate_window_min = {1 / 0.6931471805599453, 4 / 0.6931471805599453,
                                                                    16 / 0.6931471805599453};

/// A value per scale, in one vector register (an extension that GCC and Clang share). The fourth lane is idle.
typedef double Scales __attribute__((vector_size(4 * sizeof(double))));
inline constexpr Scales rate_windows_min = {rate_window_min[0], rate_window_min[1], rate_window_min[2], 1};
/// The idle lane is the float that follows.
inline Scales scales_of(const float (&values)[rate_scales]) {
  typedef float Narrow __attribute__((vector_size(4 * sizeof(float))));
  Narrow narrow;
  std::memcpy(&narrow, values, sizeof narrow);
  return __builtin_convertvector(narrow, Scales);
}
inline Scales at_least(const Scales& values, double least) { return values < least ? least + Scales{} : values; }

/// Weights that remain after some minutes, per scale.
inline std::array<float, rate_scales> rate_decay(double elapsed_min) {
  if (elapsed_min == 0) return {1, 1, 1};
  const auto slow = static_cast<float>(std::exp2(-elapsed_min / rate_half_life_min[2]));
  const float middle = slow * slow * slow * slow;
  return {middle * middle * middle * middle, middle, slow};
}

class RoleClock {
 public:
  static constexpr std::size_t hours = 168;

  struct alignas(64) Role {
    Key key;
    std::int64_t last_ns;
    std::int64_t hour;               // since 1970, of the events being counted
    float counted;                   // in that hour
    std::uint16_t quota, first_hour; // first_hour: whether `hour` was begun in its middle
    float counts[rate_scales];       // decayed
    float norm;                      // 1 / mean of expected[]
    float usual[rate_scales];        // what the season makes of them
    float mean;                      // events per hour, over the week
    std::uint8_t weeks[hours];       // learnt, of each hour of the week
    float means[hours];
    float expected[hours];
    std::uint64_t rank() const { return static_cast<std::uint64_t>(last_ns / 1'000'000'000); }

    /// The season at a time: 1 = the mean of the week.
    double season(std::int64_t time_ns) const;
    /// Busy minutes between two times, `from` first.
    double busy_min(std::int64_t from_ns, std::int64_t to_ns) const;
    /// Factors that the others of the role have in common now, at least 1.
    Scales shock(const Scales& own, const Scales& own_usual) const;
    bool warm() const { return mean > 0; }

   private:
    /// The season at a share of the way from the middle of an hour of the week to that of the next.
    double season_between(std::size_t hour_of_week, double share) const;
  };

  static_assert(offsetof(Role, norm) == offsetof(Role, counts) + sizeof(Role::counts) &&
                offsetof(Role, mean) == offsetof(Role, usual) + sizeof(Role::usual), "the idle lanes of scales_of()");

  explicit RoleClock(std::uint64_t memory_bytes) : roles_(memory_bytes) {}

  void prefetch(Key role) const { roles_.prefetch(role, 128); }
  /// The role, with its counts brought to `time_ns` (which may run back) and this event not yet counted.
  Role& at(Key role, std::uint16_t quota, std::int64_t time_ns);
  /// Counts the event. One that another partition brings late weighs what is left of it by now.
  static void count(Role& role, std::int64_t time_ns);

  std::uint64_t evictions() const { return roles_.evictions(); }
  std::uint64_t memory_bytes() const { return roles_.memory_bytes(); }
  std::uint64_t slots_used() const { return roles_.used(); }
  void save(SnapshotWriter& out) const { roles_.save(out); }
  bool load(SnapshotReader& in) { return roles_.load(in); }

 private:
  static void close_hours(Role& role, std::int64_t hour);
  static void learn_hour(Role& role, std::size_t hour_of_week, double count);

  SlotTable<Role> roles_;
};

}  // namespace tidewaiter::detect
