// Text: appends JSON to a fixed buffer, without checks per field and without allocation.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tidewaiter::app::generate {

class Text {
 public:
  static constexpr std::size_t capacity = 32 * 1024;  // far above the longest message

  void clear() { end_ = 0; }
  std::size_t size() const { return end_; }
  std::string_view view() const { return {buffer_.data(), end_}; }
  char* data() { return buffer_.data(); }
  void truncate(std::size_t size) { end_ = size; }

  template <std::size_t N>
  Text& lit(const char (&text)[N]) {
    std::memcpy(buffer_.data() + end_, text, N - 1);
    end_ += N - 1;
    return *this;
  }
  /// The caller knows that `text` needs no escape.
  Text& put(std::string_view text) {
    std::memcpy(buffer_.data() + end_, text.data(), text.size());
    end_ += text.size();
    return *this;
  }
  Text& number(std::uint64_t n) {
    char digits[20];
    std::size_t at = sizeof digits;
    do digits[--at] = static_cast<char>('0' + n % 10);
    while (n /= 10);
    return put({digits + at, sizeof digits - at});
  }
  Text& hex(std::uint64_t n, int digits) {
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
      buffer_[end_++] = "0123456789abcdef"[n >> shift & 15];
    return *this;
  }
  /// "2025-09-01T08:30:12.345Z".
  Text& time(std::int64_t ns) {
    const std::int64_t ms = ns / 1'000'000, day = ms / 86'400'000, rest = ms % 86'400'000;
    if (day != day_) set_day(day);
    put({date_, 11});
    two(rest / 3'600'000);
    buffer_[end_++] = ':';
    two(rest / 60'000 % 60);
    buffer_[end_++] = ':';
    two(rest / 1000 % 60);
    buffer_[end_++] = '.';
    buffer_[end_++] = static_cast<char>('0' + rest % 1000 / 100);
    two(rest % 100);
    buffer_[end_++] = 'Z';
    return *this;
  }

 private:
  void two(std::int64_t n) {
    buffer_[end_++] = static_cast<char>('0' + n / 10);
    buffer_[end_++] = static_cast<char>('0' + n % 10);
  }
  /// Days since 1970 to a civil date (Howard Hinnant, "chrono-compatible low-level date algorithms").
  void set_day(std::int64_t day) {
    day_ = day;
    const std::int64_t z = day + 719'468, era = z / 146'097, doe = z - era * 146'097;
    const std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
    const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    const std::int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
    const std::int64_t parts[] = {year / 100, year % 100, month, doy - (153 * mp + 2) / 5 + 1};
    char* out = date_;
    for (int i = 0; i < 4; ++i) {
      *out++ = static_cast<char>('0' + parts[i] / 10);
      *out++ = static_cast<char>('0' + parts[i] % 10);
      if (i == 1 || i == 2) *out++ = '-';
    }
    *out = 'T';
  }

  std::array<char, capacity> buffer_;
  std::size_t end_ = 0;
  std::int64_t day_ = -1;
  char date_[11] = {};
};

}  // namespace tidewaiter::app::generate
