// A column of strings in a block: dictionary-coded while values repeat, else lengths and bytes.
//   u8 0 dictionary: varint entries, each varint length + bytes; u8 width w (0, 1, 2 or 4); w bytes LE per value
//   u8 1 plain: lengths as an integer column, then all bytes
// The writer finds repeats with a small direct-mapped cache over length and first and last bytes: an entry may occur
// twice in a dictionary, which costs space and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "store/bytes.hpp"

namespace tidewaiter::store {

class StringColumnWriter {
 public:
  /// Forgets the values. Every 16th block tries the dictionary again if the last ones did not pay.
  void begin();
  void add(std::string_view value) {
    ++values_;
    if (plain_) {
      lengths_.push_back(value.size());
      bytes_.bytes(value);
      return;
    }
    Slot& slot = cache_[hash(value)];
    if (slot.epoch == epoch_ && slot.text.size() == value.size() &&
        std::memcmp(slot.text.data(), value.data(), value.size()) == 0) {
      ids_.push_back(slot.id);
      return;
    }
    slot = {value, epoch_, entries_++};
    ids_.push_back(slot.id);
    bytes_.string(value);
  }
  bool empty() const { return values_ == 0; }
  void finish(Bytes& out);

 private:
  struct Slot {
    std::string_view text;
    std::uint32_t epoch = 0;
    std::uint32_t id = 0;
  };
  static std::size_t hash(std::string_view text) {
    std::uint64_t a = 0, b = 0;
    if (text.size() >= 8) {
      std::memcpy(&a, text.data(), 8);
      std::memcpy(&b, text.data() + text.size() - 8, 8);
    } else if (text.size() >= 4) {
      std::uint32_t x, y;
      std::memcpy(&x, text.data(), 4);
      std::memcpy(&y, text.data() + text.size() - 4, 4);
      a = x;
      b = y;
    } else {
      for (const char c : text) a = a << 8 | static_cast<unsigned char>(c);
    }
    const std::uint64_t h = (a ^ (b << 1 | b >> 63) ^ text.size()) * 0x9E3779B97F4A7C15ull;
    return (h ^ h >> 32) * 0x9E3779B97F4A7C15ull >> 56;
  }

  std::array<Slot, 256> cache_{};
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint64_t> lengths_;  // plain only
  Bytes bytes_;                         // dictionary entries, or all values
  std::uint32_t entries_ = 0, values_ = 0, epoch_ = 1, blocks_ = 0;
  bool plain_ = false, pays_ = true;
};

/// Reads `count` values into `out` (replaced); the views point into the reader's bytes. False when they are wrong.
bool get_strings(ByteReader& in, std::size_t count, std::vector<std::string_view>& out);

}  // namespace tidewaiter::store
