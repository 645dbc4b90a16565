// Integer randomness of the generator: the same on every machine, no libm, no std::*_distribution.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tidewaiter::app::generate {

using Wide = unsigned __int128;

/// splitmix64 (Steele, Lea, Flood 2014): a well-mixed function of its argument.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return mix(mix(a) ^ b); }
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) { return mix(mix(a, b) ^ c); }

constexpr std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, then mixed
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(hash);
}

/// A normal deviate in Q16 (65536 = one sigma) from 64 random bits twice: eight uniforms summed, so |z| < 4.9.
constexpr std::int64_t normal_q16(std::uint64_t a, std::uint64_t b) {
  std::int64_t sum = 0;
  for (int shift = 0; shift < 64; shift += 16)
    sum += static_cast<std::int64_t>(a >> shift & 0xffff) + static_cast<std::int64_t>(b >> shift & 0xffff);
  return (sum - 4 * 65535) * 80264 / 65536;
}

/// xoshiro256** (Blackman, Vigna 2018).
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) word = seed = mix(seed);
  }
  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  std::uint64_t below(std::uint64_t n) { return static_cast<std::uint64_t>(Wide{next()} * n >> 64); }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  bool chance(std::uint32_t per_million) { return below(1'000'000) < per_million; }
  std::int64_t normal() {
    const std::uint64_t a = next();
    return normal_q16(a, next());
  }
  template <class List>
  auto& pick(List& list) { return list[below(list.size())]; }
  /// Index into cumulative weights.
  std::size_t index(const std::vector<std::uint64_t>& cumulative) {
    const std::uint64_t at = below(cumulative.back());
    std::size_t low = 0, high = cumulative.size() - 1;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (cumulative[middle] > at) high = middle; else low = middle + 1;
    }
    return low;
  }

 private:
  static std::uint64_t rotate(std::uint64_t x, int k) { return x << k | x >> (64 - k); }
  std::array<std::uint64_t, 4> state_{};
};

/// Cumulative weights 1/(rank + 1): Zipf with exponent one.
inline std::vector<std::uint64_t> zipf(std::size_t count) {
  std::vector<std::uint64_t> cumulative(count);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) cumulative[i] = sum += 1'000'000 / (i + 1);
  return cumulative;
}

constexpr std::uint64_t root_of_wide(Wide x) {
  Wide low = 0, high = Wide{1} << 63;
  while (low < high) {
    const Wide middle = (low + high + 1) / 2;
    if (middle <= x / middle) low = middle; else high = middle - 1;
  }
  return static_cast<std::uint64_t>(low);
}

/// 2^(i/256) in Q32, by eight exact square roots and multiplication.
constexpr std::array<std::uint64_t, 257> make_power_table() {
  std::uint64_t step = std::uint64_t{2} << 60;  // 2 in Q60
  for (int i = 0; i < 8; ++i) step = root_of_wide(Wide{step} << 60);
  std::array<std::uint64_t, 257> table{};
  Wide power = Wide{1} << 60;
  for (auto& entry : table) {
    entry = static_cast<std::uint64_t>(power >> 28);
    power = power * step >> 60;
  }
  return table;
}
inline constexpr auto power_table = make_power_table();

/// floor(2^x), x in Q16, 0 for negative x, at most 2^62.
constexpr std::uint64_t exp2_q16(std::int64_t x) {
  if (x < 0) return 0;
  const std::int64_t whole = x >> 16 < 62 ? x >> 16 : 61;
  const auto index = static_cast<std::size_t>(x >> 8 & 0xff);
  const std::uint64_t low = power_table[index], high = power_table[index + 1];
  const std::uint64_t mantissa = low + ((high - low) * static_cast<std::uint64_t>(x & 0xff) >> 8);
  return static_cast<std::uint64_t>(Wide{mantissa} << whole >> 32);
}

/// log2(n) in Q16 for n >= 1, linear between powers of two: good enough for levels.
constexpr std::int64_t log2_q16(std::uint64_t n) {
  int whole = 63 - __builtin_clzll(n | 1);
  const std::uint64_t rest = n - (std::uint64_t{1} << whole);
  return (std::int64_t{whole} << 16) + static_cast<std::int64_t>((Wide{rest} << 16) >> whole);
}

}  // namespace tidewaiter::app::generate
