// A column of 64-bit integers in the smallest of a few simple forms; zstd does the rest.
//   u8 form, then: 0 constant: varint | 1 arithmetic: varint first, zigzag step | 2 plain: varint each
//   3 deltas: zigzag each, from 0 | 4 bytes: one byte each | 5 scaled deltas: varint divisor, then 3 of v / divisor
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "store/bytes.hpp"

namespace tidewaiter::store {

enum class IntHint : std::uint8_t {
  plain,    // values near zero
  sorted,   // neighbours are near each other
  time_ns,  // the same, and often whole milliseconds or seconds
};

void put_ints(Bytes& out, std::span<const std::uint64_t> values, IntHint hint);
/// Reads exactly `count` values into `out` (replaced). False when the bytes are wrong.
bool get_ints(ByteReader& in, std::size_t count, std::vector<std::uint64_t>& out);

}  // namespace tidewaiter::store
