#include "forward/backoff.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <string>

namespace tidewaiter::forward {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::optional<int> month_number(std::string_view word) {
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (std::size_t i = 0; i < months.size(); ++i)
    if (months[i] == word) return static_cast<int>(i);
  return std::nullopt;
}

// IMF-fixdate, RFC 850 date or asctime; strptime would read the names in the process's locale.
std::optional<std::int64_t> parse_http_date(const std::string& text) {
  char weekday[16], month[4];
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  if (std::sscanf(text.c_str(), "%15[A-Za-z], %2d %3s %4d %2d:%2d:%2d GMT", weekday, &day, month, &year, &hour, &minute,
                  &second) != 7) {
    if (std::sscanf(text.c_str(), "%15[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT", weekday, &day, month, &year, &hour,
                    &minute, &second) == 7) {
      year += year < 70 ? 2000 : 1900;
    } else if (std::sscanf(text.c_str(), "%15s %3s %2d %2d:%2d:%2d %4d", weekday, month, &day, &hour, &minute, &second,
                           &year) != 7) {
      return std::nullopt;
    }
  }
  const auto month_index = month_number(month);
  // Years whose ns fit into 64 bits; signs are read where digits belong.
  if (year < 1970 || year > 2261 || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  if (!month_index || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = *month_index;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  return static_cast<std::int64_t>(timegm(&parts)) * second_ns;
}

}  // namespace

std::int64_t Backoff::uniform(std::int64_t low, std::int64_t high) {
  if (high <= low) return low;
  const auto span = static_cast<std::uint64_t>(high - low) + 1;
  return low + static_cast<std::int64_t>(random_() % span);
}

std::int64_t Backoff::next_delay_ns(std::int64_t retry_after_ns) {
  const std::uint32_t doublings = std::min<std::uint32_t>(failures_, 30);
  ++failures_;
  const std::int64_t ceiling =
      options_.base_ns > options_.cap_ns >> doublings ? options_.cap_ns : options_.base_ns << doublings;
  const std::int64_t delay = uniform(0, ceiling);
  if (retry_after_ns <= 0) return delay;
  // Spread out behind the wished moment, so that a fleet of senders does not come back at one instant.
  return std::min(retry_after_ns, options_.retry_after_max_ns) + uniform(0, options_.base_ns);
}

std::optional<std::int64_t> parse_retry_after(std::string_view value, std::int64_t now_ns) {
  value = trim(value);
  if (value.empty()) return std::nullopt;
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size()) return seconds * second_ns;
  const auto date = parse_http_date(std::string(value));
  if (!date) return std::nullopt;
  return std::max<std::int64_t>(0, *date - now_ns);
}

}  // namespace tidewaiter::forward
