// IndexedTerms: which blocks of sealed segments can hold what a filter asks for, told by the inverted index. One query's
// own, not thread-safe; keeps the answer for one segment of each log.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "filter/filter.hpp"
#include "store/reader.hpp"

namespace tidewaiter::store {

class IndexedTerms {
 public:
  /// Both must outlive it. Terms of columns that have no index are left to the filter.
  IndexedTerms(const Reader& reader, const std::vector<filter::RequiredTerm>& terms);

  /// False only if no event of the records [first_seq, end_seq) of the log has all required terms. True where nothing is
  /// sealed yet, and where the index cannot be read: then the blocks are looked at themselves, and `verify` names it.
  bool may_hold(std::uint16_t log, std::uint64_t first_seq, std::uint64_t end_seq);

 private:
  struct Segment {
    std::uint64_t first = 0, end = 0;
    bool known = false;
    std::vector<std::uint64_t> records;  // ascending: those with all terms
  };
  void load(Segment& segment, std::uint16_t log) const;
  Result<std::vector<std::uint64_t>> records_with(std::uint16_t log, const filter::RequiredTerm& term,
                                                  const Segment& segment) const;

  const Reader& reader_;
  std::vector<const filter::RequiredTerm*> terms_;
  std::map<std::uint16_t, Segment> segments_;
};

}  // namespace tidewaiter::store
