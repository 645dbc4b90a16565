#include "app/text_table.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace tidewaiter::app {

namespace {

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// The first `characters` characters of UTF-8 text.
std::string_view first(std::string_view text, std::size_t characters) {
  std::size_t at = 0;
  for (; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && characters-- == 0) break;
  return text.substr(0, at);
}

std::string one_decimal(double value, const char* unit) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, value < 9.95 ? "%.1f %s" : "%.0f %s", value, unit);
  return buffer;
}

}  // namespace

TextTable::TextTable(std::vector<std::string> heads, std::size_t cell_width_max)
    : cell_width_max_(cell_width_max), heads_(std::move(heads)), right_(heads_.size(), false) {}

void TextTable::align_right(std::size_t column) { right_[column] = true; }

std::string TextTable::clean(std::string_view cell, bool last) const {
  std::string text = printable_text(cell);
  if (last || width(text) <= cell_width_max_) return text;
  return std::string(first(text, cell_width_max_ - 1)) + "\xe2\x80\xa6";
}

void TextTable::add(std::vector<std::string> cells) {
  cells.resize(heads_.size());
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = clean(cells[i], i + 1 == cells.size());
  rows_.push_back(std::move(cells));
}

void TextTable::drop_empty_columns() {
  for (std::size_t i = heads_.size(); i-- > 0;) {
    const bool empty = std::all_of(rows_.begin(), rows_.end(), [&](const auto& row) { return row[i].empty(); });
    if (!empty) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    heads_.erase(heads_.begin() + at);
    right_.erase(right_.begin() + at);
    for (auto& row : rows_) row.erase(row.begin() + at);
  }
}

std::string TextTable::text(bool headless) const {
  std::vector<std::size_t> widths(heads_.size());
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    widths[i] = headless ? 0 : width(heads_[i]);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - width(cells[i]), ' ');
      text += right_[i] ? pad + cells[i] : cells[i] + pad;
      if (i + 1 < cells.size()) text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  if (!headless) line(heads_);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string printable_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (c == 0xC2 && next >= 0x80 && next < 0xA0) {  // C1 controls
      out += '?';
      ++i;
    } else {
      out += c < 0x20 || c == 0x7F ? '?' : text[i];
    }
  }
  return out;
}

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return std::to_string(bytes) + " B";
  if (value < 999.5e3) return one_decimal(value / 1e3, "kB");
  if (value < 999.5e6) return one_decimal(value / 1e6, "MB");
  if (value < 999.5e9) return one_decimal(value / 1e9, "GB");
  return one_decimal(value / 1e12, "TB");
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string human_duration(std::int64_t ns) {
  const double s = static_cast<double>(ns) / 1e9;
  if (s < 1) return one_decimal(s * 1e3, "ms");
  if (s < 120) return one_decimal(s, "s");
  if (s < 7200) return one_decimal(s / 60, "min");
  if (s < 48 * 3600) return one_decimal(s / 3600, "h");
  return one_decimal(s / 86400, "d");
}

}  // namespace tidewaiter::app
