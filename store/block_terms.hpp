// Reads from a block's columns what the index of its segment needs, column by column, without making events.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.hpp"
#include "store/segment_index.hpp"

namespace tidewaiter::store {

/// Adds the terms of the indexed columns of a block, given its stored columns. `segment_first` is the segment's first
/// seq; blocks come in order and none twice. Error: corruption.
Result<void> index_block(std::string_view cols, std::uint64_t segment_first, SegmentIndexBuilder& index);

}  // namespace tidewaiter::store
