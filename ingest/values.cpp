#include "ingest/values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::size_t time_bytes_max = 64;

/// Two digits at `text`, or a number above 99.
inline unsigned two_digits(const char* text) {
  const auto high = static_cast<unsigned>(static_cast<unsigned char>(text[0]) - '0');
  const auto low = static_cast<unsigned>(static_cast<unsigned char>(text[1]) - '0');
  return high > 9 || low > 9 ? 100 : high * 10 + low;
}

/// The number that 8 digits at `text` are, or nothing. Digits, pairs and fours are put together side by side in one word.
std::optional<std::uint64_t> eight_digits(const char* text) {
  std::uint64_t eight;
  std::memcpy(&eight, text, sizeof eight);
  constexpr std::uint64_t high = 0xF0F0F0F0F0F0F0F0, six = 0x0606060606060606, threes = 0x3333333333333333;
  if (((eight & high) | ((eight + six) & high) >> 4) != threes) return std::nullopt;
  eight = (eight & ~high) * (10 * 256 + 1) >> 8;
  eight = (eight & 0x00FF00FF00FF00FF) * (100 * 65536 + 1) >> 16;
  return (eight & 0x0000FFFF0000FFFF) * (10000 * 4294967296 + 1) >> 32;
}

/// Digits after the decimal point as ns, what is finer is cut off; nothing when there is another character or none.
std::optional<std::int64_t> fraction_ns(std::string_view digits) {
  static constexpr std::int64_t unit_ns[] = {0,      100'000'000, 10'000'000, 1'000'000, 100'000,
                                             10'000, 1'000,       100,        10,        1};
  std::int64_t value = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const auto digit = static_cast<unsigned>(static_cast<unsigned char>(digits[i]) - '0');
    if (digit > 9) return std::nullopt;
    if (i < 9) value = value * 10 + digit;
  }
  if (digits.empty()) return std::nullopt;
  return value * unit_ns[std::min<std::size_t>(digits.size(), 9)];
}

/// What follows the 'e' of a number.
std::optional<int> exponent_of(std::string_view digits) {
  constexpr int most = 9999;
  int exponent = 0;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return exponent > most || exponent < -most ? std::nullopt : std::optional(exponent);
}

/// A number in decimal notation times `unit`, exactly; what is finer than the result is cut off, or, if `integral`, the
/// number itself must be an integer. 1.7e9, 1700000000.250000, -1
std::optional<std::int64_t> scaled(std::string_view text, std::int64_t unit, bool integral) {
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative);
  const std::size_t mantissa = std::min(text.find_first_of("eE"), text.size());
  const std::size_t dot = std::min(text.substr(0, mantissa).find('.'), mantissa);
  int exponent = 0;
  if (mantissa < text.size()) {
    const auto read = exponent_of(text.substr(mantissa + 1));
    if (!read) return std::nullopt;
    exponent = *read;
  }
  if (dot == 0 || dot + 1 == mantissa) return std::nullopt;
  const long point = static_cast<long>(dot) + exponent;  // digits before it count as they are, those behind as fractions
  std::int64_t value = 0, fraction_unit = unit, fraction = 0;
  long place = 0;
  bool any = false;
  for (long gap = point; gap < 0 && fraction_unit > 0; ++gap) fraction_unit /= 10;
  for (std::size_t at = 0; at < mantissa; ++at) {
    if (at == dot) continue;
    const auto digit = static_cast<unsigned>(static_cast<unsigned char>(text[at]) - '0');
    if (digit > 9) return std::nullopt;
    any = any || digit != 0;
    if (place++ < point) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)) return std::nullopt;
    } else {
      if (integral && digit != 0) return std::nullopt;
      fraction_unit /= 10;
      fraction += fraction_unit * digit;
    }
  }
  if (!any) return 0;
  for (; place < point; ++place)
    if (__builtin_mul_overflow(value, 10, &value)) return std::nullopt;
  if (__builtin_mul_overflow(value, unit, &value) || __builtin_add_overflow(value, fraction, &value)) return std::nullopt;
  return negative ? -value : value;
}

