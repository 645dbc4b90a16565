// Windows: open sums of egress bytes, one per series, time scale and window start, closed by the watermark. Kept in a
// slab of fixed size with an index and one list per closing time, so partitions may be days apart in event time and
// closing costs nothing per window that stays open. When the slab is full the windows that end first are closed early,
// which is counted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"

namespace tidewaiter::detect {

/// What a series is about; also the order in which windows of one end are judged.
enum class SeriesKind : std::uint8_t { pair, principal, app };
inline constexpr std::size_t series_kinds = 3;
inline constexpr std::size_t scales = 3;
inline constexpr std::int64_t scale_s[scales] = {300, 3600, 86'400};

struct alignas(64) Window {
  Key key;              // of series, scale and start
  Key series;
  Key principal, app, destination, category, tenant, role, observer;  // names in Names, 0 = none
  std::uint64_t bytes;
  std::uint64_t explained;  // bytes above expectation that were alerted on another series or scale already
  std::uint64_t data_classes;
  std::int64_t start_s;
  std::uint32_t events;
  float high_nats;          // of the high windows of 5 min in it, together
  std::uint16_t quota;
  std::uint8_t scale;
  SeriesKind kind;
  std::uint8_t principal_type, risk_tier;
  std::uint16_t high_windows;
  EvidenceRef top[2];       // the largest events, largest first

  std::uint64_t net_bytes() const { return bytes > explained ? bytes - explained : 0; }
  std::int64_t end_s() const { return start_s + scale_s[scale]; }
  void take(const EvidenceRef& evidence);
};
static_assert(sizeof(Window) == 192);

class WindowTable {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  explicit WindowTable(std::uint64_t memory_bytes);
  ~WindowTable();
  WindowTable(const WindowTable&) = delete;
  WindowTable& operator=(const WindowTable&) = delete;

  static Key key_of(Key series, std::uint8_t scale, std::int64_t start_s) {
    return combine(series, static_cast<std::uint64_t>(start_s) * 4 + scale);
  }
  void prefetch(Key key) const { prefetch_line(&index_[key & mask_]); }
  /// Some time after prefetch(); false when the window is surely not open.
  bool prefetch_window(Key key) const {
    const Entry& entry = index_[key & mask_];
    if (!entry.used()) return false;
    if (entry.key_low == static_cast<std::uint32_t>(key)) prefetch_slot(entry.slot);
    return true;
  }
  void prefetch_slot(std::uint32_t slot) const {
    for (std::size_t at = 0; at < sizeof(Window); at += 64) prefetch_line(reinterpret_cast<const char*>(&slab_[slot]) + at);
  }
  Window* find(Key key);
  /// The window of this key; new ones are zeroed but for key, scale, start and kind. nullptr when the slab is full.
  Window* find_or_open(Key key, std::uint8_t scale, std::int64_t start_s, SeriesKind kind, bool& opened);

  /// A list of windows with the same end, scale and kind; `order` sorts by end, then scale, then kind.
  struct Group {
    std::uint64_t order;
    std::uint32_t head, tail;
    std::int64_t end_s() const { return static_cast<std::int64_t>(order >> 8); }
  };
  bool empty() const { return groups_.empty(); }
  std::int64_t first_end_s() const { return static_cast<std::int64_t>(groups_.begin()->first >> 8); }
  /// Takes the first group out of the order; its windows stay until released.
  Group take_first_group();
  Window& at(std::uint32_t slot) { return slab_[slot]; }
  const Window& at(std::uint32_t slot) const { return slab_[slot]; }
  /// The one behind it in its group; `none` at the end.
  std::uint32_t next(std::uint32_t slot) const { return next_[slot]; }
  void release(std::uint32_t slot);

  std::uint64_t open() const { return open_; }
  std::uint64_t memory_bytes() const {
    return capacity_ * (sizeof(Window) + sizeof next_[0]) + index_.size() * sizeof index_[0];
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  // Half of the key is kept beside its slot: of other windows nothing is read.
  struct Entry {
    std::uint32_t key_low = 0, slot = none;
    bool used() const { return slot != none; }
  };
  bool is(const Entry& entry, Key key) const {
    return entry.used() && entry.key_low == static_cast<std::uint32_t>(key) && slab_[entry.slot].key == key;
  }
  static constexpr std::size_t overhead_bytes = 3 * sizeof(Entry) + sizeof(std::uint32_t);  // of index_ and next_, a window, at most

  std::uint32_t allocate();
  void index_insert(Key key, std::uint32_t slot);
  void index_erase(Key key);
  void append(std::uint64_t order, std::uint32_t slot);
  static std::uint64_t order_of(const Window& window);

  const std::uint32_t capacity_;
  const std::uint64_t mask_;
  Window* slab_ = nullptr;
  std::vector<Entry> index_;          // linear probing
  std::vector<std::uint32_t> next_;   // by slot, apart from the windows: a walk through a list waits for none of them
  std::uint32_t free_ = none, fresh_ = 0;
  std::uint64_t open_ = 0;
  struct List {
    std::uint32_t head, tail;
  };
  std::pmr::unsynchronized_pool_resource nodes_;  // of groups_: no allocation once warm
  std::pmr::map<std::uint64_t, List> groups_{&nodes_};
  // The group that was appended to last, by scale and kind, which are the lower bits of the order.
  struct Newest {
    std::uint64_t order = 0;
    List* list = nullptr;
  };
  std::array<Newest, 64> newest_{};
};

}  // namespace tidewaiter::detect
