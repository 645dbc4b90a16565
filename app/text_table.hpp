// Columns of text for people: aligned, cut to a width, and free of control characters, so that nothing in stored data
// can move a terminal's cursor. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter::app {

class TextTable {
 public:
  /// Cells longer than `cell_width_max` characters are cut with an ellipsis; the last column is not.
  explicit TextTable(std::vector<std::string> heads, std::size_t cell_width_max = 36);
  void align_right(std::size_t column);
  void add(std::vector<std::string> cells);
  std::size_t rows() const { return rows_.size(); }
  /// Leaves out the columns in which no row has anything.
  void drop_empty_columns();
  /// The whole table, with a header line unless `headless`.
  std::string text(bool headless = false) const;

 private:
  std::string clean(std::string_view cell, bool last) const;
  std::size_t cell_width_max_;
  std::vector<std::string> heads_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// Stored text for a terminal: control characters become '?'.
std::string printable_text(std::string_view text);
/// "1.5 MB", "312 B".
std::string human_bytes(std::uint64_t bytes);
/// "1,234,567".
std::string grouped(std::uint64_t number);
/// "3.2 s", "5 min", "2 h", "3 d".
std::string human_duration(std::int64_t ns);

}  // namespace tidewaiter::app
