// Keys of the column families. Integers are big-endian, so keys sort by number.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/text.hpp"

namespace tidewaiter::store {

/// Keys of numbers alone fit in place; only names can be longer.
class Key {
 public:
  template <class T>
  Key& num(T value) {
    char bytes[sizeof(T)];
    put_be<T>(bytes, value);
    return str({bytes, sizeof bytes});
  }
  Key& str(std::string_view text) {
    if (long_.empty() && size_ + text.size() <= sizeof short_) {
      if (!text.empty()) std::memcpy(short_ + size_, text.data(), text.size());
      size_ += text.size();
    } else {
      if (long_.empty()) long_.assign(short_, size_);
      long_.append(text);
    }
    return *this;
  }
  operator std::string_view() const {  // NOLINT: a key is used as its bytes
    return long_.empty() ? std::string_view(short_, size_) : std::string_view(long_);
  }

 private:
  char short_[32];
  std::size_t size_ = 0;  // of short_
  std::string long_;
};

/// raw: the bodies of the block that starts at `first_seq`.
inline Key raw_key(std::uint16_t log, std::uint64_t first_seq) { return Key().num(log).num(first_seq); }
inline constexpr std::size_t raw_key_size = 10;

/// cols: the version counts the mappings that were applied to the same records; 0 is what was scored live.
inline Key cols_key(std::uint16_t log, std::uint64_t first_seq, std::uint8_t version = 0) {
  return Key().num(log).num(first_seq).num(version);
}
inline constexpr std::size_t cols_key_size = 11;

/// tree: height is a multiple of 8.
inline Key tree_key(std::uint16_t log, std::uint8_t height, std::uint64_t index) {
  return Key().num(log).num(height).num(index);
}
inline Key commit_key(std::uint64_t number) { return Key().num(number); }
/// keys: salt key of the erasure unit that starts at `first_seq`.
inline Key salt_key_key(std::uint16_t log, std::uint64_t first_seq) { return Key().num(log).num(first_seq); }

/// offsets: what is held ('h'), what is said never to come ('g'), conflict records ('c').
inline Key offsets_key(char tag, std::uint32_t origin, std::uint32_t partition, std::uint64_t offset) {
  return Key().num(static_cast<std::uint8_t>(tag)).num(origin).num(partition).num(offset);
}
inline constexpr std::size_t offsets_key_size = 17;
inline Key conflict_key(std::uint32_t origin, std::uint32_t partition, std::uint64_t offset, std::uint64_t seq) {
  return offsets_key('c', origin, partition, offset).num(seq);
}
inline Key position_key(std::uint32_t origin, std::uint32_t partition) { return Key().num(origin).num(partition); }

inline Key head_key(std::uint16_t log, std::uint32_t generation, std::uint64_t size) {
  return Key().num(log).num(generation).num(size);
}
inline Key snapshot_key(std::string_view name, std::uint64_t commit) {
  return Key().str(name).num(std::uint8_t{0}).num(commit);
}
/// The version of the columns follows in the key only of later ones.
inline Key index_key(std::uint16_t log, std::uint64_t segment_first_seq, std::uint8_t column,
                     std::uint8_t version = 0) {
  Key key = Key().num(log).num(segment_first_seq).num(column);
  if (version != 0) key.num(version);
  return key;
}
inline constexpr std::size_t index_key_size = 11;

// meta
inline Key state_key() { return Key().str("state"); }
inline Key origin_key(std::uint32_t id) { return Key().str("origin/").num(id); }
inline Key cursor_key(std::string_view name) { return Key().str("cursor/").str(name); }
inline Key sealed_key(std::uint16_t log) { return Key().str("sealed/").num(log); }

}  // namespace tidewaiter::store
