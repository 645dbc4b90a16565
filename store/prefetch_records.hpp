// Another core has written the records of a commit: what a loop over them reads is asked for some records ahead, first
// their columns, then the bodies that most texts are in. Inside of the store's writer only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/prefetch.hpp"
#include "core/record.hpp"

namespace tidewaiter::store {

inline constexpr std::size_t columns_ahead = 6, texts_ahead = 3;

inline const Event* event_at(const std::vector<Record>& records, const std::vector<Event>& events, std::size_t at) {
  if (at >= records.size() || records[at].event_count == 0) return nullptr;
  return &events[records[at].first_event];
}

/// Longer ones are read in order, which the processor sees by itself.
inline void prefetch_body(std::string_view body) {
  constexpr std::size_t bytes_max = 2048;
  for (std::size_t at = 0; at < std::min(body.size(), bytes_max); at += 64) prefetch_line(body.data() + at);
}

/// `of_log`: places of records in the commit, which are read in this order; `at` is the one read now.
inline void prefetch_ahead(const Commit& made, std::span<const std::uint32_t> of_log, std::size_t at) {
  if (at + columns_ahead < of_log.size())
    if (const Event* event = event_at(made.records, made.events, of_log[at + columns_ahead])) prefetch(*event);
  if (at + texts_ahead < of_log.size()) prefetch_body(made.records[of_log[at + texts_ahead]].body);
}

}  // namespace tidewaiter::store
