// SlotTable: fixed slots in groups of eight, allocated once, never more. A key lives in its group, found in one or two
// probes. When the group is full a new key takes the place of the least valuable slot *of its own quota* (a tenant and
// role), or of the quota that holds most of the group: a flood of fresh ids pushes out only its own kind
// (space-saving within a set; Metwally, Agrawal, El Abbadi 2005).
//
// Slot: trivially copyable, its size a multiple of 64, with `Key key` (0 = empty), `std::uint16_t quota` and
// `std::uint64_t rank() const` (the lowest goes first). Snapshots cost as much as slots are used.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "core/prefetch.hpp"
#include "detect/codec.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::detect {

/// Of a slot that is used again and again: each use is worth a day, up to 24 of them; among equals the older goes first.
inline std::uint64_t rank_of_use(std::int64_t last_ns, float uses) {
  return static_cast<std::uint64_t>(last_ns / 1'000'000'000) +
         std::min<std::uint64_t>(static_cast<std::uint64_t>(uses), 24) * 86'400;
}

template <class Slot>
class SlotTable {
  static_assert(std::is_trivially_copyable_v<Slot> && sizeof(Slot) % 64 == 0);

 public:
  static constexpr std::size_t group_slots = 8;

  /// As many groups of slots as fit `bytes` (at least one). All pages are touched here, not later.
  explicit SlotTable(std::uint64_t bytes)
      : capacity_(std::max<std::uint64_t>(bytes / sizeof(Slot) / group_slots, 1) * group_slots),
        used_bits_((capacity_ + 63) / 64) {
    void* memory = mmap(nullptr, memory_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, memory_bytes(), MADV_HUGEPAGE);  // fewer TLB misses; harmless where refused
    slots_ = static_cast<Slot*>(memory);
    constexpr std::size_t page_bytes = 4096;
    for (std::size_t at = 0; at < memory_bytes(); at += page_bytes) static_cast<volatile char*>(memory)[at] = 0;
  }
  ~SlotTable() { munmap(slots_, memory_bytes()); }
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  /// The first bytes of the slot where the key most likely is.
  void prefetch(Key key, std::size_t bytes = std::min<std::size_t>(sizeof(Slot), 128)) const { prefetch_part(key, 0, bytes); }
  /// The lines of its bytes from `begin` to `end`.
  void prefetch_part(Key key, std::size_t begin, std::size_t end) const {
    const char* slot = reinterpret_cast<const char*>(&slots_[first(key)]);
    for (std::size_t at = begin / 64 * 64; at < end; at += 64) prefetch_line(slot + at);
  }

  /// nullptr when absent.
  const Slot* find(Key key) const { return const_cast<SlotTable*>(this)->find(key); }
  Slot* find(Key key) {
    const std::size_t group = first(key) & ~(group_slots - 1);
    for (std::size_t i = 0, at = first(key); i < group_slots; ++i, at = group | ((at + 1) & (group_slots - 1))) {
      if (slots_[at].key == key) return &slots_[at];
      if (slots_[at].key == 0) return nullptr;
    }
    return nullptr;
  }

  /// prefetch() of the first line for a key that may well be absent; false when it surely is.
  bool prefetch_rare(Key key) const {
    const std::size_t at = first(key);
    if (!is_used(at)) return false;
    prefetch_line(&slots_[at]);
    return true;
  }

  /// find() for keys that are rarely there: most of the others are told from the bits of the used slots alone.
  const Slot* find_rare(Key key) const { return is_used(first(key)) ? find(key) : nullptr; }

  struct Found {
    Slot* slot;
    bool inserted;  // zeroed but for key and quota
  };
  /// Never fails; the pointer holds until the next insertion.
  Found find_or_insert(Key key, std::uint16_t quota) {
    const std::size_t group = first(key) & ~(group_slots - 1);
    for (std::size_t i = 0, at = first(key); i < group_slots; ++i, at = group | ((at + 1) & (group_slots - 1))) {
      if (slots_[at].key == key) return {&slots_[at], false};
      if (slots_[at].key == 0) {
        ++used_;
        used_bits_[at / 64] |= std::uint64_t{1} << (at % 64);
        return {fill(at, key, quota), true};
      }
    }
    ++evictions_;
    return {fill(victim(group, quota), key, quota), true};
  }

  std::uint64_t memory_bytes() const { return capacity_ * sizeof(Slot); }
  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t used() const { return used_; }
  std::uint64_t evictions() const { return evictions_; }

  void save(SnapshotWriter& out) const {
    out.put(capacity_);
    out.put(evictions_);
    out.put(used_);
    for (std::size_t word = 0; word < used_bits_.size(); ++word)
      for (std::uint64_t bits = used_bits_[word]; bits != 0; bits &= bits - 1) {
        const auto at = static_cast<std::uint32_t>(word * 64 + static_cast<unsigned>(std::countr_zero(bits)));
        out.put(at);
        out.put_bytes(&slots_[at], sizeof(Slot));
      }
  }
  /// Into an empty table. False when the snapshot is of another size.
  bool load(SnapshotReader& in) {
    if (in.get<std::uint64_t>() != capacity_) return false;
    evictions_ = in.get<std::uint64_t>();
    used_ = in.get_count(sizeof(std::uint32_t) + sizeof(Slot));
    for (std::uint64_t i = 0; i < used_ && in.ok(); ++i) {
      const auto at = in.get<std::uint32_t>();
      if (at >= capacity_) {
        in.fail();
        return false;
      }
      in.get_bytes(static_cast<void*>(&slots_[at]), sizeof(Slot));
      used_bits_[at / 64] |= std::uint64_t{1} << (at % 64);
    }
    return in.ok();
  }

 private:
  bool is_used(std::size_t at) const { return (used_bits_[at / 64] >> (at % 64) & 1) != 0; }
  // The high half of the product spreads keys over any number of slots (Lemire, "Fast random integer generation in an
  // interval", 2019); the first factor lets all of their bits count.
  std::size_t first(Key key) const {
    return static_cast<std::size_t>(static_cast<unsigned __int128>(key * 0x9e3779b97f4a7c15u) * capacity_ >> 64);
  }

  Slot* fill(std::size_t at, Key key, std::uint16_t quota) {
    std::memset(static_cast<void*>(&slots_[at]), 0, sizeof(Slot));
    slots_[at].key = key;
    slots_[at].quota = quota;
    return &slots_[at];
  }

  /// Of the quota that holds the most of the group, the new key counted in, its own preferred.
  std::size_t victim(std::size_t group, std::uint16_t quota) const {
    std::uint16_t loser = quota;
    std::size_t most = 1 + members(group, quota);
    if (most < group_slots / 2)
      for (std::size_t at = group; at < group + group_slots; ++at)
        if (const std::size_t count = members(group, slots_[at].quota); count > most) {
          most = count;
          loser = slots_[at].quota;
        }
    if (members(group, loser) == 0) loser = slots_[group].quota;
    std::size_t worst = group_slots;
    for (std::size_t at = group; at < group + group_slots; ++at)
      if (slots_[at].quota == loser &&
          (worst == group_slots || slots_[at].rank() < slots_[group + worst].rank()))
        worst = at - group;
    return group + worst;
  }
  std::size_t members(std::size_t group, std::uint16_t quota) const {
    std::size_t count = 0;
    for (std::size_t at = group; at < group + group_slots; ++at) count += slots_[at].quota == quota;
    return count;
  }

  const std::uint64_t capacity_;
  Slot* slots_ = nullptr;
  std::vector<std::uint64_t> used_bits_;
  std::uint64_t used_ = 0, evictions_ = 0;
};

}  // namespace tidewaiter::detect
