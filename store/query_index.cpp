#include "store/query_index.hpp"

#include <algorithm>
#include <iterator>

#include "store/segment_index.hpp"

namespace tidewaiter::store {

IndexedTerms::IndexedTerms(const Reader& reader, const std::vector<filter::RequiredTerm>& terms) : reader_(reader) {
  for (const filter::RequiredTerm& term : terms)
    if (is_indexed(static_cast<std::uint8_t>(term.column))) terms_.push_back(&term);
}

Result<std::vector<std::uint64_t>> IndexedTerms::records_with(std::uint16_t log, const filter::RequiredTerm& term,
                                                              const Segment& segment) const {
  std::vector<std::uint64_t> all;
  for (const std::string& value : term.any_of) {
    TRY_ASSIGN(const auto records,
               reader_.find_term(log, static_cast<std::uint8_t>(term.column), value, segment.first, segment.end));
    all.insert(all.end(), records.begin(), records.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void IndexedTerms::load(Segment& segment, std::uint16_t log) const {
  segment.known = true;
  segment.records.clear();
  bool first = true;
  for (const filter::RequiredTerm* term : terms_) {
    auto records = records_with(log, *term, segment);
    if (!records) {
      segment.known = false;
      return;
    }
    if (std::exchange(first, false)) {
      segment.records = std::move(*records);
      continue;
    }
    std::vector<std::uint64_t> both;
    std::set_intersection(segment.records.begin(), segment.records.end(), records->begin(), records->end(),
                          std::back_inserter(both));
    segment.records = std::move(both);
  }
}

bool IndexedTerms::may_hold(std::uint16_t log, std::uint64_t first_seq, std::uint64_t end_seq) {
  if (terms_.empty()) return true;
  Segment& segment = segments_[log];
  if (first_seq < segment.first || first_seq >= segment.end) {
    const auto sealed = reader_.sealed_segment(log, first_seq);
    if (!sealed) return true;
    segment.first = sealed->first;
    segment.end = sealed->second;
    load(segment, log);
  }
  if (!segment.known || end_seq > segment.end) return true;
  const auto found = std::lower_bound(segment.records.begin(), segment.records.end(), first_seq);
  return found != segment.records.end() && *found < end_seq;
}

}  // namespace tidewaiter::store
