#include "ingest/extracts.hpp"

#include <algorithm>
#include <cstdint>

#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

std::string without_spaces(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c == '-') out += '+';
    else if (c == '_') out += '/';
    else if (c != '\n' && c != '\r') out += c;
  while (out.size() % 4 != 0) out += '=';
  return out;
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

bool are_16_hex(const char* text) {
  std::uint8_t bad = 0;  // without a branch for each: the compiler takes them together
  for (int i = 0; i < 16; ++i) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    const auto digit = static_cast<std::uint8_t>(c - '0'), letter = static_cast<std::uint8_t>((c | 0x20) - 'a');
    bad |= static_cast<std::uint8_t>(digit > 9) & static_cast<std::uint8_t>(letter > 5);
  }
  return bad == 0;
}

std::string_view unbracketed(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  return host;
}

/// "host:port" of a URL, without user and path.
std::string_view authority(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  std::size_t end = 0;
  while (end < url.size() && url[end] != '/' && url[end] != '?' && url[end] != '#') ++end;
  url = url.substr(0, end);
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  return url;
}

/// Where the colon before a port stands, or npos.
std::size_t port_colon(std::string_view endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == endpoint.size()) return std::string_view::npos;
  for (std::size_t at = colon + 1; at < endpoint.size(); ++at)
    if (endpoint[at] < '0' || endpoint[at] > '9') return std::string_view::npos;
  return colon;
}

}  // namespace

std::string_view url_host(std::string_view url) {
  const std::string_view all = authority(url);
  if (all.starts_with('[')) return unbracketed(all.substr(0, all.find(']') + 1));
  return all.substr(0, all.find(':'));
}

std::string_view url_port(std::string_view url) {
  const std::string_view all = authority(url);
  if (all.empty()) return {};
  const std::size_t colon = port_colon(all);
  if (colon != std::string_view::npos && (!all.starts_with('[') || all[colon - 1] == ']')) return all.substr(colon + 1);
  if (url.starts_with("https://") || url.starts_with("wss://")) return "443";
  if (url.starts_with("http://") || url.starts_with("ws://")) return "80";
  return {};
}

std::string_view endpoint_host(std::string_view endpoint) {
  const std::size_t colon = port_colon(endpoint);
  return unbracketed(colon == std::string_view::npos ? endpoint : endpoint.substr(0, colon));
}

std::string_view endpoint_port(std::string_view endpoint) {
  const std::size_t colon = port_colon(endpoint);
  return colon == std::string_view::npos ? std::string_view() : endpoint.substr(colon + 1);
}

std::string_view tuple_side(std::string_view tuple, bool destination) {
  const std::size_t arrow = tuple.find("->");
  if (arrow == std::string_view::npos) return {};
  return destination ? tuple.substr(arrow + 2) : tuple.substr(0, arrow);
}

std::string_view sha256_in(std::string_view text) {
  if (text.size() == 64 && std::all_of(text.begin(), text.end(), is_hex)) return text;
  constexpr std::size_t digits = 64;
  for (std::size_t at = text.find("sha256"); at != std::string_view::npos; at = text.find("sha256", at + 1)) {
    std::string_view rest = text.substr(at + 6);
    if (rest.starts_with("%3A") || rest.starts_with("%3a")) rest.remove_prefix(3);
    else if (rest.starts_with(':') || rest.starts_with('=')) rest.remove_prefix(1);
    else continue;
    if (rest.size() >= digits && std::all_of(rest.begin(), rest.begin() + digits, is_hex) &&
        (rest.size() == digits || !is_hex(rest[digits])))
      return rest.substr(0, digits);
  }
  return {};
}

bool is_named_digest(std::string_view text) {
  struct Algorithm {
    std::string_view name;
    std::size_t digits;
  };
  static constexpr Algorithm algorithms[] = {{"sha512", 128}, {"sha384", 96},    {"sha256", 64},   {"sha224", 56},
                                             {"sha1", 40},    {"gitCommit", 40}, {"gitCommit", 64}, {"md5", 32}};
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = text.substr(0, colon), digits = text.substr(colon + 1);
  return std::all_of(digits.begin(), digits.end(), is_hex) &&
         std::any_of(std::begin(algorithms), std::end(algorithms), [&](const Algorithm& one) {
           return one.name == name && one.digits == digits.size();
         });
}

bool is_hex_id(std::string_view text) {
  if (text.size() == 32) return are_16_hex(text.data()) && are_16_hex(text.data() + 16);
  return text.size() == 16 && are_16_hex(text.data());
}

std::optional<std::string> decoded_base64(std::string_view text) {
  auto bytes = from_base64(text);
  return bytes ? bytes : from_base64(without_spaces(text));
}

}  // namespace tidewaiter::ingest
