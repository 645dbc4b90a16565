#include "core/json_escape.hpp"

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tidewaiter {
namespace {

constexpr std::uint32_t replacement = 0xFFFD;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The four hex digits at `at`, or -1.
std::int32_t hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return -1;
  std::int32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

char* put_utf8(char* out, std::uint32_t code) {
  auto byte = [](std::uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (code < 0x80) {
    *out++ = byte(code);
  } else if (code < 0x800) {
    *out++ = byte(0xC0 | code >> 6);
    *out++ = byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = byte(0xE0 | code >> 12);
    *out++ = byte(0x80 | (code >> 6 & 0x3F));
    *out++ = byte(0x80 | (code & 0x3F));
  } else {
    *out++ = byte(0xF0 | code >> 18);
    *out++ = byte(0x80 | (code >> 12 & 0x3F));
    *out++ = byte(0x80 | (code >> 6 & 0x3F));
    *out++ = byte(0x80 | (code & 0x3F));
  }
  return out;
}

char plain_escape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    case '"': case '\\': case '/': return c;
    default: return '\0';
  }
}

/// Code point of the \u escape whose digits start at `at`, which are there; moves `at` behind what it used.
std::uint32_t unicode_escape(std::string_view text, std::size_t& at, std::uint32_t first) {
  at += 4;
  if (first < 0xD800 || first > 0xDFFF) return first;
  if (first > 0xDBFF || text.substr(at, 2) != "\\u") return replacement;
  const std::int32_t second = hex4(text, at + 2);
  if (second < 0xDC00 || second > 0xDFFF) return replacement;
  at += 6;
  return 0x10000 + ((first - 0xD800) << 10 | (static_cast<std::uint32_t>(second) - 0xDC00));
}

}  // namespace

// What is written is never longer than what was read: 6 characters for at most 3 bytes, 12 for 4, and a broken escape
// of 2 characters for 1.
Unescaped unescape_json(std::string_view text, char* out) {
  char* const begin = out;
  Unescaped made{0, false, false};
  for (std::size_t at = 0; at < text.size();) {
#if defined(__AVX2__)
    if (at + 32 <= text.size()) {  // what is written too far is written over: there is as much room as text
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at));
      const auto slashes =
          static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'))));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
      const std::size_t plain = slashes == 0 ? 32 : static_cast<std::size_t>(__builtin_ctz(slashes));
      at += plain;
      out += plain;
      if (slashes == 0) continue;
    }
#endif
    if (text[at] != '\\') {
      *out++ = text[at++];
      continue;
    }
    const char kind = at + 1 < text.size() ? text[at + 1] : '\0';
    at += 2;
    const std::int32_t first = kind == 'u' ? hex4(text, at) : -1;
    if (first >= 0) {
      const std::uint32_t code = unicode_escape(text, at, static_cast<std::uint32_t>(first));
      made.replaced = made.replaced || (code == replacement && static_cast<std::uint32_t>(first) != replacement);
      out = put_utf8(out, code);
    } else if (const char plain = plain_escape(kind)) {
      *out++ = plain;
    } else {
      made.broken = true;
      *out++ = '?';
    }
  }
  made.length = static_cast<std::size_t>(out - begin);
  return made;
}

}  // namespace tidewaiter
