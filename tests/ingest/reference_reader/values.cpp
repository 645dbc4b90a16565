#include "tests/ingest/reference_reader/values.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <regex>
#include <set>
#include <vector>

#include "core/secret.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "ingest/extracts.hpp"
#include "ingest/host_name.hpp"

namespace tidewaiter::ingest::testing {
namespace {

using Wide = __int128;

/// A decimal number times `unit`, cut off to an integer. `integral`: it must be one before that.
std::optional<std::int64_t> decimal(const std::string& text, std::int64_t unit, bool integral) {
  static const std::regex form(R"((-?)([0-9]{1,64})(?:\.([0-9]{1,64}))?(?:[eE]([-+]?[0-9]{1,64}))?)");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  std::string digits = parts[2].str() + parts[3].str();
  const double exponent = parts[4].length() > 0 ? std::strtod(parts[4].str().c_str(), nullptr) : 0;
  if (std::abs(exponent) > 9999) return std::nullopt;
  long point = static_cast<long>(parts[2].length()) + static_cast<long>(exponent);
  for (; point < 0; ++point) digits.insert(0, 1, '0');
  if (integral)
    for (auto i = static_cast<std::size_t>(point); i < digits.size(); ++i)
      if (digits[i] != '0') return std::nullopt;
  if (digits.find_first_not_of('0') == std::string::npos) return 0;
  Wide value = 0;
  for (long i = 0, unit_digits = unit; i < point || unit_digits > 1; ++i) {  // digits that count after scaling
    if (i >= point) unit_digits /= 10;
    const char digit = i >= static_cast<long>(digits.size()) ? '0' : digits[static_cast<std::size_t>(i)];
    value = value * 10 + (digit - '0');
    if (value > Wide{INT64_MAX}) return std::nullopt;
  }
  return static_cast<std::int64_t>(parts[1].length() > 0 ? -value : value);
}

std::optional<std::int64_t> civil(std::string text) {
  if (text.ends_with(" UTC")) text.resize(text.size() - 4);
  if (const auto whole = parse_rfc3339(text)) return whole;
  static const std::regex access(R"((..)/([A-Z][a-z]{2})/(....):(..:..:..) (.{3})(..))");
  std::smatch parts;
  if (std::regex_match(text, parts, access)) {
    static const std::vector<std::string> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto month = std::find(months.begin(), months.end(), parts[2].str()) - months.begin();
    if (month < 12) {
      std::string number = std::to_string(month + 1);
      if (number.size() == 1) number = "0" + number;
      return parse_rfc3339(parts[3].str() + "-" + number + "-" + parts[1].str() + "T" + parts[4].str() + parts[5].str() +
                           ":" + parts[6].str());
    }
  }
  if (text.size() > 40) return std::nullopt;
  static const std::regex spaced(R"((.{13,}) ([-+]..)(..))"), zone(R"((.{14,})([-+]..)(..))");
  if (std::regex_match(text, parts, spaced) || std::regex_match(text, parts, zone))
    return parse_rfc3339(parts[1].str() + parts[2].str() + ":" + parts[3].str());
  return parse_rfc3339(text + "Z");
}

}  // namespace

std::optional<std::int64_t> reference_time(const std::string& text, const std::string& form) {
  if (text.size() > 64) return std::nullopt;
  if (form == "rfc3339") return parse_rfc3339(text);
  if (form == "s") return decimal(text, 1'000'000'000, true);
  if (form == "ms") return decimal(text, 1'000'000, true);
  if (form == "us") return decimal(text, 1'000, true);
  if (form == "ns") return decimal(text, 1, true);
  if (form == "float_s") return decimal(text, 1'000'000'000, false);
  if (form == "civil") return civil(text);
  if (text.find_first_not_of("0123456789.eE+") != std::string::npos) return civil(text);
  double digits = static_cast<double>(std::min(text.find_first_of(".eE"), text.size()));
  if (const std::size_t e = text.find_first_of("eE"); e != std::string::npos) digits += std::strtod(text.c_str() + e + 1, nullptr);
  return decimal(text, digits <= 11 ? 1'000'000'000 : digits <= 14 ? 1'000'000 : digits <= 17 ? 1'000 : 1, false);
}

std::optional<ReferenceNumber> reference_number(const std::string& text) {
  static const std::regex form(R"([0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?)");
  if (text.empty() || text.size() > 64 || !std::regex_match(text, form)) return std::nullopt;
  if (text.find_first_of(".eE") == std::string::npos) {
    std::uint64_t value = 0;
    for (const char c : text)
      if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, static_cast<unsigned>(c - '0'), &value))
        return std::nullopt;
    return ReferenceNumber{value, false};
  }
  const double real = std::strtod(text.c_str(), nullptr);
  const bool lost = real == 0 && text.substr(0, text.find_first_of("eE")).find_first_of("123456789") != std::string::npos;
  if (lost || !(real < 18446744073709551616.0) || real != std::floor(real)) return std::nullopt;
  return ReferenceNumber{static_cast<std::uint64_t>(real), real >= 9007199254740992.0};
}

bool is_number(const std::string& text) {
  if (text.size() > 1 << 14) return text.find_first_not_of("0123456789") == std::string::npos && text[0] != '0';
  static const std::regex form(R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)");
  return std::regex_match(text, form);
}

bool has_padded_octet(const std::string& address) {
  static const std::regex octets(R"((?:[^%]*:)?([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)(?:%.*)?)");
  std::smatch parts;
  if (!std::regex_match(address, parts, octets)) return false;
  return std::any_of(parts.begin() + 1, parts.end(), [](const auto& part) { return part.length() > 1 && *part.first == '0'; });
}

std::optional<std::string> reference_extract(const std::string& text, const std::string& as) {
  const std::string_view all = text;
  std::string made;
  if (as == "hash") return "sha256:" + to_hex(as_view(Sha256().digest(text)));
  if (as == "size") return std::to_string(text.size());
  if (as == "hex_of_base64") {
    const auto bytes = from_base64(text);
    return bytes ? std::optional(to_hex(*bytes)) : std::nullopt;
  }
  if (as == "hex_id" || as == "other_id") {
    static const std::regex id("[0-9A-Fa-f]{16}([0-9A-Fa-f]{16})?");
    const bool is_id = text.size() <= 32 && std::regex_match(text, id);
    return is_id == (as == "hex_id") && !text.empty() ? std::optional(text) : std::nullopt;
  }
  if (as == "words") {
    static const std::regex word("[^ ,\\t\\n\\r]+");
    for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at)
      made += (made.empty() ? "" : " ") + at->str();
    return made.empty() ? std::nullopt : std::optional(made);
  }
  if (as == "digest") {
    static const std::regex hex("sha256(?:%3[Aa]|[:=])([0-9A-Fa-f]{64})(?![0-9A-Fa-f])");
    std::smatch found;
    static const std::regex bare("[0-9A-Fa-f]{64}");
    if (text.size() == 64 && std::regex_match(text, bare)) return "sha256:" + lower_case(text);
    if (text.size() <= 1 << 14 && std::regex_search(text, found, hex)) return "sha256:" + lower_case(found[1].str());
    if (text.size() > 1 << 14 && !sha256_in(text).empty()) return "sha256:" + lower_case(std::string(sha256_in(text)));
    static const std::regex named("(sha512|sha384|sha224|sha1|gitCommit|md5):([0-9A-Fa-f]{32,128})");
    static const std::map<std::string, std::set<std::size_t>> digits = {
        {"sha512", {128}}, {"sha384", {96}}, {"sha224", {56}}, {"sha1", {40}}, {"gitCommit", {40, 64}}, {"md5", {32}}};
    if (text.size() <= 200 && std::regex_match(text, found, named) &&
        digits.at(found[1].str()).contains(static_cast<std::size_t>(found[2].length())))
      return found[1].str() + ":" + lower_case(found[2].str());
    const auto bytes = from_base64(text);
    return bytes && bytes->size() == 32 ? std::optional("sha256:" + to_hex(*bytes)) : std::nullopt;
  }
  if (as == "url_host") made = url_host(all);
  else if (as == "url_port") made = url_port(all);
  else if (as == "host_name") made = is_host_name(all) ? all : "";
  else if (as == "endpoint_ip") made = endpoint_host(all);
  else if (as == "endpoint_host") made = is_host_name(endpoint_host(all)) ? endpoint_host(all) : "";
  else if (as == "endpoint_port") made = endpoint_port(all);
  else if (as == "tuple_src_ip") made = endpoint_host(tuple_side(all, false));
  else if (as == "tuple_src_port") made = endpoint_port(tuple_side(all, false));
  else if (as == "tuple_dst_ip") made = endpoint_host(tuple_side(all, true));
  else if (as == "tuple_dst_port") made = endpoint_port(tuple_side(all, true));
  else made = text;
  return made.empty() ? std::nullopt : std::optional(made);
}

std::string host_form(std::string text) {
  if (!std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; })) return normal_host(text);
  if (text.ends_with('.')) text.pop_back();
  return lower_case(text);
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

