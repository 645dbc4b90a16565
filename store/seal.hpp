// The segment that is being sealed, kept in memory between the bounded steps of Log::seal_one_segment().
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "store/segment_index.hpp"

namespace tidewaiter::store {

struct SealJob {
  std::uint16_t log = 0;
  std::uint64_t first = 0, end = 0;           // the segment
  std::uint64_t packed = 0, indexed = 0;      // how far both have come
  std::unique_ptr<SegmentIndexBuilder> index = std::make_unique<SegmentIndexBuilder>();
  std::map<std::uint8_t, SegmentIndexBuilder> later;  // by version of the columns that reach into the segment
};

}  // namespace tidewaiter::store
