#include "ingest/recipe_shapes.hpp"

#include <algorithm>

namespace tidewaiter::ingest {
namespace {

/// Nothing: the texts decide.
std::optional<bool> all_hold(const std::vector<Condition>& conditions, const std::uint64_t* present) {
  bool known = true;
  for (const Condition& one : conditions) {
    const auto holds = one.holds_by_presence(present);
    if (!holds) known = false;
    else if (!*holds) return false;
  }
  return known ? std::optional(true) : std::nullopt;
}

/// False: the source cannot give a value, for it has no text.
bool has_text(const ColumnSource& source, const std::uint64_t* present) {
  if (!source.which.empty())
    return std::any_of(source.which.begin(), source.which.end(),
                       [&](const ColumnSource::Literal& one) { return has_cell(present, one.cell); });
  const auto is_there = [&](const SourcePart& part) {
    return part.cell < 0 || has_cell(present, static_cast<std::size_t>(part.cell));
  };
  return source.some_suffice ? std::any_of(source.parts.begin(), source.parts.end(), is_there)
                             : std::all_of(source.parts.begin(), source.parts.end(), is_there);
}

Constant value_of(const ColumnSource& source, const std::uint64_t* present) {
  for (const ColumnSource::Literal& one : source.which)
    if (has_cell(present, one.cell)) return one.value;
  return source.value;
}

}  // namespace

const CellShape& RecipeShapes::of(const std::uint64_t* present) {
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < words_; ++i) hash = (hash ^ present[i]) * 0x9E3779B97F4A7C15;
  Set& set = shapes_[hash >> 58];
  for (std::size_t tried = 0; tried < Set::way_count; ++tried, set.turn()) {
    const CellShape& shape = set.ways[set.last];
    std::uint64_t other = 0;
    for (std::size_t i = 0; shape.is_known && i < words_; ++i) other |= shape.present[i] ^ present[i];
    if (shape.is_known && other == 0) return shape;
  }
  set.turn();
  work_out(set.ways[set.last], present);
  return set.ways[set.last];
}

void RecipeShapes::work_out(CellShape& shape, const std::uint64_t* present) const {
  shape.is_known = true;
  shape.present.assign(present, present + words_);
  shape.steps.clear();
  shape.checks.clear();
  shape.marks.clear();
  shape.flags = 0;
  shape.fit = CellShape::Fit::no;
  for (const std::vector<Condition>& way : recipe_.detect) {
    const auto holds = all_hold(way, present);
    if (holds && !*holds) continue;
    shape.fit = holds ? CellShape::Fit::yes : CellShape::Fit::by_text;
    if (holds) break;
  }
  if (shape.fit == CellShape::Fit::no) return;
  for (const ColumnSources& column : recipe_.columns) add_column(shape, column, present);
  for (const Mark& mark : recipe_.marks) {
    const auto holds = all_hold(mark.when, present);
    if (!holds) shape.marks.push_back(&mark);
    else if (*holds) shape.flags |= mark.flag;
  }
}

void RecipeShapes::add_column(CellShape& shape, const ColumnSources& column, const std::uint64_t* present) const {
  const std::size_t first = shape.steps.size();
  for (const ColumnSource& source : column.sources) {
    if (!has_text(source, present)) continue;
    const auto first_check = static_cast<std::uint32_t>(shape.checks.size());
    if (!add_checks(shape, source.when, present)) continue;
    const auto checks = static_cast<std::uint32_t>(shape.checks.size()) - first_check;
    const Constant value = value_of(source, present);
    const std::int32_t cell = source.is_direct ? source.parts[0].cell : -1;
    shape.steps.push_back({&source, &column.column, value, first_check, checks, 0, cell});
    if (checks == 0 && value.kind != Constant::Kind::unknown) break;  // no other source has its turn
  }
  const auto behind = static_cast<std::uint32_t>(shape.steps.size());
  for (std::size_t i = first; i < behind; ++i) shape.steps[i].behind = behind;
}

/// False, and nothing added: they cannot hold.
bool RecipeShapes::add_checks(CellShape& shape, const std::vector<Condition>& conditions, const std::uint64_t* present) {
  const std::size_t before = shape.checks.size();
  for (const Condition& one : conditions) {
    const auto holds = one.holds_by_presence(present);
    if (!holds) {
      shape.checks.push_back(&one);
    } else if (!*holds) {
      shape.checks.resize(before);
      return false;
    }
  }
  return true;
}

}  // namespace tidewaiter::ingest