std::string part_of(const std::string& text, char separator, int number) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) parts.emplace_back();
    else parts.back() += c;
  }
  const auto count = static_cast<int>(parts.size());
  const int at = number < 0 ? count + number : number;
  return at < 0 || at >= count ? "" : parts[static_cast<std::size_t>(at)];
}

bool matches(const std::string& pattern, std::string_view word) {
  if (pattern == "*") return true;
  const bool start = pattern.size() > 1 && pattern.front() == '*';
  std::string text = pattern.substr(start ? 1 : 0);
  const bool end = text.size() > 1 && text.back() == '*';
  if (end) text.pop_back();
  if (start && end) return word.find(text) != std::string_view::npos;
  return start ? word.ends_with(text) : end ? word.starts_with(text) : word == text;
}

std::string id_without_secrets(const std::string& column, std::string text, std::uint64_t& flags) {
  static const std::set<std::string> ids = {
      "capability.uid", "capability.parent_uid", "capability.token_hash", "capability.scopes",
      "session",        "agent.instance_uid",    "correlation",           "tool.call_id"};
  if (!ids.contains(column)) return text;
  std::string out;
  for (std::string_view secret = secret_in_id(text); !secret.empty(); secret = secret_in_id(text)) {
    const auto before = static_cast<std::size_t>(secret.data() - text.data());
    const std::size_t behind = before + secret.size();
    const std::string hash = "sha256:" + to_hex(as_view(sha256(secret)));
    flags |= flag::hashed_secret;
    out += text.substr(0, before);
    if (out.size() + hash.size() > find_column(column)->limit_bytes) {
      flags |= flag::truncated_column;
      return out;
    }
    out += hash;
    text = text.substr(behind);
  }
  return out + text;
}

}  // namespace tidewaiter::ingest::testing
