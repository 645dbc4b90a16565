// Query: the one engine behind `tidewaiter query`, the HTTP API and everything else that looks for rows: which logs,
// a filter over the columns, a span of event time, then rows one by one or groups with counts.
// Streams: memory is one decoded block, plus the groups (bounded, what did not fit is counted and said) or, for an order
// by time, one place per row of the limit. Blocks outside the time span are skipped without being decoded, and so are blocks of sealed
// segments in which the index has none of a term that the filter requires.
// A compiled Query is immutable and may run on several readers at once; rows are valid only inside the visitor.
//
// A filter speaks of events: a record without events (a reject, a tombstone) is a row only when the filter is empty.
// A text to search for speaks of the whole message: each of its events is a row, and so is a reject.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/reader.hpp"
#include "store/row.hpp"

namespace tidewaiter::store {

/// stored: log after log, by sequence number (cheapest, streams). The others need a limit.
enum class Order : std::uint8_t { stored, oldest_first, newest_first };

/// Where a page ended, so that the next one goes on exactly there and at the same commit.
struct QueryPlace {
  std::uint64_t commit = 0;  // rows of later commits are left out
  std::uint16_t log = 0;
  std::uint64_t seq = 0;
  std::uint32_t sub = 0;  // of the last row given
  std::string text() const;
  static std::optional<QueryPlace> parse(std::string_view text);
};

struct QuerySpec {
  std::vector<std::string> logs;  // names; empty = all
  std::vector<std::string> kinds; // words of RecordKind; empty = all
  std::string where;
  std::vector<std::string> texts;  // all of them stand in the record's message (store/text_search.hpp)
  bool mask = true;                // texts are not found in what masking hides
  std::optional<std::int64_t> from_ns, to_ns;  // of event time, [from, to)
  std::vector<std::string> by;                 // fields of groups (store/row.hpp)
  Order order = Order::stored;
  std::uint64_t limit = 0;  // rows, or groups; 0 = all
  bool bodies = false;      // raw bytes of records are wanted
  bool skip_damaged = false;  // go on behind what cannot be read, and name it in the outcome; else it is an error
  std::optional<QueryPlace> after;
  std::uint64_t scan_records_max = 0;  // 0 = no bound; else the run ends early with `next`
  std::uint64_t groups_max = 100'000;
  std::uint64_t group_bytes_max = 32ull << 20;
  std::int64_t now_ns = 0;  // what relative times in the filter count from
};

/// What was read of one log.
struct LogView {
  std::string name;
  std::uint64_t size = 0;          // records at the commit read
  std::uint64_t covered = 0;       // of them under the newest signed head
  std::int64_t head_time_ns = 0;   // 0 = no head yet
};

/// Records that could not be read: not looked at, and in no number of the outcome.
struct Damage {
  std::string log;
  std::uint64_t from = 0, to = 0;  // sequence numbers, [from, to)
  std::string reason;              // with the place on disk
};

struct QueryOutcome {
  std::uint64_t commit = 0;
  std::vector<LogView> logs;
  std::uint64_t rows = 0;             // matched
  std::uint64_t rows_uncovered = 0;   // of them newer than their log's newest head
  std::uint64_t records_scanned = 0;
  std::uint64_t blocks_skipped = 0;
  bool limited = false;               // there may be more rows than were given
  std::optional<QueryPlace> next;     // of a limited run in stored order
  std::vector<Damage> damaged;        // empty, unless skip_damaged
  std::uint64_t rows_in_other_groups = 0;  // rows of groups that did not fit; the groups given are exact
};

struct Group {
  std::vector<std::string> key;  // texts of the fields, in the order asked for
  std::uint64_t count = 0;
  std::uint64_t bytes_out = 0;
  std::int64_t first_ns = 0, last_ns = 0;
};

class Query {
 public:
  /// Errors: invalid_argument (filter, field, kind, order without limit), with the place and the nearest word.
  static Result<Query> compile(QuerySpec spec);

  /// Calls `visit` for each row until it returns false. Errors: invalid_argument (unknown log), corruption, disk.
  Result<QueryOutcome> run(const Reader& reader, const std::function<bool(const Row&)>& visit) const;

  /// Groups by count, largest first (ties by key); with no fields one group of everything. Cut to `limit`.
  Result<QueryOutcome> groups(const Reader& reader, std::vector<Group>& out) const;

  const QuerySpec& spec() const;

 private:
  struct Plan;
  explicit Query(std::shared_ptr<const Plan> plan);
  std::shared_ptr<const Plan> plan_;
};

/// The logs as a reader sees them, with what their newest heads cover.
Result<std::vector<LogView>> log_views(const Reader& reader);

}  // namespace tidewaiter::store
