// Reader: a fixed view of the store at one commit number. Any number may exist beside the one writer, in the same
// process (RocksDB snapshot) or in another one (RocksDB secondary, no write permission needed). Thread-safe once open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "store/log.hpp"

namespace tidewaiter::store {

/// One record read back whole.
struct StoredRecord {
  Record record;                 // body, key, value set when bodies were asked for
  std::vector<Event> events;
  std::string_view log_name;
  std::uint64_t commit = 0;
  std::uint32_t ordinal = 0;
  std::shared_ptr<const void> owner;  // keeps the bytes alive
};

/// What a block says of itself without being decoded: lets a query skip it.
struct BlockSummary {
  std::uint16_t log = 0;
  std::uint64_t first_seq = 0, records = 0;
  std::uint64_t first_commit = 0, last_commit = 0;
  std::int64_t min_time_ns = 0, max_time_ns = 0;          // event time; min > max when no event has one
  std::int64_t min_receive_ns = 0, max_receive_ns = 0;
};

class Reader {
 public:
  /// A view inside the writer's process.
  static Result<std::unique_ptr<Reader>> open(const Log& log);
  /// A view from another process, or of a copy. Errors: not_found, corruption, unavailable (no whole view in 5 s).
  static Result<std::unique_ptr<Reader>> open(const std::string& directory);
  ~Reader();

  /// Moves the view to the newest commit.
  Result<void> refresh();

  /// From now on record(), scan() and find_term() read the columns that were scored live, not the newest of a remap.
  /// commit() always does.
  void read_as_scored();
  /// The version of the columns that are read: 0 = as scored, or the newest remap (column_versions.hpp).
  std::uint8_t column_version() const;

  std::uint64_t last_commit() const;
  const std::vector<LogInfo>& logs() const;
  std::uint64_t size(std::uint16_t log) const;
  std::vector<Position> positions() const;
  Counters counters() const;
  std::string store_id() const;
  std::uint32_t generation() const;
  Result<std::string> cursor(const std::string& name) const;
  /// Newest snapshot at or before `commit`: (commit, state). not_found when none.
  Result<std::pair<std::uint64_t, std::string>> snapshot(const std::string& name, std::uint64_t commit) const;
  /// Signed heads kept, oldest first.
  Result<std::vector<Head>> heads(std::uint16_t log) const;

  /// Reads one commit back; `bodies` = false leaves raw bytes alone (columns only).
  Result<CommitPtr> commit(std::uint64_t number, bool bodies) const;

  /// One record with its body.
  Result<StoredRecord> record(std::uint16_t log, std::uint64_t seq) const;

  /// Visits records of a log in order of seq, from `from_seq` up to `to_seq`; blocks for which `want` says no are
  /// skipped without being decoded. `visit` returns false to stop.
  Result<void> scan(std::uint16_t log, std::uint64_t from_seq, std::uint64_t to_seq, bool bodies,
                    const std::function<bool(const BlockSummary&)>& want,
                    const std::function<bool(const StoredRecord&)>& visit) const;

  /// The index of sealed segments: it covers the records [0, indexed_size(log)) and some columns (segment_index.hpp).
  std::uint64_t indexed_size(std::uint16_t log) const;
  /// The sealed segment [first, end) that holds `seq`, if any.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> sealed_segment(std::uint16_t log, std::uint64_t seq) const;
  /// Sequence numbers in [from_seq, to_seq) of records with an event that has this term (a string's bytes, an
  /// address's 16 bytes, an enumeration's number as one byte) in `column`, a number of core/column.hpp's table.
  /// Error: invalid_argument when the column or a part of the range is not indexed.
  Result<std::vector<std::uint64_t>> find_term(std::uint16_t log, std::uint8_t column, std::string_view term,
                                               std::uint64_t from_seq, std::uint64_t to_seq) const;

  /// Merkle tree of a log: root at `size`, inclusion path of `seq` in the tree of `size`, consistency path.
  Result<Hash> root(std::uint16_t log, std::uint64_t size) const;
  Result<std::vector<Hash>> inclusion_path(std::uint16_t log, std::uint64_t seq, std::uint64_t size) const;
  Result<std::vector<Hash>> consistency_path(std::uint16_t log, std::uint64_t old_size, std::uint64_t size) const;
  /// The leaf bytes (tlog entry) and, while the body is there, its salt.
  Result<std::string> leaf(std::uint16_t log, std::uint64_t seq) const;
  Result<std::string> salt(std::uint16_t log, std::uint64_t seq) const;

  /// Offsets held of one partition as sorted, disjoint, coalesced ranges [from, to), and the recorded gaps.
  struct PartitionCoverage {
    std::string cluster, topic;
    TopicId topic_id{};
    std::uint32_t partition = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> held;
    struct Gap { std::uint64_t from, to; std::string reason; };
    std::vector<Gap> gaps;
  };
  Result<std::vector<PartitionCoverage>> coverage() const;

 private:
  struct State;
  explicit Reader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::store
