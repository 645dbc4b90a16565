// Fields of the language: the columns of the event, and groups of them for exists().
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/column.hpp"
#include "filter/syntax.hpp"

namespace tidewaiter::filter {

/// The column with the type that the language gives it (`flags` is a set), or nothing.
std::optional<ColumnInfo> find_field(std::string_view name);

/// The columns that exists(name) asks for: one, or a whole group such as "approval". Empty when there is none.
ColumnSet columns_of(std::string_view name);
ColumnSet columns_of(const ColumnInfo& column);

/// "unknown field 'x'; did you mean 'y'?"
std::string unknown_field(std::string_view name);

/// True when < and > mean something for the words of this enumeration.
bool is_ordered(const EnumTable& table);

}  // namespace tidewaiter::filter
