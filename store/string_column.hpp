// A column of strings in a block: dictionary-coded while values repeat; where only their heads do, as in "/app 61c886fa",
// heads apart from digits; else lengths and bytes.
//   u8 0 dictionary: varint entries, each varint length + bytes; u8 width w (0, 1, 2 or 4); w bytes LE per value
//   u8 1 plain: lengths as an integer column, then all bytes
//   u8 2 hexadecimal: lengths as an integer column; all digits (0-9a-f), two to a byte, high half first, lie in the
//        part of the block that is not compressed: identifiers and hashes are random, and zstd would only cost time
//   u8 3 heads: entries, width and ids as in a dictionary, of what stands before the hexadecimal digits that each value
//        ends with; how many these are as an integer column; the digits as in form 2
// The writer finds repeats with a small direct-mapped cache over length and first and last bytes: an entry may occur
// twice in a dictionary, which costs space and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "store/bytes.hpp"

namespace tidewaiter::store {

class StringColumnWriter {
 public:
  /// Forgets the values. The form follows the last blocks; every 16th tries the dictionary again if it did not pay.
  void begin();
  void add(std::string_view value) {
    ++values_;
    switch (form_) {
      case Form::dictionary:
        return add_entry(value);
      case Form::heads: {
        const std::size_t digits = hex_tail(value);
        lengths_.push_back(digits);
        digits_.bytes(value.substr(value.size() - digits));
        return add_entry(value.substr(0, value.size() - digits));
      }
      case Form::plain:
        lengths_.push_back(value.size());
        bytes_.bytes(value);
    }
  }
  bool empty() const { return values_ == 0; }
  void finish(Bytes& out, Bytes& uncompressed);

 private:
  enum class Form : std::uint8_t { dictionary, plain, heads };
  /// First and last 8 bytes: all of a string of up to 16 bytes.
  struct Ends {
    std::uint64_t first = 0, last = 0;
    bool operator==(const Ends&) const = default;
  };
  /// The known value is read where it stands in `bytes_`, which is warm; two slots share a cache line.
  struct alignas(32) Slot {
    Ends ends;
    std::uint32_t end = 0;  // of the value in bytes_
    std::uint32_t size = 0, epoch = 0, id = 0;
  };
  static std::size_t hex_tail(std::string_view value);
  bool heads_repeat() const;
  void add_entry(std::string_view value) {
    const Ends ends = ends_of(value);
    Slot& slot = cache_[hash(ends, value.size())];
    if (slot.epoch == epoch_ && slot.size == value.size() && slot.ends == ends && same_middle(slot.end, value)) {
      ids_.push_back(slot.id);
      return;
    }
    bytes_.string(value);
    slot = {ends, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(value.size()), epoch_,
            entries_++};
    ids_.push_back(slot.id);
  }
  static Ends ends_of(std::string_view text) {
    Ends ends;
    if (text.size() >= 8) {
      std::memcpy(&ends.first, text.data(), 8);
      std::memcpy(&ends.last, text.data() + text.size() - 8, 8);
    } else if (text.size() >= 4) {
      std::uint32_t first, last;
      std::memcpy(&first, text.data(), 4);
      std::memcpy(&last, text.data() + text.size() - 4, 4);
      ends = {first, last};
    } else {
      for (const char c : text) ends.first = ends.first << 8 | static_cast<unsigned char>(c);
    }
    return ends;
  }
  bool same_middle(std::size_t known_end, std::string_view value) const {
    if (value.size() <= 16) return true;
    const char* known = bytes_.view().data() + known_end - value.size();
    return std::memcmp(known + 8, value.data() + 8, value.size() - 16) == 0;
  }
  static std::size_t hash(const Ends& ends, std::size_t size) {
    const std::uint64_t h = (ends.first ^ (ends.last << 1 | ends.last >> 63) ^ size) * 0x9E3779B97F4A7C15ull;
    return (h ^ h >> 32) * 0x9E3779B97F4A7C15ull >> 56;
  }

  std::array<Slot, 256> cache_{};
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint64_t> lengths_;  // of values, or of digits
  Bytes bytes_;                         // entries, or all values
  Bytes digits_;
  std::uint32_t entries_ = 0, values_ = 0, epoch_ = 1, blocks_ = 0;
  Form form_ = Form::dictionary;
  bool repeats_ = true, heads_repeat_ = false;
};

/// Memory for strings that are no slice of the stored bytes; it never moves.
using UnpackedBytes = std::vector<std::unique_ptr<char[]>>;

/// Reads `count` values into `out` (replaced); the views point into the reader's bytes or into `unpacked`.
/// False when they are wrong.
bool get_strings(ByteReader& in, ByteReader& uncompressed, std::size_t count, std::vector<std::string_view>& out,
                 UnpackedBytes& unpacked);

/// The same as entries and which of them each value is: equal values mostly share one.
struct StringIds {
  std::vector<std::string_view> entries;
  std::vector<std::uint32_t> ids;
};
bool get_string_ids(ByteReader& in, ByteReader& uncompressed, std::size_t count, StringIds& out,
                    UnpackedBytes& unpacked);

}  // namespace tidewaiter::store
