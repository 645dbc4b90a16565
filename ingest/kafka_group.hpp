// What a consumer group has committed, asked for from outside of it: nothing is joined, no partition changes hands.
// Used once before the group is joined. Blocking, bounded by `timeout_ms`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"

namespace tidewaiter::ingest {

struct GroupOffset {
  std::string topic;
  std::uint32_t partition = 0;
  std::uint64_t next_offset = 0;
  std::string metadata;  // as the committing member wrote it; may be empty
};

struct GroupOffsets {
  std::string cluster, group;
  std::vector<GroupOffset> offsets;  // of every topic; empty when the group has never committed
};

/// `properties` are those of the consumer. Errors: unavailable (no answer in time), permission (refused),
/// invalid_argument (a property).
Result<GroupOffsets> ask_group_offsets(const std::map<std::string, std::string>& properties, int timeout_ms);

}  // namespace tidewaiter::ingest
