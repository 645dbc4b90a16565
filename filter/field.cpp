#include "filter/field.hpp"

#include <vector>

#include "filter/message.hpp"

namespace tidewaiter::filter {
namespace {

constexpr EnumTable flag_table{"flags", flag_words};

std::uint64_t bit(unsigned slot) { return std::uint64_t{1} << slot; }

std::vector<std::string_view> all_names() {
  std::vector<std::string_view> names;
  for (const ColumnInfo& column : columns) names.push_back(column.name);
  return names;
}

/// A column whose last part is `name`: "token_hash" of "capability.token_hash".
std::string_view full_name_of(std::string_view name) {
  for (const ColumnInfo& column : columns)
    if (column.name.size() > name.size() + 1 && column.name.ends_with(name) &&
        column.name[column.name.size() - name.size() - 1] == '.')
      return column.name;
  return {};
}

}  // namespace

std::optional<ColumnInfo> find_field(std::string_view name) {
  auto column = find_column(name);
  if (column && column->name == info(Num::flags).name) {
    column->kind = ColumnKind::set;
    column->words = &flag_table;
  }
  return column;
}

ColumnSet columns_of(const ColumnInfo& column) {
  ColumnSet set;
  if (column.kind == ColumnKind::string) set.strings = bit(column.slot);
  else if (column.kind == ColumnKind::ip) set.numbers = bit(static_cast<unsigned>(num_count) + column.slot);
  else set.numbers = bit(column.slot);
  return set;
}

ColumnSet columns_of(std::string_view name) {
  ColumnSet set;
  for (const ColumnInfo& column : columns) {
    const bool in_group = column.name.size() > name.size() && column.name.starts_with(name) && column.name[name.size()] == '.';
    if (column.name != name && !in_group) continue;
    const ColumnSet one = columns_of(column);
    set.strings |= one.strings;
    set.numbers |= one.numbers;
  }
  return set;
}

std::string unknown_field(std::string_view name) {
  const std::string what = "unknown field " + shown(name);
  if (const std::string_view full = full_name_of(name); !name.empty() && !full.empty())
    return what + "; did you mean '" + std::string(full) + "'?";
  return what + suggestion(name, all_names());
}

bool is_ordered(const EnumTable& table) { return &table == &enums::risk_tier || &table == &enums::severity; }

}  // namespace tidewaiter::filter
