// Names: the texts behind the hashes that detectors keep, so that an alert can say who it is about after the event
// has gone. Bounded: a name that is not used for long gives way to a newer one of its quota, and is then shown as its
// hash in hex. Names longer than the slot are cut.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class Names {
 public:
  explicit Names(std::uint64_t bytes) : table_(bytes) {}

  void keep(Key hash, std::string_view name, std::uint16_t quota, std::int64_t time_ns) {
    auto [slot, inserted] = table_.find_or_insert(hash, quota);
    slot->last_s = static_cast<std::uint32_t>(time_ns / 1'000'000'000);
    if (!inserted) return;
    slot->size = static_cast<std::uint8_t>(std::min(name.size(), sizeof slot->text));
    std::copy_n(name.data(), slot->size, slot->text);
  }

  void prefetch(Key hash) const { table_.prefetch(hash); }

  std::string of(Key hash) const {
    const Slot* slot = table_.find(hash);
    if (slot != nullptr) return std::string(slot->text, slot->size);
    char text[20];
    std::snprintf(text, sizeof text, "#%016llx", static_cast<unsigned long long>(hash));
    return text;
  }

  const auto& table() const { return table_; }
  auto& table() { return table_; }

 private:
  struct alignas(64) Slot {
    Key key;
    std::uint32_t last_s;
    std::uint16_t quota;
    std::uint8_t size;
    char text[241];
    std::uint64_t rank() const { return last_s; }
  };
  SlotTable<Slot> table_;
};

}  // namespace tidewaiter::detect
