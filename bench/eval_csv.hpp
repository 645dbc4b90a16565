// Reading of evaluation data: lines of a file in blocks of 1 MiB, and the named columns of a CSV with a header.
// A field may be quoted; what is between the quotes is taken as it is (a doubled quote stays doubled: ids are only
// compared). Memory does not grow with the file.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace tidewaiter::bench {

class LineReader {
 public:
  /// Errors: not_found.
  static Result<LineReader> open(const std::string& path);
  /// Next line without its end; false at the end of the file. The view holds until the next call.
  bool next(std::string_view& line);
  std::uint64_t line_number() const { return line_number_; }  // of the last line, from 1

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit LineReader(std::FILE* file) : file_(file), block_(block_bytes) {}
  bool refill();

  static constexpr std::size_t block_bytes = 1 << 20;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<char> block_;
  std::size_t begin_ = 0, end_ = 0;
  bool done_ = false;
  std::uint64_t line_number_ = 0;
};

/// A CSV whose header names the columns, in any order; others are ignored.
class CsvReader {
 public:
  static constexpr std::size_t columns_max = 8;
  using Fields = std::array<std::string_view, columns_max>;

  /// `wanted` columns in the order of Fields; the first `required` must be there. Errors: not_found, invalid_argument
  /// (which column is missing).
  static Result<CsvReader> open(const std::string& path, const std::vector<std::string_view>& wanted,
                                std::size_t required);
  bool has(std::size_t column) const { return present_[column]; }
  /// Fields of the next row, empty for a column that the file does not have. False at the end. Empty lines are skipped.
  bool next(Fields& fields);
  std::uint64_t line_number() const { return lines_.line_number(); }

 private:
  explicit CsvReader(LineReader lines) : lines_(std::move(lines)) {}
  LineReader lines_;
  std::vector<std::size_t> place_;  // of each column of the file in Fields, or columns_max
  std::array<bool, columns_max> present_{};
};

/// A plain number; false when the text is none.
bool parse_number(std::string_view text, double& out);

/// Length of the unit of time stamps, in ns. From 1e8 on they are taken as seconds, milliseconds, microseconds or
/// nanoseconds since 1970 by their size. Smaller ones count from a start of their own: they are minutes when one value
/// holds four rows or more on average, else seconds.
std::int64_t guess_time_unit(const std::vector<double>& times);

/// "s", "ms", "us", "ns", "min", "h" or "d" in ns; 0 for another word.
std::int64_t time_unit_ns(std::string_view word);

}  // namespace tidewaiter::bench
