// Text of one field → value of one column: numbers, times, addresses, host names, words of an enumeration.
// Pure functions and small tables; a text that does not fit gives nothing and never an error.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/enums.hpp"
#include "core/event.hpp"

namespace tidewaiter::ingest {

/// How the text of a time is written. The names are those of the mapping language.
/// `any`: RFC 3339 or civil, or seconds, ms, us or ns since 1970, with or without a fraction, told apart by their size.
enum class TimeForm : std::uint8_t { rfc3339, seconds, millis, micros, nanos, float_seconds, civil, any };

/// RFC 3339 and epoch times to ns since 1970 UTC. Remembers the last day seen: most of the work is the calendar.
/// Owned by one thread.
class TimeReader {
 public:
  std::optional<std::int64_t> read(std::string_view text, TimeForm form);

 private:
  std::optional<std::int64_t> rfc3339(std::string_view text);
  std::optional<std::int64_t> civil(std::string_view text);
  std::optional<std::int64_t> any(std::string_view text);
  bool same_day(const char* text) const {
    std::uint64_t head;
    std::uint16_t tail;
    std::memcpy(&head, text, 8);
    std::memcpy(&tail, text + 8, 2);
    return head == day_head_ && tail == day_tail_;
  }
  std::uint64_t day_head_ = 0;  // "YYYY-MM-"
  std::uint16_t day_tail_ = 0;  // "DD"
  std::int64_t day_ns_ = 0;
};

struct Unsigned {
  std::uint64_t value;
  bool lossy;  // went through a double that cannot hold every integer of this size
};
/// An unsigned integer, or a number with a fraction or exponent whose value is one. Nothing else: no sign, no spaces.
std::optional<Unsigned> read_unsigned(std::string_view text);

struct Address {
  Ip ip;
  bool leading_zeros;  // an octet of IPv4 begins with a zero it does not need: read as decimal, others may read octal
};
/// IPv4 dotted decimal the fast way; everything else through core.
std::optional<Address> read_ip(std::string_view text);

/// True when there is an upper-case letter of ASCII in it.
bool has_upper(std::string_view text);
bool is_ascii(std::string_view text);
/// One of the two: has_upper or not is_ascii, in one pass.
bool has_upper_or_other(std::string_view text);
std::size_t lower_ascii(std::string_view text, char* out);

/// The first bytes of a short text as a number; equal texts give equal numbers. Reads nothing outside the text.
inline std::uint64_t short_key(std::string_view text) {
  const char* p = text.data();
  const std::size_t n = text.size();
  std::uint64_t head = 0, tail = 0;
  if (n >= 8) {
    std::memcpy(&head, p, 8);
    return head;
  }
  if (n >= 4) {
    std::memcpy(&head, p, 4);
    std::memcpy(&tail, p + n - 4, 4);
    return head | tail << 32;
  }
  for (std::size_t i = 0; i < n; ++i) head = head << 8 | static_cast<unsigned char>(p[i]);
  return head;
}

/// The words of an EnumTable behind a small hash: one probe for a known word.
class WordTable {
 public:
  explicit WordTable(const EnumTable& table);
  std::optional<std::uint8_t> find(std::string_view text) const {
    const std::uint64_t key = short_key(text);
    for (std::size_t at = hash(key, text.size());; at = (at + 1) % slots) {
      const Slot& slot = slots_[at];
      if (slot.length == free_slot) return std::nullopt;
      if (slot.key == key && slot.length == text.size() && (text.size() <= 8 || table_.words[slot.number] == text))
        return slot.number;
    }
  }

 private:
  static constexpr std::size_t slots = 64;
  static constexpr std::uint32_t free_slot = 0xFFFFFFFF;
  struct Slot {
    std::uint64_t key = 0;  // short_key of the word: all of it, if it has at most 8 bytes
    std::uint32_t length = free_slot;
    std::uint8_t number = 0;
  };
  static std::size_t hash(std::uint64_t key, std::size_t length) {
    return (key * 0x9E3779B97F4A7C15 ^ length * 0xD6E8FEB86659FD93) >> 32 & (slots - 1);
  }
  EnumTable table_;
  std::array<Slot, slots> slots_;
};

}  // namespace tidewaiter::ingest
