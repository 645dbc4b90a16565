// Caps: hard sums of egress bytes per rule, app (or principal) and window of event time. Windows are aligned to UTC;
// a late event still counts in its own window. Bytes of different observers are never summed. A rule is broken by the
// event that takes the sum over the cap, once per window.
#pragma once

#include <cstdint>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/rule.hpp"
#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class Caps {
 public:
  explicit Caps(std::uint64_t memory_bytes) : table_(memory_bytes) {}

  struct Breach {
    std::uint64_t bytes = 0;  // of the window so far; 0 = no breach
    std::uint32_t events = 0;
    std::int64_t start_ns = 0;
    EvidenceRef largest;
  };
  void prefetch(const Rule& rule, const EventKeys& keys, const Event& event) const {
    table_.prefetch(key_of(rule, keys, event.time_ns() / rule.window_ns));
  }
  Breach add(const Rule& rule, const EventKeys& keys, const Seen& seen) {
    const std::int64_t window = seen.event->time_ns() / rule.window_ns;
    if (who(rule, keys) == 0) return {};
    Slot& slot = *table_.find_or_insert(key_of(rule, keys, window), keys.quota).slot;
    const std::uint64_t before = slot.bytes;
    slot.bytes += seen.event->get(Num::bytes_out);
    slot.events += 1;
    slot.end_s = static_cast<std::uint32_t>((window + 1) * rule.window_ns / 1'000'000'000);
    const EvidenceRef evidence = seen.evidence();
    if (slot.largest.used == 0 || evidence.bytes_kb > slot.largest.bytes_kb) slot.largest = evidence;
    if (before > rule.bytes || slot.bytes <= rule.bytes) return {};
    return {slot.bytes, slot.events, window * rule.window_ns, slot.largest};
  }

  const auto& table() const { return table_; }
  auto& table() { return table_; }

 private:
  static Key who(const Rule& rule, const EventKeys& keys) { return rule.per_principal ? keys.principal : keys.app; }
  static Key key_of(const Rule& rule, const EventKeys& keys, std::int64_t window) {
    return combine(combine(rule.key, who(rule, keys)), combine(keys.observer, static_cast<std::uint64_t>(window)));
  }

  struct alignas(64) Slot {
    Key key;
    std::uint64_t bytes;
    std::uint32_t events, end_s;
    std::uint16_t quota, unused[3];
    EvidenceRef largest;
    std::uint64_t rank() const { return end_s; }
  };
  SlotTable<Slot> table_;
};

}  // namespace tidewaiter::detect
