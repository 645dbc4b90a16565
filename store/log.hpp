// Log: the immutable store. One writer thread owns it; readers use Reader (store/reader.hpp).
// A commit is one RocksDB write batch with one sync: records of all logs, tree, offsets, counters, cursors.
// After commit() has returned, every record in it survives power loss; before, none of it is visible.
// The byte formats are written down in docs/format.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/record.hpp"
#include "core/result.hpp"
#include "core/sha256.hpp"

namespace rocksdb {
class FileSystem;
}

namespace tidewaiter::store {

/// What to do at open when the store does not fit the newest head it knows (semantics 12).
enum class Recover {
  none,         // stop with a sentence and the two commands to choose from
  reread,       // begin a new generation; the source reads again from where the store ends
  accept_loss,  // begin a new generation; the source goes on behind the loss, which becomes a gap
};

/// control, alerts, receipts, access and rejects: the store's own, whose ids come before those of event logs.
bool is_own_log(std::uint16_t id);

/// Whether a process of this machine has the store open to write, such as a running service.
bool is_owned(const std::string& directory);

/// A head that somebody else has kept, and where: the newest ones in the group's commits.
struct KnownHead {
  std::string place, note;
};

/// What a store once held for certain, as its group has committed in Kafka: everything before `next_offset`.
struct KnownOffset {
  std::string store_id;
  const Origin* origin = nullptr;
  std::uint32_t partition = 0;
  std::uint64_t next_offset = 0;
};

/// One log per retention class. Ids are small, dense and never reused.
struct LogInfo {
  std::uint16_t id = 0;
  std::string name;                // "agent-high", "rejects", "alerts", "control" ...
  std::uint32_t retention_days = 0;  // 0 = for ever
};

struct Options {
  std::string directory;
  std::string origin = "tidewaiter.local";   // base of the signing origins; log origin = base/store id/generation/log
  std::vector<LogInfo> event_logs;           // ids are given by the store; own logs are added by it
  std::string signing_key_file;              // Ed25519 PKCS#8 PEM; empty = unsigned ("consistent", never "authentic")
  std::string head_file;                     // newest heads also here, outside the store directory; may be empty
  std::vector<KnownHead> known_heads;        // the store must extend those that are its own; others are passed over
  std::vector<KnownOffset> known_offsets;    // up to these a loss is accepted, if it is this store's
  std::uint64_t block_bytes_max = 512 * 1024;
  std::uint64_t segment_records = 262'144;   // sealed, packed and indexed as one
  int zstd_level = 1;
  std::uint64_t cache_bytes = 64ull << 20;
  bool create_if_missing = true;
  Recover recover = Recover::none;
  std::string recover_command;               // for the error that names it; empty = tidewaiter recover --store DIRECTORY
  const Clock* clock = nullptr;                       // null: the system's
  std::shared_ptr<rocksdb::FileSystem> file_system;   // null: the system's; for tests that lose power
};

/// Next offset to read of a partition, as the store knows it.
struct Position {
  std::string cluster;
  TopicId topic_id{};
  std::string topic;
  std::uint32_t partition = 0;
  std::uint64_t next_offset = 0;
};

/// Counters of promise P7; part of every commit, so they survive a kill.
struct Counters {
  std::uint64_t read = 0, duplicates = 0;
  std::uint64_t events = 0;  // canonical events inside the records
  std::map<std::string, std::uint64_t> records_by_kind;      // event, unmapped, reject, tombstone, conflict, alert ...
  std::map<std::string, std::uint64_t> rejects_by_reason;
  std::map<std::string, std::uint64_t> connector;            // "NAME/offered", "/delivered", "/dead_lettered" ...
};

/// A published, signed head of one log (C2SP tlog-checkpoint).
struct Head {
  std::uint16_t log = 0;
  std::uint64_t size = 0;
  Hash root{};
  std::int64_t time_ns = 0;
  std::string note;  // the signed note, byte for byte
};

/// New columns for records that are stored: what `remap` does.
struct RemapRequest {
  /// Gets records as they came from their source, in the kinds event and unmapped, and parses them as a source's batch.
  std::function<void(Batch&)> parse;
  std::string mappings;  // what read them, one JSON value, for the control records
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // may be empty
};
struct RemapReport {
  std::uint8_t version = 0;
  std::uint64_t records = 0;     // of event logs
  std::uint64_t changed = 0;     // with other columns than version 0 has
  std::uint64_t kept = 0;        // parsed to no event any more: they keep the columns that were scored
  std::uint64_t events_before = 0, events = 0;
};

class Log {
 public:
  /// Opens or creates the store and takes its lock. Errors: conflict (another process owns it, a head that does
  /// not fit: the message names the two commands to choose from), corruption, disk.
  static Result<std::unique_ptr<Log>> open(Options options, Metrics& metrics);
  ~Log();

