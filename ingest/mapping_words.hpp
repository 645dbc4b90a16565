// The words of the mapping language and what they mean for a column: shared by the compilers of Plan and Recipe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/column.hpp"
#include "core/result.hpp"
#include "ingest/plan.hpp"
#include "ingest/recipe.hpp"

namespace tidewaiter::ingest {

std::optional<Transform> transform_of(std::string_view word);
std::optional<Extract> extract_of(std::string_view word);
std::optional<TimeForm> form_of(std::string_view word);
/// The bit of a word of the `flags` column.
std::optional<std::uint64_t> flag_of(std::string_view word);

inline constexpr std::string_view not_by_the_schema =
    "a key is missing here or a value is of another type than schemas/mapping.schema.json asks for";

/// "; did you mean 'x'?", or nothing when no word is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> words);
std::string no_such_column(std::string_view name);
std::string no_such_word(std::string_view word, const EnumTable& words);
/// Of a word of `as`, with those that go with such columns.
std::string does_not_fit(std::string_view as, ColumnKind kind);

Transform natural_transform(ColumnKind kind);
/// May a column of this kind be filled this way?
bool fits(Transform as, ColumnKind kind);
bool fits(Extract as, ColumnKind kind);
/// A leaf that fills the column in its natural way.
Leaf leaf_of(const ColumnInfo& column);
/// A constant for a column. Error: invalid_argument.
Result<Default> default_of(std::string_view column, std::string_view value);

}  // namespace tidewaiter::ingest
