// Ticker: decides, from what was stored and from the wall clock, when a `tick` control record is due: it names the
// partitions that became idle or active and the event time reached, so that event time moves on while they are silent
// and a replay sees the very same (semantics 14). Pure: time is passed in. Owned by the writer thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/record.hpp"

namespace tidewaiter::app {

struct TickerConfig {
  std::int64_t idle_after_ms = 5'000;       // a partition without a message for so long is idle
  std::int64_t tick_interval_ms = 30'000;   // while all partitions are idle
};

class Ticker {
 public:
  explicit Ticker(TickerConfig config) : config_(config) {}

  /// Partitions that a source reads: the JSON of a tick that must stand before their first event, or nothing when all
  /// are known. Without it the first partition that is read would run ahead and make the others' events late.
  std::optional<std::string> announce(const std::vector<std::pair<const Origin*, std::uint32_t>>& assigned,
                                      std::int64_t now_ns);
  /// Whether everything that the broker has of this partition is read: while not, it is slow and never idle.
  void set_at_end(const Origin* origin, std::uint32_t partition, bool at_end);
  /// A partition has been silent long enough to be idle, if it is at its end: ask the sources before due().
  bool suspects_idle(std::int64_t now_ns) const;
  /// A commit was written.
  void observe(const Commit& commit, std::int64_t now_ns);
  /// The JSON of a tick that is due now, or nothing.
  std::optional<std::string> due(std::int64_t now_ns);
  /// All partitions are idle from now on: the input has ended. Nothing when there are none.
  std::optional<std::string> end_of_input();

 private:
  struct Partition {
    std::int64_t received_ns = 0;      // wall clock
    std::int64_t event_time_ns = 0;    // newest
    bool has_own_time = false;         // some event said its time itself
    bool idle = false;
    bool at_end = true;
    bool changed = false;              // since the last tick
    void see(const Event& event);
  };
  using Key = std::tuple<const Origin*, std::uint32_t>;
  struct ByName {
    bool operator()(const Key& a, const Key& b) const;
  };

  bool silent(const Partition& partition, std::int64_t now_ns) const;
  std::int64_t event_time_reached(std::int64_t now_ns) const;
  std::string tick(std::int64_t event_time_ns);

  const TickerConfig config_;
  std::map<Key, Partition, ByName> partitions_;
  std::int64_t last_tick_ns_ = 0;
};

}  // namespace tidewaiter::app
