// Small readers of JSON text: the extent of a string, escapes, literals and numbers. They work on documents that
// passed simdjson's first stage (UTF-8 valid, every string closed) and on any other bytes without reading past `end`
// by more than Arena::padding_bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "core/json_escape.hpp"

namespace tidewaiter::ingest {

/// May stand before a message (RFC 8259, section 8.1, lets a reader pass over it) and is no part of it.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// An object or an array; white space or a byte order mark before it makes it no line of text.
inline bool begins_like_json(std::string_view text) {
  if (!text.empty() && (text[0] == '{' || text[0] == '[')) return true;
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  return at != std::string_view::npos && (text[at] == '{' || text[at] == '[');
}

struct StringExtent {
  std::size_t length;  // bytes up to the closing quote
  bool escaped;        // has a backslash in it
};

/// `text` points behind the opening quote; the string must be closed. May load up to 31 bytes behind the quote.
inline StringExtent string_extent(const char* text) {
  std::size_t at = 0;
  bool escaped = false;
#if defined(__AVX2__)
  const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
  while (true) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + at));
    const auto quotes = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, quote)));
    const auto slashes = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, backslash)));
    if ((quotes | slashes) == 0) {
      at += 32;
      continue;
    }
    if (quotes != 0 && (slashes == 0 || __builtin_ctz(quotes) < __builtin_ctz(slashes)))
      return {at + static_cast<std::size_t>(__builtin_ctz(quotes)), escaped};
    escaped = true;
    at += static_cast<std::size_t>(__builtin_ctz(slashes)) + 2;  // behind what is escaped
  }
#else
  for (; text[at] != '"'; ++at)
    if (text[at] == '\\') {
      escaped = true;
      ++at;
    }
  return {at, escaped};
#endif
}

struct Marks {
  std::size_t opened = 0, colons = 0;
};

#if defined(__AVX2__)
inline __m256i is_opened(__m256i bytes) {
  return _mm256_cmpeq_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('{'));  // '[' | 0x20 == '{'
}

/// How many bytes of the text one of `is` says yes to, which compare 32 of them; up to 31 bytes behind it are read.
template <class... Is>
inline std::array<std::size_t, sizeof...(Is)> count_bytes(std::string_view text, Is... is) {
  std::array<std::size_t, sizeof...(Is)> counts{};
  std::size_t at = 0;
  while (at + 32 <= text.size()) {
    __m256i sums[sizeof...(Is)] = {((void)is, _mm256_setzero_si256())...};  // one count per byte, which holds 255 rounds
    for (int round = 0; round < 255 && at + 32 <= text.size(); ++round, at += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at));
      std::size_t i = 0;
      ((sums[i] = _mm256_sub_epi8(sums[i], is(bytes)), ++i), ...);
    }
    for (std::size_t i = 0; i < sizeof...(Is); ++i) {
      const __m256i eights = _mm256_sad_epu8(sums[i], _mm256_setzero_si256());
      const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(eights), _mm256_extracti128_si256(eights, 1));
      counts[i] += static_cast<std::size_t>(_mm_cvtsi128_si64(halves) + _mm_extract_epi64(halves, 1));
    }
  }
  if (at < text.size()) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at));
    const auto within = static_cast<std::uint32_t>((std::uint64_t{1} << (text.size() - at)) - 1);
    std::size_t i = 0;
    ((counts[i++] += static_cast<std::size_t>(
          __builtin_popcount(static_cast<std::uint32_t>(_mm256_movemask_epi8(is(bytes))) & within))), ...);
  }
  return counts;
}
#endif

/// How many '{' or '[', and how many ':' there are, inside strings or not.
inline Marks count_marks(std::string_view text) {
  Marks marks;
#if defined(__AVX2__)
  const auto [opened, colons] = count_bytes(text, is_opened, [](__m256i bytes) {
    return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(':'));
  });
  marks = {opened, colons};
#else
  for (const char c : text) {
    marks.opened += (c | 0x20) == '{';
    marks.colons += c == ':';
  }
