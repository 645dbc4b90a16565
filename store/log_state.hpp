// Inside of Log, shared by the files that implement it: log.cpp (open, cursors), admit.cpp, commit.cpp, checkpoint.cpp,
// recover.cpp, seal.cpp, remap.cpp.
// Nobody else includes this.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/commit_packer.hpp"
#include "store/block_store.hpp"
#include "store/column_digest.hpp"
#include "store/column_versions.hpp"
#include "store/db.hpp"
#include "store/head_files.hpp"
#include "store/helper_thread.hpp"
#include "store/keys.hpp"
#include "store/leaf.hpp"
#include "store/ledger.hpp"
#include "store/log.hpp"
#include "store/note.hpp"
#include "store/seal.hpp"
#include "store/sha256_lanes.hpp"
#include "store/state.hpp"

namespace tidewaiter::store {

/// Ids of the logs that every store has; event logs follow.
namespace own_log {
inline constexpr std::uint16_t control = 0, alerts = 1, receipts = 2, access = 3, rejects = 4, count = 5;
}

/// Counters that are added up while a commit is built and taken over when it is durable.
struct CommitCounts {
  std::uint64_t read = 0, duplicates = 0, events = 0;
  std::uint64_t by_kind[256] = {};
  std::uint64_t by_reason[256] = {};
};

struct NewUnit {
  std::uint16_t log;
  std::uint64_t first_seq;
  SaltKey key;
};

struct Log::State {
  State(Options o, Metrics& metrics);

  // log.cpp
  Result<void> create();
  Result<void> load();
  Result<void> take_event_logs();
  std::int64_t now_ns() const;
  Error failed_error() const;
  void set_infos();
  Result<CommitPtr> commit_control(const std::string& json, std::unique_ptr<Batch> source = nullptr);
  Result<std::vector<std::uint64_t>*> snapshots_of(const std::string& name);

  // commit.cpp
  Result<CommitPtr> commit(std::unique_ptr<Batch> source, std::vector<OwnRecord> control,
                           const std::vector<OwnRecord>& own, const std::vector<CursorUpdate>& cursors,
                           const std::map<std::string, std::uint64_t>& connectors, bool beside);
  // admit.cpp
  Result<void> admit(Batch& source, CommitCounts& counts);
  Result<bool> is_duplicate(const Batch& source, std::size_t index);
  Result<bool> stored_equally(const Record& record);
  Result<bool> known_conflict(const Record& record);

  // commit.cpp
  std::uint16_t log_of(const Record& record, const Event* events) const;
  void units_within(std::uint16_t log, std::uint64_t records, std::vector<NewUnit>& out) const;
  std::vector<NewUnit> plan_units(std::vector<std::uint64_t> records) const;
  std::vector<NewUnit> assemble(Commit& made, std::unique_ptr<Batch> source, std::vector<OwnRecord> control,
                                const std::vector<OwnRecord>& own);
  void number_records(Commit& made, CommitCounts& counts);
  void write_parts(const Commit& made, const std::vector<NewUnit>& units, CommitEntry& entry);
  void plan_part(const Commit& made, std::uint16_t id, const std::vector<NewUnit>& units);
  void plan_blocks(const Commit& made, std::uint64_t unit, std::span<const std::uint32_t> records);
  void append_part(const Commit& made, std::uint16_t id, std::size_t part);
  void write_blocks();
  void add_counts(const CommitCounts& counts, const std::map<std::string, std::uint64_t>& connectors);
  Result<void> write_without_commit(const CommitCounts& counts,
                                    const std::map<std::string, std::uint64_t>& connectors);
  Result<void> write_batch(bool sync);
  Result<void> write_commit();
  Result<void> write_beside();
  Result<void> settle();
  Result<void> timed_write(WriteBatch& writes, bool sync);
  Result<void> took(Result<void> written);

  // checkpoint.cpp
  Result<std::vector<Head>> publish();
  Result<void> sign_heads();
  Result<void> finish_checkpoint();
  Result<std::vector<Head>> load_newest_heads();
  Result<Head> make_head(const LogState& log, std::int64_t time_ns);
  Result<void> write_head_files(const std::vector<Head>& heads) const;
  void try_head_files();
  bool head_files_are_newest() const;
  std::string origin_of(const LogInfo& log) const;

  // recover.cpp
  Result<void> check_heads();
  bool is_own_head(const KnownHead& head) const;
  Result<std::string> misfit(const std::string& place, const std::string& note);
  Result<void> begin_generation(const std::string& reason, const std::vector<FoundNote>& notes);
  std::unique_ptr<Batch> accepted_loss() const;

  // seal.cpp
  Result<bool> seal_one();
  Result<std::optional<SealJob>> find_seal_job();
  Result<bool> has_small_blocks(const SealJob& job);
  Result<void> pack_step(SealJob& job);
  void repack(const std::vector<BlockPtr>& blocks, std::uint8_t version);
  Result<void> index_step(SealJob& job);
  void put_index(std::uint16_t log, std::uint64_t first, SegmentIndexBuilder& index, std::uint8_t version);

  // remap.cpp
  Result<RemapReport> remap(const RemapRequest& request);
  Result<ColumnVersion::Part> remap_log(const LogState& log, std::uint8_t version, const RemapRequest& request,
                                        RemapReport& report);
  Result<void> index_later(const LogState& log, std::uint8_t version);

  Options options;
  std::shared_ptr<Db> db;
  StoreState state;
  Ledger ledger;
  std::unique_ptr<BlockStore> blocks;
  std::vector<ColumnVersion> column_versions;  // that are ended
  Route route;
  std::vector<SaltKey> salt_keys;  // of the newest unit, by log
  std::optional<SigningKey> signing_key;
  std::vector<Head> newest_heads;
  std::uint64_t publications = 0;
  bool head_files_written = false;
  std::optional<Error> head_files_error;
  std::optional<SealJob> seal_job;
  std::map<std::string, std::vector<std::uint64_t>> snapshots;  // commits of those that are kept, ascending
  bool failed = false, has_recovered = false;

  // Read by other threads: fixed after open, or guarded.
  std::vector<LogInfo> infos;
  mutable std::mutex counters_mutex;
  Counters counters;
  std::atomic<std::uint64_t> last_commit{0};

  Counter &commits_total, &raw_bytes_total, &stored_bytes_total, &sync_ns_total, &conflicts_total;

  // Memory that is reused from commit to commit.
  Sha256 sha;
  std::unique_ptr<WriteBatch> batch;  // in the making
  std::vector<std::vector<std::uint32_t>> records_by_log;
  CommitPacker packer;
  HelperThread pack_thread{"pack"};  // helps the writer

  // The write that has begun or was last: one commit may be written while the next is made.
  std::unique_ptr<WriteBatch> flying_batch;
  bool flying = false;
  Result<void> flown;
  Counters written_counters;
  std::uint64_t written_commit = 0;
  HelperThread sync_thread{"sync"};
};

}  // namespace tidewaiter::store
