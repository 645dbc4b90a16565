#include "app/backtest_range.hpp"

#include <algorithm>

namespace tidewaiter::app {

Result<CommitRange> commits_of(const store::Reader& reader, std::optional<std::int64_t> from_ns,
                               std::optional<std::int64_t> to_ns, std::uint64_t newest) {
  if (!from_ns && !to_ns) return CommitRange{1, newest};
  CommitRange range{newest + 1, 0};
  const auto take = [&](const store::BlockSummary& block) {
    if (block.min_time_ns > block.max_time_ns || block.first_commit > newest) return false;
    if (!from_ns || block.max_time_ns >= *from_ns) range.first = std::min(range.first, block.first_commit);
    if (!to_ns || block.min_time_ns < *to_ns) range.last = std::max(range.last, std::min(block.last_commit, newest));
    return false;
  };
  for (const store::LogInfo& log : reader.logs()) {
    if (store::is_own_log(log.id)) continue;
    TRY(reader.scan(log.id, 0, reader.size(log.id), false, take, [](const store::StoredRecord&) { return false; }));
  }
  if (range.first > newest || range.last == 0) return CommitRange{1, 0};
  if (!from_ns) range.first = 1;
  if (!to_ns) range.last = newest;
  return range;
}

}  // namespace tidewaiter::app
