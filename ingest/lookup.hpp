// Lookups for tables of users: a text, the longest suffix of a host, the longest beginning of a text, the longest prefix
// of an address. Open addressing over hashes of the keys, compared in full; immutable once made, shared by any number of
// threads. No allocation in find(); one pass over the text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.hpp"

namespace tidewaiter::ingest {

inline constexpr std::uint32_t no_row = 0xFFFFFFFF;

/// Keys by a hash that their owner computes.
template <class Key>
class HashRows {
 public:
  void add(std::uint64_t hash, Key key, std::uint32_t row) {
    if ((used_ + 1) * 2 > slots_.size()) grow();
    put({hash, row, std::move(key)});
    ++used_;
  }
  std::uint32_t find(std::uint64_t hash, const auto& key) const {
    if (slots_.empty()) return no_row;
    for (std::size_t at = place(hash);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.row == no_row) return no_row;
      if (slot.hash == hash && slot.key == key) return slot.row;
    }
  }
  bool empty() const { return used_ == 0; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t row = no_row;
    Key key{};
  };
  std::size_t place(std::uint64_t hash) const { return (hash ^ hash >> 32) & (slots_.size() - 1); }
  void put(Slot slot) {
    std::size_t at = place(slot.hash);
    while (slots_[at].row != no_row) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = std::move(slot);
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    std::swap(old, slots_);
    for (Slot& slot : old)
      if (slot.row != no_row) put(std::move(slot));
  }
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

/// The same text.
class TextRows {
 public:
  void add(std::string_view text, std::uint32_t row);
  std::uint32_t find(std::string_view text) const;
  bool empty() const { return rows_.empty(); }

 private:
  HashRows<std::string> rows_;
};

/// The longest key that is the host or stands behind one of its dots.
class SuffixRows {
 public:
  void add(std::string_view host, std::uint32_t row);
  std::uint32_t find(std::string_view host) const;

 private:
  HashRows<std::string> rows_;
  std::size_t bytes_max_ = 0;
};

/// The longest key that the text begins with.
class BeginningRows {
 public:
  void add(std::string_view beginning, std::uint32_t row);
  std::uint32_t find(std::string_view text) const;

 private:
  HashRows<std::string> rows_;
  std::vector<bool> lengths_;  // that keys have
};

/// The longest prefix that the address lies in.
class NetRows {
 public:
  void add(const Ip& base, int prefix_bits, std::uint32_t row);
  std::uint32_t find(const Ip& address) const;

 private:
  struct Net {
    std::uint64_t high, low;
    int prefix_bits;
    bool operator==(const Net&) const = default;
  };
  static Net net_of(const Ip& address, int prefix_bits);
  static std::uint64_t hash(const Net& net);
  HashRows<Net> rows_;
  std::vector<int> lengths_;  // that keys have, longest first
};

}  // namespace tidewaiter::ingest
