// Growing and reading byte strings: varints (LEB128), zigzag, little-endian fixed integers. Header-only, no errors of
// its own: a ByteReader that runs over its end says so once with ok() and yields zeros.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace tidewaiter::store {

inline std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
inline std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>((v >> 1) ^ (~(v & 1) + 1));
}

/// Copies `size` bytes, without a call when they are few, as most strings of columns are. Returns the end of the copy.
inline char* copy_text(char* to, const char* from, std::size_t size) {
  if (size > 32) {
    std::memcpy(to, from, size);
  } else if (size >= 16) {  // both ends, which overlap
    char first[16], last[16];
    std::memcpy(first, from, 16);
    std::memcpy(last, from + size - 16, 16);
    std::memcpy(to, first, 16);
    std::memcpy(to + size - 16, last, 16);
  } else if (size >= 8) {
    std::uint64_t first, last;
    std::memcpy(&first, from, 8);
    std::memcpy(&last, from + size - 8, 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + size - 8, &last, 8);
  } else if (size >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, from, 4);
    std::memcpy(&last, from + size - 4, 4);
    std::memcpy(to, &first, 4);
    std::memcpy(to + size - 4, &last, 4);
  } else if (size != 0) {
    const char middle = from[size / 2], last = from[size - 1];
    to[0] = from[0];
    to[size / 2] = middle;
    to[size - 1] = last;
  }
  return to + size;
}

inline constexpr std::size_t varint_size_max = 10;

/// LEB128 of `v` at `to`, where varint_size_max bytes have room. Returns its end.
inline char* put_varint(char* to, std::uint64_t v) {
  while (v >= 0x80) {
    *to++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *to++ = static_cast<char>(v);
  return to;
}

/// An append-only buffer that is reused: clear() keeps the memory.
class Bytes {
 public:
  char* grow(std::size_t n) {
    if (n > capacity_ - size_) reserve(size_ + n);
    char* place = data_.get() + size_;
    size_ += n;
    return place;
  }
  void u8(std::uint8_t v) { *grow(1) = static_cast<char>(v); }
  template <class T>
  void fixed(T v) {
    std::memcpy(grow(sizeof v), &v, sizeof v);
  }
  void varint(std::uint64_t v) { end_at(put_varint(grow(varint_size_max), v)); }
  void bytes(std::string_view text) { copy_text(grow(text.size()), text.data(), text.size()); }
  void string(std::string_view text) {
    char* const place = put_varint(grow(varint_size_max + text.size()), text.size());
    end_at(copy_text(place, text.data(), text.size()));
  }
  /// Gives back what was grown too far: the content ends at `end`.
  void end_at(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  char* data() { return data_.get(); }
  std::string_view view() const { return {data_.get(), size_}; }
  std::string str() const { return std::string(view()); }

  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    std::size_t wanted = capacity_ < 64 ? 64 : capacity_ * 2;
    if (wanted < capacity) wanted = capacity;
    std::unique_ptr<char[]> bigger(new char[wanted]);
    if (size_ != 0) std::memcpy(bigger.get(), data_.get(), size_);
    data_ = std::move(bigger);
    capacity_ = wanted;
  }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t u8() {
    if (rest_.empty()) return fail();
    const auto v = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return v;
  }
  template <class T>
  T fixed() {
    T v{};
    if (rest_.size() < sizeof v) {
      fail();
      return v;
    }
    std::memcpy(&v, rest_.data(), sizeof v);
    rest_.remove_prefix(sizeof v);
    return v;
  }
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return fail();
      const auto b = static_cast<std::uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      v |= static_cast<std::uint64_t>(b & 0x7F) << shift;
      if (b < 0x80) return v;
    }
    return fail();
  }
  std::string_view bytes(std::size_t n) {
    if (rest_.size() < n) {
      fail();
      return {};
    }
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  std::string_view string() {
    const std::uint64_t n = varint();
    return n > rest_.size() ? (fail(), std::string_view()) : bytes(n);
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  std::size_t left() const { return rest_.size(); }
  std::uint8_t fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace tidewaiter::store
