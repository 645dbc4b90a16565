// OwnHours: how much a busy key does in each hour of its days. The season of a role (role_clock.hpp) is what its members
// share; where they live in several time zones it is flat, and who works four hours a day does six times his mean then,
// every day. Whoever is busy is therefore held against its own hours, too.
//
// Per hour of the day (UTC) an expectile (Newey & Powell 1987) of the rates at the ends of the key's blocks with events: it
// goes up by a twelfth of what a block is above it and down by a sixtieth of what one is below, so days of rest and calm
// ones leave the level of busy ones. A block teaches at most twice what was known (or is usual), so an hour of attack does not make itself ordinary.
// It is an upper level, never a reason to find silence.
// Cost: a 64-byte slot per key.
#pragma once

#include <array>
#include <cstdint>

#include "detect/keys.hpp"
#include "detect/role_clock.hpp"
#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class OwnHours {
 public:
  explicit OwnHours(std::uint64_t memory_bytes) : slots_(memory_bytes) {}

  void prefetch(Key key) const { slots_.prefetch_rare(key); }

  /// Events per minute that are the key's own level now, as windows of each scale see it: what is left of the hour before
  /// is in them. Zeros when nothing is known.
  std::array<double, rate_scales> per_min(Key key, std::int64_t time_ns) const;

  /// After a block that ended in an event at `time_ns`: the rate then, of which at most `most_per_min` are believed when
  /// the hour is not known to have more.
  void learn(Key key, std::uint16_t quota, std::int64_t time_ns, double per_min, double most_per_min);

  std::uint64_t evictions() const { return slots_.evictions(); }
  std::uint64_t memory_bytes() const { return slots_.memory_bytes(); }
  std::uint64_t used() const { return slots_.used(); }
  void save(SnapshotWriter& out) const { slots_.save(out); }
  bool load(SnapshotReader& in) { return slots_.load(in); }

 private:
  static constexpr std::size_t hours = 24;
  struct alignas(64) Slot {
    Key key;
    std::uint16_t per_min[hours];  // * 64; 0 = not known
    std::uint32_t last_s;
    std::uint16_t quota;
    std::uint64_t rank() const { return last_s; }
  };

  SlotTable<Slot> slots_;
};

}  // namespace tidewaiter::detect
