// Inverted index of a sealed segment: which records have an event with this value in that column. One value per
// (log, segment, column) in `index`:
//   version u8, varint terms, per term in byte order: varint length + bytes, varint postings, varint bytes of them;
//   then the postings, each a varint step from the one before (seq relative to the segment, ascending, no doubles)
// A term is the bytes of a string, the 16 bytes of an address, or an enumeration's number as one byte.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/column.hpp"
#include "core/event.hpp"
#include "core/result.hpp"

namespace tidewaiter::store {

/// Numbers of the indexed columns in core/column.hpp's table, ascending.
const std::vector<std::uint8_t>& indexed_columns();
bool is_indexed(std::uint8_t column);

class SegmentIndexBuilder {
 public:
  SegmentIndexBuilder();
  ~SegmentIndexBuilder();
  /// Ascending in `seq`, which counts from the start of the segment.
  void add(std::uint32_t seq, const Event& event);
  /// The same for a whole column of a block: value i is entries[ids[i]] and belongs to record seqs[i].
  void add(std::uint8_t column, const std::vector<std::string_view>& entries, const std::vector<std::uint32_t>& ids,
           const std::vector<std::uint32_t>& seqs);
  /// One value per indexed column, in the order of indexed_columns().
  std::vector<std::string> finish();

 private:
  struct Column;
  std::vector<std::unique_ptr<Column>> columns_;
  std::vector<std::uint32_t> term_of_entry_;
};

/// Records with this term, or none. Error: corruption.
Result<std::vector<std::uint32_t>> index_lookup(std::string_view value, std::string_view term);

struct IndexTerm {
  std::string_view term;
  std::vector<std::uint32_t> records;
};
/// The whole value, for those who check it.
Result<std::vector<IndexTerm>> index_terms(std::string_view value);

}  // namespace tidewaiter::store
