// Keys of detector state: 64-bit hashes of names, and their combinations. Never 0, which marks an empty slot.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace tidewaiter::detect {

using Key = std::uint64_t;

inline Key nonzero(std::uint64_t hash) { return hash + (hash == 0); }

inline Key hash_name(std::string_view name) { return nonzero(XXH3_64bits(name.data(), name.size())); }

/// Order matters; one multiplication (wyhash's folded 128-bit product).
inline Key combine(Key a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15u) *
                                    (b * 2 + 0xd1342543de82ef95u);
  return nonzero(static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64));
}

}  // namespace tidewaiter::detect