#endif
  return marks;
}

/// Marks::opened alone.
inline std::size_t count_opened(std::string_view text) {
#if defined(__AVX2__)
  return count_bytes(text, is_opened)[0];
#else
  return count_marks(text).opened;
#endif
}

/// Objects and arrays lie in each other at most `depth_max` deep; brackets inside strings do not count. Of a text that
/// is no JSON any answer may come.
bool nests_within(std::string_view text, std::size_t depth_max);

/// What stands at `text` may be the beginning of a value. On-Demand asks no such thing of the elements of a list, and does
/// not see that a list is not closed when a string in it stands before a colon, as a key does: it goes on behind the
/// message, where any byte may stand. A comma there would be an element whose token is no text of the message.
inline bool begins_value(const char* text) {
  const char c = *text;
  return c == '"' || c == '{' || c == '[' || c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n';
}

/// Without the white space of JSON around it.
inline std::string_view trimmed(std::string_view token) {
  auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  while (!token.empty() && is_space(token.front())) token.remove_prefix(1);
  return token;
}

/// Calls `is` with each value of a JSON array that has a text, until it says yes; what is in lists inside does not count.
template <class Is>
bool any_value(std::string_view list, Is is) {
  int depth = 0;
  for (std::size_t at = 0; at < list.size(); ++at) {
    const char c = list[at];
    if (c == '"') {
      const StringExtent extent = string_extent(list.data() + at + 1);
      const std::string_view inside = list.substr(at + 1, extent.length);
      at += extent.length + 1;
      if (depth != 1) continue;
      if (!extent.escaped && is(inside)) return true;
      if (!extent.escaped) continue;
      std::string text(inside);
      text.resize(unescape_json(inside, text.data()).length);
      if (is(text)) return true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (depth == 1 && c > ' ' && c != ',') {
      const std::size_t end = std::min(list.find_first_of(", \t\r\n]", at), list.size());
      const std::string_view scalar = list.substr(at, end - at);
      if (scalar != "null" && is(scalar)) return true;
      at = end - 1;
    }
  }
  return false;
}

/// The characters of the key whose spelling begins at `raw`; "" when it is escaped and longer than any key of a mapping.
using KeyText = char[256];
inline std::string_view key_text(const char* raw, KeyText& buffer) {
  const StringExtent extent = string_extent(raw);
  if (!extent.escaped) return {raw, extent.length};
  if (extent.length > sizeof buffer) return {};
  return {buffer, unescape_json({raw, extent.length}, buffer).length};
}

/// true, false, null or a number by the grammar of RFC 8259.
bool is_json_literal(std::string_view token);
bool is_json_number(std::string_view token);

/// How long the number is that stands at `text`; 0: there is none, or it has an exponent or more than 31 characters, which
/// is for is_json_number to judge. Loads 32 bytes.
inline std::size_t plain_number_length(const char* text) {
#if defined(__AVX2__)
  const __m256i from_zero = _mm256_sub_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text)), _mm256_set1_epi8('0'));
  const __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(from_zero, _mm256_set1_epi8(9)), from_zero);
  const auto others = ~static_cast<std::uint32_t>(_mm256_movemask_epi8(is_digit));
  const std::size_t first = text[0] == '-';
  std::uint32_t left = others >> first << first;
  if (left == 0) return 0;
  auto end = static_cast<std::size_t>(__builtin_ctz(left));
  if (end == first || (text[first] == '0' && end > first + 1)) return 0;
  if (text[end] == '.') {
    const std::size_t behind_point = end + 1;
    left &= left - 1;
    if (left == 0) return 0;
    end = static_cast<std::size_t>(__builtin_ctz(left));
    if (end == behind_point) return 0;
  }
  return (text[end] | 0x20) == 'e' ? 0 : end;
#else
  (void)text;
  return 0;
#endif
}

/// Longest prefix of at most `limit` bytes that does not cut a UTF-8 character. Keeps any NUL.
inline std::string_view cut_utf8(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace tidewaiter::ingest