/// The unit of an epoch time with so many digits before its point.
std::int64_t unit_of(long digits) { return digits <= 11 ? second_ns : digits <= 14 ? 1'000'000 : digits <= 17 ? 1'000 : 1; }

/// digits, or digits.digits of a size that surely fits: nearly all epoch times. Nothing: read it another way.
std::optional<std::int64_t> plain_epoch(std::string_view text) {
  constexpr std::size_t digits_max = 19;
  std::uint64_t value = 0;
  std::size_t at = 0;
  for (; at + 8 <= std::min(text.size(), digits_max); at += 8) {
    const auto eight = eight_digits(text.data() + at);
    if (!eight) break;
    value = value * 100'000'000 + *eight;
  }
  for (; at < text.size() && static_cast<unsigned char>(text[at] - '0') <= 9; ++at) {
    if (at == digits_max) return std::nullopt;
    value = value * 10 + static_cast<unsigned char>(text[at] - '0');
  }
  if (at == 0 || (at < text.size() && (text[at] != '.' || at + 1 == text.size()))) return std::nullopt;
  const std::int64_t unit = unit_of(static_cast<long>(at));
  std::int64_t whole = 0;
  if (__builtin_mul_overflow(value, unit, &whole)) return std::nullopt;
  if (at == text.size()) return whole;
  std::int64_t fraction = 0, left = unit;  // what is finer than a nanosecond is cut off
  for (++at; at < text.size(); ++at) {
    const auto digit = static_cast<unsigned char>(text[at] - '0');
    if (digit > 9) return std::nullopt;
    if (left == 1) continue;
    fraction = fraction * 10 + digit;
    left /= 10;
  }
  if (__builtin_add_overflow(whole, fraction * left, &whole)) return std::nullopt;
  return whole;
}

std::optional<std::int64_t> epoch(std::string_view text, std::int64_t unit_ns) {
  std::int64_t value = 0, result = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return scaled(text, unit_ns, true);
  if (__builtin_mul_overflow(value, unit_ns, &result)) return std::nullopt;
  return result;
}

std::optional<std::int64_t> float_seconds(std::string_view text) { return scaled(text, second_ns, false); }

/// "d/Mon/Y:H:M:S +hhmm" of web servers' access logs, as RFC 3339.
std::size_t from_access_log(std::string_view text, char* out) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 26 || text[2] != '/' || text[6] != '/' || text[11] != ':' || text[20] != ' ') return 0;
  const std::size_t month = months.find(text.substr(3, 3));
  if (month == std::string_view::npos || month % 3 != 0) return 0;
  const std::size_t number = month / 3 + 1;
  const char digits[] = {static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
  char* at = out;
  for (const std::string_view part : {text.substr(7, 4), std::string_view("-"), std::string_view(digits, 2),
                                      std::string_view("-"), text.substr(0, 2), std::string_view("T"), text.substr(12, 8),
                                      text.substr(21, 3), std::string_view(":"), text.substr(24, 2)})
    at = std::copy(part.begin(), part.end(), at);
  return static_cast<std::size_t>(at - out);
}

}  // namespace

