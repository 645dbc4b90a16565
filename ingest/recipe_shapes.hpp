// Which cells of an event are filled decides most of a mapping: whether it fits, and which sources can give a column its
// value at all. RecipeShapes works that out once for each set of filled cells that is met, and remembers it: messages of
// one topic have few such sets. What is left for an event are the steps of its shape. Owned by one RecipeWalker.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ingest/recipe.hpp"

namespace tidewaiter::ingest {

struct CellShape {
  enum class Fit : std::uint8_t { no, yes, by_text };
  /// A source that may give its column a value.
  struct Step {
    const ColumnSource* source;
    const ColumnInfo* column;
    Constant value;                            // what it gives, if that is known
    std::uint32_t first_check, check_count;    // conditions that only the texts decide
    std::uint32_t behind;                      // the first step of the next column
    std::int32_t cell;                         // whose text the column is given as it stands; -1 = it takes more
  };
  std::vector<std::uint64_t> present;          // the filled cells
  bool is_known = false;
  Fit fit = Fit::no;
  std::vector<Step> steps;                     // column by column, the preferred source first
  std::vector<const Condition*> checks;
  std::uint64_t flags = 0;                     // of the marks that hold
  std::vector<const Mark*> marks;              // that only the texts decide
};

class RecipeShapes {
 public:
  explicit RecipeShapes(const Recipe& recipe) : recipe_(recipe), words_(recipe.cell_room / 64) {}

  /// `present`: a bit for each cell of the event's location. Valid until the next call.
  const CellShape& of(const std::uint64_t* present);

 private:
  /// Four of the same hash have room; a fifth is worked out anew, which costs time and nothing else.
  struct Set {
    static constexpr std::size_t way_count = 4;
    std::array<CellShape, way_count> ways;
    std::size_t last = 0;  // asked for last
    void turn() { last = (last + 1) % way_count; }
  };

  void work_out(CellShape& shape, const std::uint64_t* present) const;
  void add_column(CellShape& shape, const ColumnSources& column, const std::uint64_t* present) const;
  static bool add_checks(CellShape& shape, const std::vector<Condition>& conditions, const std::uint64_t* present);

  const Recipe& recipe_;
  std::size_t words_;
  std::array<Set, 64> shapes_;
};

}  // namespace tidewaiter::ingest
