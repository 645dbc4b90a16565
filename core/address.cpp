// Text forms of IP addresses (RFC 4291, RFC 5952 printing by the C library).
#include <arpa/inet.h>
#include <strings.h>

#include <algorithm>
#include <cstring>

#include "core/text.hpp"

namespace tidewaiter {
namespace {

// inet_pton refuses leading zeros and other parsers read them as octal: we read them as decimal, never octal.
std::optional<Ip> parse_ipv4(std::string_view text) {
  Ip ip{};
  ip[10] = ip[11] = 0xFF;
  std::size_t octet = 0, digits = 0;
  unsigned value = 0;
  for (char c : text) {
    if (c >= '0' && c <= '9') {
      value = value * 10 + static_cast<unsigned>(c - '0');
      if (++digits > 3 || value > 255) return std::nullopt;
    } else if (c == '.' && digits > 0 && octet < 3) {
      ip[12 + octet++] = static_cast<std::uint8_t>(value);
      value = 0;
      digits = 0;
    } else {
      return std::nullopt;
    }
  }
  if (octet != 3 || digits == 0) return std::nullopt;
  ip[15] = static_cast<std::uint8_t>(value);
  return ip;
}

bool is_v4_mapped(const Ip& ip) {
  return std::all_of(ip.begin(), ip.begin() + 10, [](std::uint8_t b) { return b == 0; }) && ip[10] == 0xFF &&
         ip[11] == 0xFF;
}

}  // namespace

std::optional<Ip> parse_ip(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return parse_ipv4(text);
  text = text.substr(0, text.find('%'));
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Ip ip;
  if (inet_pton(AF_INET6, buffer, ip.data()) == 1) return ip;
  constexpr std::string_view mapped = "::ffff:";  // zeros before the octets of an IPv4 address in it
  const bool is_mapped = text.size() > mapped.size() && strncasecmp(buffer, mapped.data(), mapped.size()) == 0;
  return is_mapped ? parse_ipv4(text.substr(mapped.size())) : std::nullopt;
}

std::string format_ip(const Ip& ip) {
  char buffer[INET6_ADDRSTRLEN];
  if (is_v4_mapped(ip))
    inet_ntop(AF_INET, ip.data() + 12, buffer, sizeof buffer);
  else
    inet_ntop(AF_INET6, ip.data(), buffer, sizeof buffer);
  return buffer;
}

}  // namespace tidewaiter
