// Small conversions that every room needs: hex, base64, addresses, RFC 3339 times, JSON strings, byte order.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/event.hpp"

namespace tidewaiter {

std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view hex);
std::string to_base64(std::string_view bytes);
/// Strict: standard alphabet, padded, no stray bits.
std::optional<std::string> from_base64(std::string_view text);

/// IPv4 (decimal octets, leading zeros read as decimal), IPv6 with optional zone id (dropped).
std::optional<Ip> parse_ip(std::string_view text);
/// v4-mapped addresses are printed as IPv4.
std::string format_ip(const Ip& ip);

/// RFC 3339 with 0-9 fractional digits and an offset; ns since 1970 UTC.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);
/// "2026-03-04T05:06:07.123456789Z"; the fraction has 0, 3, 6 or 9 digits, as few as are exact.
std::string format_rfc3339(std::int64_t time_ns);

/// The password in the first "://user:password@" of a text (RFC 3986, section 3.2.1); empty when there is none.
std::string_view url_password_in(std::string_view text);
/// The text with an ellipsis in the place of each such password.
std::string without_url_passwords(std::string_view text);

/// Appends `text` as a quoted JSON string.
void append_json_string(std::string& out, std::string_view text);
/// The event as one canonical JSON object (schemas/event.schema.json), absent columns left out.
/// With `mask_secrets`, token and argument hashes are cut to 8 characters and an ellipsis, and passwords in URLs to an
/// ellipsis.
void append_event_json(std::string& out, const Event& event, bool mask_secrets = false);

/// The word of `candidates` nearest to `word` by edit distance, or "" when none is near.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

template <class T>
inline void put_be(char* out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
}
template <class T>
inline T get_be(const char* in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  return static_cast<T>(value);
}

}  // namespace tidewaiter
