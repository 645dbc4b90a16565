// Events for tests, written as a list of columns: make_event({{"app", "crm"}, {"bytes_out", "10"}}).
#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <utility>

#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter::test {

inline std::uint64_t bits_of(const EnumTable& table, std::string_view words) {
  std::uint64_t bits = 0;
  while (!words.empty()) {
    const std::size_t end = words.find(',');
    bits |= std::uint64_t{1} << table.find(words.substr(0, end)).value();
    words = end == std::string_view::npos ? std::string_view() : words.substr(end + 1);
  }
  return bits;
}

inline std::uint64_t number_of(const ColumnInfo& column, const std::string& value) {
  switch (column.kind) {
    case ColumnKind::time: return static_cast<std::uint64_t>(parse_rfc3339(value).value());
    case ColumnKind::enumeration: return column.words->find(value).value();
    case ColumnKind::set: return bits_of(*column.words, value);
    default: return std::stoull(value);
  }
}

/// The strings live as long as the process.
inline Event make_event(std::initializer_list<std::pair<std::string, std::string>> values) {
  static std::deque<std::string> kept;
  Event event;
  for (const auto& [name, value] : values) {
    const auto column = find_column(name);
    CHECK(column.has_value());
    if (column->kind == ColumnKind::string) event.set(static_cast<Str>(column->slot), kept.emplace_back(value));
    else if (column->kind == ColumnKind::ip) event.set(static_cast<Addr>(column->slot), parse_ip(value).value());
    else event.set(static_cast<Num>(column->slot), number_of(*column, value));
  }
  return event;
}

}  // namespace tidewaiter::test
