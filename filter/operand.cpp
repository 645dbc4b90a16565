#include "filter/operand.hpp"

#include <array>

#include "core/text.hpp"

namespace tidewaiter::filter {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};
constexpr Unit size_units[] = {
    {"", 1},          {"b", 1},
    {"kb", 1'000},    {"mb", 1'000'000},  {"gb", 1'000'000'000},  {"tb", 1'000'000'000'000},
    {"kib", 1 << 10}, {"mib", 1 << 20},   {"gib", 1 << 30},       {"tib", std::uint64_t{1} << 40},
};
constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr Unit time_units[] = {{"ms", 1'000'000},
                               {"s", second_ns},
                               {"m", 60 * second_ns},
                               {"h", 3600 * second_ns},
                               {"d", 86400 * second_ns},
                               {"w", 7 * 86400 * second_ns}};

template <std::size_t n>
std::optional<std::uint64_t> factor_of(const Unit (&units)[n], std::string_view suffix) {
  std::string small;
  for (char c : suffix) small += lower(c);
  for (const Unit& unit : units)
    if (unit.suffix == small) return unit.factor;
  return std::nullopt;
}

/// Digits at the front of `text`, taken off it; nothing when there is none or they overflow.
std::optional<std::uint64_t> take_digits(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t count = 0;
  for (; count < text.size() && is_digit(text[count]); ++count) {
    const auto digit = static_cast<std::uint64_t>(text[count] - '0');
    if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value)) return std::nullopt;
  }
  if (count == 0) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

/// The decimal places after a dot, times `factor`; nothing when the product is no whole number.
std::optional<std::uint64_t> take_fraction(std::string_view& text, std::uint64_t factor) {
  const std::string_view start = text;
  const auto digits = take_digits(text);
  if (!digits) return std::nullopt;
  std::uint64_t value = 0, scale = 1;
  if (__builtin_mul_overflow(*digits, factor, &value)) return std::nullopt;
  for (std::size_t i = text.size(); i < start.size(); ++i)
    if (__builtin_mul_overflow(scale, 10u, &scale)) return std::nullopt;
  if (value % scale != 0) return std::nullopt;
  return value / scale;
}

/// "7d", "90s" in ns.
std::optional<std::int64_t> parse_duration(std::string_view text) {
  const auto count = take_digits(text);
  const auto factor = factor_of(time_units, text);
  std::int64_t result = 0;
  if (!count || !factor || __builtin_mul_overflow(*count, *factor, &result)) return std::nullopt;
  return result;
}

std::optional<std::int64_t> relative_time(std::string_view word, std::int64_t now_ns) {
  if (word.substr(0, 3) == "now") word.remove_prefix(3);
  if (word.empty()) return now_ns;
  if (word[0] != '-' && word[0] != '+') return std::nullopt;
  const auto duration = parse_duration(word.substr(1));
  std::int64_t result = 0;
  if (!duration) return std::nullopt;
  const bool overflow = word[0] == '-' ? __builtin_sub_overflow(now_ns, *duration, &result)
                                       : __builtin_add_overflow(now_ns, *duration, &result);
  if (overflow) return std::nullopt;
  return result;
}

bool has_zone(std::string_view clock) {
  return clock.find_first_of("Zz+-") != std::string_view::npos;
}

std::optional<std::int64_t> absolute_time(std::string_view word) {
  std::string full(word);
  if (word.size() == 10) full += "T00:00:00Z";
  if (word.size() > 10) {
    const std::string_view clock = word.substr(11);
    if (clock.size() == 5) full += ":00";
    if (!has_zone(clock)) full += 'Z';
  }
  return parse_rfc3339(full);
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view word) {
  if (!word.empty() && word[0] == '-') return fail(Code::invalid_argument, "numbers here are never negative");
  std::string_view rest = word;
  const auto whole = take_digits(rest);
  if (!whole) return fail(Code::invalid_argument, "a number was expected, such as 443 or 10MB");
  std::string_view suffix = rest;
  if (!rest.empty() && rest[0] == '.') {
    suffix = rest.substr(1);
    while (!suffix.empty() && is_digit(suffix[0])) suffix.remove_prefix(1);
  }
  const auto factor = factor_of(size_units, suffix);
  if (!factor) return fail(Code::invalid_argument, "a number was expected, such as 443 or 10MB (KB MB GB TB, KiB MiB GiB TiB)");
  std::uint64_t value = 0;
  if (__builtin_mul_overflow(*whole, *factor, &value)) return fail(Code::invalid_argument, "this number is too large");
  if (rest.size() > suffix.size()) {
    rest.remove_prefix(1);
    const auto fraction = take_fraction(rest, *factor);
    if (!fraction || __builtin_add_overflow(value, *fraction, &value))
      return fail(Code::invalid_argument, "this is no whole number");
  }
  return value;
}

std::optional<std::int64_t> parse_time(std::string_view word, std::int64_t now_ns) {
  if (word.empty()) return std::nullopt;
  if (word[0] == '-' || word[0] == '+' || word.substr(0, 3) == "now") return relative_time(word, now_ns);
  return absolute_time(word);
}

Result<Network> parse_network(std::string_view word) {
  const std::size_t slash = word.find('/');
  const std::string_view address = word.substr(0, slash);
  const auto ip = parse_ip(address);
  if (!ip) return fail(Code::invalid_argument, "an address or a CIDR block was expected, such as 10.0.0.0/8");
  Network network{*ip, 128};
  if (slash == std::string_view::npos) return network;
  const bool v4 = address.find(':') == std::string_view::npos;
  std::string_view digits = word.substr(slash + 1);
  const auto prefix = take_digits(digits);
  if (!prefix || !digits.empty() || *prefix > (v4 ? 32u : 128u))
    return fail(Code::invalid_argument, v4 ? "the prefix length is 0 to 32" : "the prefix length is 0 to 128");
  network.prefix = static_cast<unsigned>(*prefix) + (v4 ? 96 : 0);
  Network cut = network;
  for (unsigned bit = network.prefix; bit < 128; ++bit)
    cut.bits[bit / 8] = static_cast<std::uint8_t>(cut.bits[bit / 8] & ~(0x80u >> bit % 8));
  if (cut.bits != network.bits)
    return fail(Code::invalid_argument, "bits are set behind the prefix; did you mean '" + format_network(cut) + "'?");
  return network;
}

std::string format_network(const Network& network) {
  const std::string address = format_ip(network.bits);
  if (network.prefix == 128) return address;
  const bool v4 = address.find(':') == std::string::npos;
  return address + "/" + std::to_string(v4 ? network.prefix - 96 : network.prefix);
}

}  // namespace tidewaiter::filter
