// WriterWork: what stages hand to the one writer. Either a batch of a source or records of our own with the cursors and
// counters that must become durable together with them.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/record.hpp"

namespace tidewaiter::app {

struct SnapshotPut {
  std::string name;
  std::uint64_t commit = 0;
  std::string state;
};

struct WriterWork {
  std::unique_ptr<Batch> batch;  // null for own work
  std::size_t source = 0;        // which source the batch is from
  std::vector<OwnRecord> control, own;
  std::vector<CursorUpdate> cursors;
  std::map<std::string, std::uint64_t> connector_counts;
  std::optional<SnapshotPut> snapshot;
  std::vector<std::promise<std::uint64_t>> durable;  // get the commit number; broken when the commit did not happen
  bool fence = false;  // not into a commit with a batch that was handed over before it

  /// Needs no commit number and no sync of its own (semantics 9).
  bool cursors_only() const { return !batch && control.empty() && own.empty() && connector_counts.empty(); }
};

}  // namespace tidewaiter::app
