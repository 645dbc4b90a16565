// The one door to RocksDB (7.8): column families, batches, iterators. No RocksDB type leaves it, but the
// forward-declared FileSystem, with which a test may put its own file system under the store.
// A primary has one owner process (RocksDB's LOCK file). A secondary follows it from another process, needs no write
// permission anywhere, and changes its view only in catch_up(). After a failed write or sync a primary takes nothing any
// more and retries nothing: close it and open it again. RocksDB's warnings go to the process's log.
// Errors: disk (IO), corruption, conflict (lock held by another process), not_found (no store there), unavailable.
// Thread-safe, but catch_up(), which excludes every other use of the same Db.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace rocksdb {
class FileSystem;
}

namespace tidewaiter::store {

enum class Cf : std::uint8_t {
  meta,
  raw,
  cols,
  tree,
  offsets,
  positions,
  commits,
  keys,
  heads,
  index,
  snapshots,
  count,
};
const char* cf_name(Cf cf);

/// Puts and deletes that become visible, and durable, together or not at all.
class Db;

class WriteBatch {
 public:
  explicit WriteBatch(const Db& db);
  ~WriteBatch();
  WriteBatch(const WriteBatch&) = delete;
  WriteBatch& operator=(const WriteBatch&) = delete;
  void put(Cf cf, std::string_view key, std::string_view value);
  void remove(Cf cf, std::string_view key);
  void clear();
  std::size_t count() const;

 private:
  friend class Db;
  struct State;
  std::unique_ptr<State> state_;
};

/// Key and value are views that hold until the next move.
class Iterator {
 public:
  ~Iterator();
  Iterator(const Iterator&) = delete;
  Iterator& operator=(const Iterator&) = delete;
  void seek(std::string_view key);
  /// To the last key that is not greater than `key`.
  void seek_for_prev(std::string_view key);
  void seek_to_last();
  void next();
  void prev();
  bool valid() const;
  std::string_view key() const;
  std::string_view value() const;
  /// The error that made valid() false, if there was one.
  Result<void> status() const;

 private:
  friend class Db;
  struct State;
  explicit Iterator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct DbOptions {
  std::string directory;
  bool create_if_missing = false;
  std::shared_ptr<rocksdb::FileSystem> file_system;  // null: the system's
};

class Db {
 public:
  static Result<std::shared_ptr<Db>> open_primary(const DbOptions& options);
  static Result<std::shared_ptr<Db>> open_secondary(const DbOptions& options);
  ~Db();

  /// With `sync` returns only once the batch survives power loss.
  Result<void> write(WriteBatch& batch, bool sync);
  Result<std::optional<std::string>> get(Cf cf, std::string_view key) const;
  /// Sees the database as it is now, for as long as it lives. (RocksDB's snapshots are not used: releasing one makes
  /// it write files anew, and what readers need is immutable anyway.)
  std::unique_ptr<Iterator> iterate(Cf cf) const;

  /// Secondary only: moves the view to what the primary has written.
  Result<void> catch_up();
  /// Primary only: a copy (hard links where possible) that opens as a store of its own. The directory must not exist.
  Result<void> copy_to(const std::string& directory);
  /// Primary only: memory tables to files, synced; what a clean stop does last.
  Result<void> flush();

  /// Table files against the checksums in the manifest, and those that the view leaves out, since a secondary passes over
  /// what it cannot read: reads every byte once. Files that a running owner takes away meanwhile do not count.
  /// Error: corruption.
  Result<void> check_files();

  bool is_primary() const;
  /// Bytes of table files on disk by column family, as RocksDB estimates them.
  std::uint64_t disk_bytes(Cf cf) const;

 private:
  friend class WriteBatch;
  struct State;
  explicit Db(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::store
