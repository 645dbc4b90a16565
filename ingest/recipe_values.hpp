// From the cells of one event to its columns, by the sources of a Recipe. Owned by one thread. Cost: a few comparisons a
// column; text is derived into the batch's arena only where a mapping puts parts together or changes them.
#pragma once

#include "core/sha256.hpp"
#include "ingest/event_writer.hpp"
#include "ingest/explanation.hpp"
#include "ingest/recipe.hpp"
#include "ingest/recipe_shapes.hpp"

namespace tidewaiter::ingest {

class RecipeValues {
 public:
  /// `cells` are those of the event's location, `shape` is that of the cells.
  static bool fits(const Recipe& recipe, const CellShape& shape, const Cell* cells);
  void fill(const Recipe& recipe, const CellShape& shape, const Cell* cells, Batch& batch, const Record& record,
            Event& event, std::uint64_t flags, Explanation* explanation);
  /// The identity of a certificate that has signed becomes the principal of an event that names none.
  static void set_signer(Batch& batch, std::string_view identity, Event& event);

 private:
  bool take(const CellShape& shape, const CellShape::Step& step, const Cell* cells);
  bool give(const Leaf& leaf, const Constant& value);
  bool offer(const ColumnSource& source, const Cell* cells);
  bool offer_count(const ColumnSource& source, std::uint32_t count);
  bool offer_list(const ColumnSource& source, std::string_view list);
  static const TableRow* row_of(const ColumnSource& source, std::string_view text);
  bool offer_text(const ColumnSource& source, std::string_view text);
  bool text_of(const ColumnSource& source, const Cell* cells, std::string_view& text);
  bool put_together(const ColumnSource& source, const Cell* cells, std::string_view& text);
  bool extract(Extract what, std::string_view& text);
  std::string_view keep(std::string_view text);
  std::string_view keep_hex(std::string_view start, std::string_view bytes);
  std::string_view keep_digest(std::string_view name, std::string_view hex);
  std::string_view keep_words(std::string_view text);
  std::string_view keep_number(std::size_t number);

  Batch* batch_ = nullptr;
  EventWriter writer_;
  Sha256 hash_;
};

}  // namespace tidewaiter::ingest
