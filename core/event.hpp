// Event: one canonical event as typed columns over somebody else's bytes. Absent is not empty and not 0.
// A plain value; the strings point into the batch (or decoded block) that owns the event and live as long.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/check.hpp"
#include "core/column.hpp"
#include "core/prefetch.hpp"

namespace tidewaiter {

/// IPv6 address, IPv4 as ::ffff:a.b.c.d, network byte order.
using Ip = std::array<std::uint8_t, 16>;

/// A text of a column: where it lies and how long it is, in one word. Half as much memory as a std::string_view, and it
/// may stay uninitialised. Columns are at most 2 KiB (core/column.hpp); addresses of user space take 48 bits.
class ColumnText {
 public:
  static constexpr std::size_t size_max = 0xFFFF;

  ColumnText() = default;
  ColumnText(std::string_view text)  // NOLINT: as a string_view from a string
      : word_(static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(text.data())) << 16 | text.size()) {
    CHECK(text.size() <= size_max);
  }
  operator std::string_view() const { return {data(), size()}; }  // NOLINT: the same
  const char* data() const { return reinterpret_cast<const char*>(static_cast<std::uintptr_t>(word_ >> 16)); }
  std::size_t size() const { return word_ & size_max; }

 private:
  std::uint64_t word_;
};
static_assert(std::is_trivially_default_constructible_v<ColumnText> && sizeof(ColumnText) == 8 && sizeof(void*) == 8);

struct Event {
  std::uint64_t strings_present = 0;  // bit = Str
  std::uint64_t numbers_present = 0;  // bit = Num; addresses follow at bit num_count
  std::uint32_t record = 0;           // index into the records of its batch or commit
  std::uint32_t sub = 0;              // which event of its record
  std::array<ColumnText, str_count> strings;
  std::array<std::uint64_t, num_count> numbers;
  std::array<Ip, addr_count> addresses;

  Event() {}  // NOLINT: the arrays stay uninitialised on purpose, presence bits say what holds

  bool has(Str c) const { return strings_present >> static_cast<unsigned>(c) & 1; }
  bool has(Num c) const { return numbers_present >> static_cast<unsigned>(c) & 1; }
  bool has(Addr c) const { return numbers_present >> (num_count + static_cast<unsigned>(c)) & 1; }

  /// Empty view, 0 or nullptr when absent.
  std::string_view get(Str c) const { return has(c) ? std::string_view(strings[static_cast<unsigned>(c)]) : std::string_view(); }
  std::uint64_t get(Num c) const { return has(c) ? numbers[static_cast<unsigned>(c)] : 0; }
  const Ip* get(Addr c) const { return has(c) ? &addresses[static_cast<unsigned>(c)] : nullptr; }
  std::int64_t time_ns() const { return static_cast<std::int64_t>(get(Num::time)); }

  void set(Str c, std::string_view value) {
    strings[static_cast<unsigned>(c)] = value;
    strings_present |= std::uint64_t{1} << static_cast<unsigned>(c);
  }
  void set(Num c, std::uint64_t value) {
    numbers[static_cast<unsigned>(c)] = value;
    numbers_present |= std::uint64_t{1} << static_cast<unsigned>(c);
  }
  void set(Addr c, const Ip& value) {
    addresses[static_cast<unsigned>(c)] = value;
    numbers_present |= std::uint64_t{1} << (num_count + static_cast<unsigned>(c));
  }
  void clear(Str c) { strings_present &= ~(std::uint64_t{1} << static_cast<unsigned>(c)); }
  void clear(Num c) { numbers_present &= ~(std::uint64_t{1} << static_cast<unsigned>(c)); }
};

static_assert(std::is_trivially_copyable_v<Event>);

/// Asks for the lines of an event that another core has written, before its turn comes.
inline void prefetch(const Event& event) {
  const char* bytes = reinterpret_cast<const char*>(&event);
  for (std::size_t at = 0; at < sizeof(Event); at += 64) prefetch_line(bytes + at);
}

}  // namespace tidewaiter