std::optional<std::int64_t> TimeReader::read(std::string_view text, TimeForm form) {
  if (text.size() > time_bytes_max) return std::nullopt;
  switch (form) {
    case TimeForm::rfc3339: return rfc3339(text);
    case TimeForm::seconds: return epoch(text, second_ns);
    case TimeForm::millis: return epoch(text, 1'000'000);
    case TimeForm::micros: return epoch(text, 1'000);
    case TimeForm::nanos: return epoch(text, 1);
    case TimeForm::float_seconds: return float_seconds(text);
    case TimeForm::civil: return civil(text);
    case TimeForm::any: return any(text);
  }
  return std::nullopt;
}

// The fast way is for "YYYY-MM-DDThh:mm:ss[.f]Z" on the day of the call before; all else goes through core.
std::optional<std::int64_t> TimeReader::rfc3339(std::string_view text) {
  if (text.size() < 20) return std::nullopt;
  if (same_day(text.data()) && text.back() == 'Z' && text[10] == 'T' &&
      text[13] == ':' && text[16] == ':') {
    const unsigned hour = two_digits(&text[11]), minute = two_digits(&text[14]), second = two_digits(&text[17]);
    const auto part = text.size() == 20 ? std::optional<std::int64_t>(0)
                      : text[19] == '.' ? fraction_ns(text.substr(20, text.size() - 21))
                                        : std::nullopt;
    if (hour < 24 && minute < 60 && second < 60 && part)
      return day_ns_ + std::int64_t{hour * 3600 + minute * 60 + second} * second_ns + *part;
    return parse_rfc3339(text);
  }
  const auto result = parse_rfc3339(text);
  char midnight[20];
  std::memcpy(midnight, text.data(), 10);
  std::memcpy(midnight + 10, "T00:00:00Z", 10);
  if (const auto day = result ? parse_rfc3339({midnight, sizeof midnight}) : std::nullopt) {
    std::memcpy(&day_head_, text.data(), 8);
    std::memcpy(&day_tail_, text.data() + 8, 2);
    day_ns_ = *day;
  }
  return result;
}

/// "Y-m-d H:M:S[.f][ UTC|Z|+0200| +0200]", as some vendors and ISO 8601's basic zone write it. No zone means UTC.
std::optional<std::int64_t> TimeReader::civil(std::string_view text) {
  if (text.ends_with(" UTC")) text.remove_suffix(4);
  if (const auto whole = rfc3339(text)) return whole;
  if (text.size() < 19 || text.size() > 40) return std::nullopt;
  char buffer[48];
  if (const std::size_t size = from_access_log(text, buffer)) return rfc3339({buffer, size});
  const std::size_t zone = text.size() - 5;
  if (text[zone] == '+' || text[zone] == '-') {
    const std::size_t clock = text[zone - 1] == ' ' ? zone - 1 : zone;
    std::memcpy(buffer, text.data(), clock);
    std::memcpy(buffer + clock, text.data() + zone, 3);
    buffer[clock + 3] = ':';
    std::memcpy(buffer + clock + 4, text.data() + zone + 3, 2);
    return rfc3339({buffer, clock + 6});
  }
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = 'Z';
  return rfc3339({buffer, text.size() + 1});
}

std::optional<std::int64_t> TimeReader::any(std::string_view text) {
  if (text.size() >= 20 && text[4] == '-')
    if (const auto time = rfc3339(text)) return time;
  if (const auto plain = plain_epoch(text)) return plain;
  auto in_number = [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+'; };
  if (!std::all_of(text.begin(), text.end(), in_number)) return civil(text);
  auto digits = static_cast<long>(std::min(text.find_first_of(".eE"), text.size()));
  if (const std::size_t mantissa = text.find_first_of("eE"); mantissa != std::string_view::npos) {
    const auto exponent = exponent_of(text.substr(mantissa + 1));
    if (!exponent) return std::nullopt;
    digits += *exponent;
  }
  return scaled(text, unit_of(digits), false);
}

std::optional<Unsigned> read_unsigned(std::string_view text) {
  if (text.empty() || text.size() > 64 || text[0] < '0' || text[0] > '9') return std::nullopt;
  if (text.size() <= 19) {  // digits alone and surely no overflow: nearly all numbers
    std::uint64_t digits = 0;
    std::size_t at = 0;
    for (; at < text.size() && static_cast<unsigned char>(text[at] - '0') <= 9; ++at)
      digits = digits * 10 + static_cast<unsigned char>(text[at] - '0');
    if (at == text.size()) return Unsigned{digits, false};
  }
  const char* const end = text.data() + text.size();
  std::uint64_t value = 0;
  auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec == std::errc() && parsed.ptr == end) return Unsigned{value, false};
  if (parsed.ec == std::errc::result_out_of_range) {
    // Only a text with an exponent or fraction may still be small enough; a plain integer is too large.
    if (text.find_first_of(".eE") == std::string_view::npos) return std::nullopt;
  }
  double number = 0;
  parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  if (number < 0 || number >= 18446744073709551616.0 || number != std::floor(number)) return std::nullopt;
  return Unsigned{static_cast<std::uint64_t>(number), number >= 9007199254740992.0};
}

namespace {

/// IPv6, with or without an IPv4 address at its end.
std::optional<Address> other_ip(std::string_view text) {
  const auto ip = parse_ip(text);
  if (!ip) return std::nullopt;
  text = text.substr(0, text.find('%'));  // a zone
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return Address{*ip, false};
  bool zeros = false, octet_begins = true;
  for (std::size_t at = text.rfind(':', dot) + 1; at < text.size(); ++at) {
    zeros = zeros || (octet_begins && text[at] == '0' && at + 1 < text.size() && text[at + 1] >= '0' && text[at + 1] <= '9');
    octet_begins = text[at] == '.';
  }
  return Address{*ip, zeros};
}

}  // namespace

std::optional<Address> read_ip(std::string_view text) {
  Address read{{}, false};
  Ip& ip = read.ip;
  ip[10] = ip[11] = 0xFF;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto digit = [&] { return at == end ? 10u : static_cast<unsigned char>(*at - '0'); };
  for (std::size_t octet = 12; octet < 16; ++octet) {
    unsigned value = digit();
    if (value > 9) return other_ip(text);
    ++at;
    read.leading_zeros = read.leading_zeros || (value == 0 && digit() <= 9);
    for (int more = 0; more < 2 && digit() <= 9; ++more, ++at) value = value * 10 + digit();
    if (value > 255 || (octet < 15 ? at == end || *at != '.' : at != end)) return other_ip(text);
    ip[octet] = static_cast<std::uint8_t>(value);
    if (octet < 15) ++at;  // behind the dot
  }
  return read;
}

namespace {

constexpr std::uint64_t each_byte = 0x0101010101010101, high_bits = 0x80 * each_byte;

/// The high bit of each byte that is an upper-case letter.
constexpr std::uint64_t upper_bits(std::uint64_t eight) {
  const std::uint64_t seven = eight & ~high_bits;  // a byte's sum with less than 128 stays in the byte
  return (seven + (0x80 - 'A') * each_byte) & ~(seven + (0x80 - 'Z' - 1) * each_byte) & ~eight & high_bits;
}

/// Whether `bits` of eight bytes are any, over the whole text; the last bytes stand before zeros.
template <typename Bits>
bool any_bits(std::string_view text, Bits bits) {
  std::size_t at = 0;
  std::uint64_t any = 0, eight;
  for (; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    any |= bits(eight);
  }
  eight = 0;
  for (std::size_t i = at; i < text.size(); ++i) eight = eight << 8 | static_cast<unsigned char>(text[i]);
  return (any | bits(eight)) != 0;
}

}  // namespace

bool has_upper(std::string_view text) { return any_bits(text, upper_bits); }

bool is_ascii(std::string_view text) {
  return !any_bits(text, [](std::uint64_t eight) { return eight & high_bits; });
}

bool has_upper_or_other(std::string_view text) {
  return any_bits(text, [](std::uint64_t eight) { return upper_bits(eight) | (eight & high_bits); });
}

std::size_t lower_ascii(std::string_view text, char* out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    out[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text.size();
}

WordTable::WordTable(const EnumTable& table) : table_(table) {
  CHECK(table.words.size() <= slots / 2);
  for (std::size_t i = 0; i < table.words.size(); ++i) {
    const std::string_view word = table.words[i];
    std::size_t at = hash(short_key(word), word.size());
    while (slots_[at].length != free_slot) at = (at + 1) % slots;
    slots_[at] = {short_key(word), static_cast<std::uint32_t>(word.size()), static_cast<std::uint8_t>(i)};
  }
}

}  // namespace tidewaiter::ingest
