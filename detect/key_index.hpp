// KeyIndex: a number for each of some keys, in one or two cache lines per look-up. Open addressing with linear probing,
// never more than half full; it grows with its keys and forgets none until clear(). Only looked up, so its order decides
// nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "core/prefetch.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::detect {

class KeyIndex {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  void prefetch(Key key) const { prefetch_line(&entries_[first(key)]); }

  /// `none` when absent.
  std::uint32_t find(Key key) const {
    for (std::size_t at = first(key); entries_[at].key != 0; at = (at + 1) & (entries_.size() - 1))
      if (entries_[at].key == key) return entries_[at].number;
    return none;
  }
  /// A key that is absent.
  void insert(Key key, std::uint32_t number) {
    if (2 * ++used_ > entries_.size()) grow();
    put({key, number});
  }
  /// Keeps its memory.
  void clear() {
    if (used_ != 0) entries_.assign(entries_.size(), {});
    used_ = 0;
  }

 private:
  struct Entry {
    Key key = 0;  // 0 = empty
    std::uint32_t number = 0;
  };
  std::size_t first(Key key) const { return (key ^ key >> 32) & (entries_.size() - 1); }
  void put(const Entry& entry) {
    std::size_t at = first(entry.key);
    while (entries_[at].key != 0) at = (at + 1) & (entries_.size() - 1);
    entries_[at] = entry;
  }
  void grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old)
      if (entry.key != 0) put(entry);
  }

  std::vector<Entry> entries_ = std::vector<Entry>(64);  // a power of two
  std::size_t used_ = 0;
};

}  // namespace tidewaiter::detect
