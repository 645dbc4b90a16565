#include "ingest/json_text.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tidewaiter::ingest {
namespace {

std::size_t count_digits(std::string_view token, std::size_t at) {
  std::size_t count = 0;
  while (at + count < token.size() && token[at + count] >= '0' && token[at + count] <= '9') ++count;
  return count;
}

/// 64 bytes of a text, a bit for each.
struct Block {
  std::uint64_t quotes = 0, slashes = 0, opened = 0, closed = 0;
};

#if defined(__AVX2__)
Block block_of(const char* bytes) {
  Block block;
  for (int half = 0; half < 2; ++half) {
    const __m256i some = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32 * half));
    const __m256i folded = _mm256_or_si256(some, _mm256_set1_epi8(0x20));  // '[' as '{', ']' as '}'
    const auto bits = [half](__m256i same) {
      return std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(same))} << 32 * half;
    };
    block.quotes |= bits(_mm256_cmpeq_epi8(some, _mm256_set1_epi8('"')));
    block.slashes |= bits(_mm256_cmpeq_epi8(some, _mm256_set1_epi8('\\')));
    block.opened |= bits(_mm256_cmpeq_epi8(folded, _mm256_set1_epi8('{')));
    block.closed |= bits(_mm256_cmpeq_epi8(folded, _mm256_set1_epi8('}')));
  }
  return block;
}
#else
Block block_of(const char* bytes) {
  Block block;
  for (int i = 0; i < 64; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (bytes[i] == '"') block.quotes |= bit;
    if (bytes[i] == '\\') block.slashes |= bit;
    if ((bytes[i] | 0x20) == '{') block.opened |= bit;
    if ((bytes[i] | 0x20) == '}') block.closed |= bit;
  }
  return block;
}
#endif

/// From each bit to the next one: set where an odd number of bits stand at or below.
std::uint64_t odd_below(std::uint64_t bits) {
  for (int by = 1; by < 64; by *= 2) bits ^= bits << by;
  return bits;
}

/// Which characters a backslash stands before; `escaped` says it of the first one, and then of the next block's first.
std::uint64_t escaped_in(std::uint64_t slashes, bool& escaped) {
  std::uint64_t out = escaped ? 1 : 0;
  slashes &= ~out;
  escaped = false;
  while (slashes != 0) {
    const int at = std::countr_zero(slashes);
    if (at == 63) {
      escaped = true;
      break;
    }
    out |= std::uint64_t{2} << at;
    slashes &= ~(std::uint64_t{3} << at);
  }
  return out;
}

}  // namespace

bool is_json_literal(std::string_view token) {
  const auto is = [&](const char(&four)[5]) { return std::memcmp(token.data(), four, 4) == 0; };
  if (token.size() == 4) return is("true") || is("null");
  return token.size() == 5 && is("fals") && token[4] == 'e';
}

bool is_json_number(std::string_view token) {
  std::size_t at = !token.empty() && token[0] == '-';
  const std::size_t integer = count_digits(token, at);
  if (integer == 0 || (integer > 1 && token[at] == '0')) return false;
  at += integer;
  if (at < token.size() && token[at] == '.') {
    const std::size_t fraction = count_digits(token, at + 1);
    if (fraction == 0) return false;
    at += 1 + fraction;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    const std::size_t exponent = count_digits(token, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == token.size();
}

bool nests_within(std::string_view text, std::size_t depth_max) {
  const auto most = static_cast<std::int64_t>(depth_max);
  std::int64_t depth = 0;
  bool escaped = false;
  std::uint64_t in_string = 0;  // all ones when the block before ended in one
  for (std::size_t at = 0; at < text.size(); at += 64) {
    char last[64] = {};
    const char* bytes = text.data() + at;
    if (text.size() - at < 64) {
      std::copy(bytes, text.data() + text.size(), last);
      bytes = last;
    }
    Block block = block_of(bytes);
    const std::uint64_t inside = odd_below(block.quotes & ~escaped_in(block.slashes, escaped)) ^ in_string;
    in_string = 0 - (inside >> 63);
    block.opened &= ~inside;
    block.closed &= ~inside;
    if (depth + std::popcount(block.opened) <= most) {
      depth += std::popcount(block.opened) - std::popcount(block.closed);
      continue;
    }
    for (std::uint64_t left = block.opened | block.closed; left != 0; left &= left - 1) {
      depth += (block.opened & left & (0 - left)) != 0 ? 1 : -1;
      if (depth > most) return false;
    }
  }
  return true;
}

}  // namespace tidewaiter::ingest
