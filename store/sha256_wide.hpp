// SHA-256 rounds of sixteen messages at once, for processors with AVX-512: a vector holds one word of all of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidewaiter::store {

inline constexpr std::size_t wide_lanes = 16;

/// The state of all messages: [word][message].
struct alignas(64) WideWords {
  std::uint32_t at[8][wide_lanes];
};

/// Whether compress_wide() can run on this machine.
bool has_wide_lanes();

/// A block of 64 bytes of each message.
void compress_wide(WideWords& words, const char* const (&blocks)[wide_lanes]);

}  // namespace tidewaiter::store
