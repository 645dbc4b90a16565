// Which commits a backtest has to play, found by the headers of blocks: nothing is decompressed.
#pragma once

#include <cstdint>
#include <optional>

#include "core/result.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {

struct CommitRange {
  std::uint64_t first = 1;
  std::uint64_t last = 0;  // the last with an event before `to_ns`
};

/// Of the commits 1 to `newest`: all that may hold events at or after `from_ns` (none = from the first commit), up to the
/// last one that may hold an event before `to_ns` (none = `newest`). Empty (last < first) when no event is in range.
Result<CommitRange> commits_of(const store::Reader& reader, std::optional<std::int64_t> from_ns,
                               std::optional<std::int64_t> to_ns, std::uint64_t newest);

}  // namespace tidewaiter::app
