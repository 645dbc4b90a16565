// Rhythm: when things are done: at hours at which nobody does them (odd_hours.hpp), or too regularly (beacon.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "detect/beacon.hpp"
#include "detect/odd_hours.hpp"

namespace tidewaiter::detect {

class Rhythm {
 public:
  /// `findings_per_day`: what is rarer than this on ordinary days is worth an alert; shared by both. Findings up to
  /// `handed_over` times as frequent are given as well, for what people's verdicts make of them.
  Rhythm(std::uint64_t memory_bytes, double findings_per_day, double handed_over)
      : odd_hours_(memory_bytes / 3 * 2, findings_per_day / 2, handed_over),
        beacon_(memory_bytes / 3, findings_per_day / 2, handed_over) {}

  /// Of one event; kept for their memory.
  struct Findings {
    std::vector<OddHours::Finding> odd_hours;
    std::vector<Beacon::Finding> beacons;
    bool empty() const { return odd_hours.empty() && beacons.empty(); }
    void clear() {
      odd_hours.clear();
      beacons.clear();
    }
  };

  void prefetch(const EventKeys& keys, const Event& event) const {
    odd_hours_.prefetch(keys);
    if (Beacon::asks(keys, event)) beacon_.prefetch(keys);
  }
  void prefetch_hours(const EventKeys& keys, const Event& event) const { odd_hours_.prefetch_hours(keys, event); }
  /// An event that is not late.
  void observe(const EventKeys& keys, const Seen& seen, Findings& out) {
    odd_hours_.observe(keys, seen, out.odd_hours);
    if (Beacon::asks(keys, *seen.event)) beacon_.observe(keys, seen, out.beacons);
  }

  std::uint64_t evictions() const { return odd_hours_.evictions() + beacon_.evictions(); }
  std::uint64_t slots_used() const { return odd_hours_.slots_used() + beacon_.slots_used(); }
  std::uint64_t memory_bytes() const { return odd_hours_.memory_bytes() + beacon_.memory_bytes(); }

  template <class Visit>
  void each_tail(Visit visit) const {
    for (const TailCalibrator* tail : {&odd_hours_.calibrator(false), &odd_hours_.calibrator(true), &beacon_.calibrator()})
      visit(tail->name(), *tail);
  }

  void ablate(const Ablation& parts) {
    odd_hours_.ablate(parts);
    beacon_.ablate(parts);
  }

  void save(SnapshotWriter& out) const {
    odd_hours_.save(out);
    beacon_.save(out);
  }
  bool load(SnapshotReader& in) { return odd_hours_.load(in) && beacon_.load(in); }

 private:
  OddHours odd_hours_;
  Beacon beacon_;
};

}  // namespace tidewaiter::detect