  /// Which log a record goes to: set once by app/ before the first commit (by default event_logs[0]).
  /// Own records are routed by the store itself, and what has no event in it (rejects, tombstones) to `rejects`.
  using Route = std::function<std::uint16_t(const Record&, const Event* events, std::size_t count)>;
  void set_route(Route route);

  /// Appends and syncs. Redelivered offsets are dropped as duplicates (same bytes) or kept as conflict records
  /// (other bytes). `control` records come first in the commit, `own` (alert, receipt, access) last; `cursors` and
  /// `connector_counts` (added to Counters::connector) become durable with them. Error: the commit did not
  /// happen, the log takes no more of them and must be closed and reopened (semantics 13).
  /// `batch` may be null. Nothing to store (no record, no gap): counters and cursors move without a commit number and
  /// without a sync, and the commit returned is empty and has number 0.
  Result<CommitPtr> commit(std::unique_ptr<Batch> batch, std::vector<OwnRecord> control, std::vector<OwnRecord> own,
                           std::vector<CursorUpdate> cursors,
                           std::map<std::string, std::uint64_t> connector_counts = {});

  /// The same, but returns while the commit is still being written, so that the next one can be made meanwhile; any
  /// other call that writes waits for it. Nothing of it may be shown or acknowledged before settle() or the next append()
  /// is back: their error, too, says that it did not happen.
  Result<CommitPtr> append(std::unique_ptr<Batch> batch, std::vector<OwnRecord> control, std::vector<OwnRecord> own,
                           std::vector<CursorUpdate> cursors,
                           std::map<std::string, std::uint64_t> connector_counts = {});
  Result<void> settle();

  /// Moves cursors only: no commit number, no sync.
  Result<void> put_cursors(const std::vector<CursorUpdate>& cursors);
  Result<std::string> cursor(const std::string& name) const;  // not_found
  /// All whose names begin so.
  Result<std::vector<CursorUpdate>> cursors(const std::string& prefix) const;

  /// Detector snapshots: the newest `keep` are kept.
  Result<void> put_snapshot(const std::string& name, std::uint64_t commit, std::string_view state, int keep = 3);

  /// Coverage record (its own commit), then heads signed at exactly those sizes, then the head files (semantics 21).
  /// Returns the heads, control's last. Nothing new since the last one: returns those.
  /// Head files that cannot be written end nothing: the heads are in the store, head_files_error() says what is wrong,
  /// and the next call tries again. Until then the heads must not be sent anywhere.
  Result<std::vector<Head>> publish_checkpoint();
  const std::optional<Error>& head_files_error() const;

  /// Background duty, called when idle or between commits: one bounded step (some ms) of sealing the oldest full
  /// segment, packing its small blocks and building its index. False when there was nothing to do. An append() may still be
  /// on its way afterwards, and its error untold.
  Result<bool> seal_one_segment();

  /// Adds columns of the next version to all records of the event logs (column_versions.hpp); kinds, leaves and what was
  /// scored stay. Takes as long as reading the store and about half of its columns' size on disk. An error or a kill in the
  /// middle leaves what is shown as it was, and the next call does that version anew. The caller publishes a checkpoint.
  Result<RemapReport> remap(const RemapRequest& request);

  /// What publish_checkpoint() last returned, also from before a restart.
  std::vector<Head> newest_heads() const;

  /// From any thread: logs, counters, last_commit, store_id, generation. The rest belongs to the writer's thread.
  const std::vector<LogInfo>& logs() const;
  std::vector<Position> positions() const;
  bool holds(const Origin& origin, std::uint32_t partition, std::uint64_t offset) const;
  Counters counters() const;
  std::uint64_t last_commit() const;
  std::string store_id() const;  // 32 hex digits
  std::uint32_t generation() const;
  /// open() has begun a new generation.
  bool has_recovered() const;
  /// No head of this generation is published yet: it was begun just now, or by a call that did not come to its end.
  bool generation_is_unpublished() const;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend class Reader;
};

}  // namespace tidewaiter::store
