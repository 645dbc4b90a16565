// Inside of verify, shared by the files that implement it: verify.cpp (the order of checks, what is small),
// verify_walk.cpp (one pass over a log), verify_heads.cpp (what heads and coverage records say), verify_tables.cpp
// (offsets, counters, commits), verify_columns.cpp (columns of later mappings), verify_strangers.cpp (what must not be there, followers). Nobody else includes this.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "store/block_store.hpp"
#include "store/column_digest.hpp"
#include "store/column_versions.hpp"
#include "store/db.hpp"
#include "store/head_files.hpp"
#include "store/intervals.hpp"
#include "store/leaf.hpp"
#include "store/note.hpp"
#include "store/offset_bitmap.hpp"
#include "store/proof_file.hpp"
#include "store/segment_index.hpp"
#include "store/state.hpp"
#include "store/verify.hpp"

namespace tidewaiter::store {

/// A size of a log whose root somebody has named.
struct Expected {
  std::uint64_t size = 0;
  Hash root{};
  std::int64_t time_ns = 0;
  std::string source;   // "the head of 2026-…", "the coverage record 12", "the checkpoint FILE"
  bool is_head = false; // a kept head of this store
  bool kept_elsewhere = false;
};

/// What a coverage record says of the columns of a log up to its commit.
struct ExpectedColumns {
  std::uint64_t commit = 0;
  std::optional<Hash> digest;  // none: a new generation begins here, and the chain with it
};

struct PartitionSeen {
  OffsetBitmap held;
  std::uint64_t commit_sum = 0;  // mixed (offset, commit), added up: equal for equal sets of pairs
};
std::uint64_t mix_offset_commit(std::uint64_t offset, std::uint64_t commit);

struct ConflictSeen {
  const Origin* origin;
  std::uint32_t partition;
  std::uint64_t offset, seq;
  std::uint16_t log;
  auto operator<=>(const ConflictSeen&) const = default;
};

class VerifyContext {
 public:
  VerifyContext(const Db& database, const StoreState& store_state, const VerifyRequest& verify_request)
      : db(database), state(store_state), request(verify_request), expected(state.logs.size()),
        columns(state.logs.size()), start(state.logs.size()) {}

  void find(Finding finding);
  void find(const LogState& log, std::uint64_t from, std::uint64_t to, const char* place, std::string what);
  void find(const char* place, std::string what);
  bool full() const { return report.more_findings; }

  const Db& db;
  const StoreState& state;
  const VerifyRequest& request;
  VerifyReport report;

  std::vector<std::vector<Expected>> expected;        // by log, sorted by size before its walk
  std::vector<std::vector<ExpectedColumns>> columns;  // by log, in order of commit
  std::vector<Frontier> start;                        // by log: where its walk begins
  std::map<std::pair<std::uint16_t, std::uint64_t>, Hash> announced_keys;  // SHA-256 by (log, unit)
  bool columns_known = true;  // false when not every coverage record was seen
  std::map<std::pair<const Origin*, std::uint32_t>, IntervalSet> covered;  // offsets that coverage records name
  /// Gaps (from, to, reason) as the newest coverage record of a partition names them, when it names all.
  using Gaps = std::set<std::tuple<std::uint64_t, std::uint64_t, std::string>>;
  std::map<std::pair<const Origin*, std::uint32_t>, std::optional<Gaps>> covered_gaps;
  std::map<std::uint16_t, std::pair<std::string, std::uint64_t>> announced_logs;  // name and retention by log id
  std::uint64_t announced_segment_records = 0;
  std::vector<ColumnVersion> column_versions;  // that control records have ended
  std::uint8_t column_version_begun = 0;       // the newest that one has begun
  std::uint64_t coverages = 0;  // coverage records of this generation
  std::uint64_t coverage_commit = 0;                                       // of the newest coverage record seen
  bool whole = true;  // false when a log was not read to its end or from its beginning: tables cannot be compared

  Counters counters;
  std::map<std::pair<const Origin*, std::uint32_t>, PartitionSeen> partitions;
  std::set<ConflictSeen> conflicts;
  std::uint64_t done = 0, total = 0;
};

/// Builds the index of each sealed segment anew while its records go by, and compares.
class IndexCheck {
 public:
  IndexCheck(VerifyContext& context, std::uint16_t log, std::uint8_t version = 0);
  /// Records below it are indexed.
  std::uint64_t sealed() const { return sealed_; }
  void add(const Record& record, const Event* events);

 private:
  void compare();
  void check_beyond();
  VerifyContext& context_;
  const std::uint16_t log_;
  const std::uint8_t version_;
  std::uint64_t sealed_ = 0, segment_ = 0;  // sealed_: records below it are indexed
  std::unique_ptr<SegmentIndexBuilder> builder_;
};

/// Reads a log from context.start on: leaves, tree, roots, commits, columns, counts. Returns its tree as recomputed.
Result<Frontier> walk_log(VerifyContext& context, std::uint16_t log);

/// Called by the walk for each control record, with the commit it is in, before the record joins the tree. Of a coverage
/// record it returns what that says of the control log itself.
std::optional<Expected> see_control_record(VerifyContext& context, const Record& record, std::uint64_t commit);

/// Where an origin says that it is from: BASE/store id/generation/log.
struct OriginName {
  std::string store_id, log;
  std::uint32_t generation = 0;
};
std::optional<OriginName> split_origin_name(std::string_view origin);

/// Kept heads, head files and checkpoints given, as expectations; signatures. `since` sets where walks begin.
Result<void> collect_heads(VerifyContext& context, const std::vector<FoundNote>& files, const BlockStore& blocks);

/// The header lets readers skip a block undecoded, so it must not lie either. Bodies are attached.
bool header_agrees(const BlockHeader& header, const Block& block);

/// Columns of later mappings against the digests that control records name, and what they repeat of version 0.
Result<void> check_later_columns(VerifyContext& context, const BlockStore& blocks);

/// What can only be compared once every log has been walked.
Result<void> check_tables(VerifyContext& context);
/// Cursors and snapshots can be read and lie within the store.
Result<void> check_followers(VerifyContext& context);
/// Nothing else is in the tables.
Result<void> check_strangers(VerifyContext& context);
/// Commit entries are dense and can be read.
Result<void> check_commits(VerifyContext& context);

}  // namespace tidewaiter::store
