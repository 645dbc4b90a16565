#include "store/db.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <xxhash.h>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "core/check.hpp"
#include "core/log_line.hpp"
#include "core/text.hpp"
#include "store/log.hpp"

#ifdef __SSE4_2__
// Debian's RocksDB is built for processors without SSE 4.2 and makes the checksums of its log with tables, 0.7 ns a byte.
// It calls this function through the table of dynamic linking, where the one of the program comes first. The same sums
// (CRC-32C, RFC 3720 appendix B.4); where the library does not look here, its own is used.
namespace rocksdb::crc32c {
std::uint32_t Extend(std::uint32_t before, const char* data, std::size_t size);
[[gnu::used, gnu::visibility("default")]] std::uint32_t Extend(std::uint32_t before, const char* data, std::size_t size) {
  std::uint64_t sum = before ^ 0xffffffffu;
  for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t), data += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, data, sizeof word);
    sum = _mm_crc32_u64(sum, word);
  }
  auto rest = static_cast<std::uint32_t>(sum);
  for (; size != 0; --size, ++data) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*data));
  return rest ^ 0xffffffffu;
}
}  // namespace rocksdb::crc32c
#endif

namespace tidewaiter::store {
namespace {

constexpr std::size_t cf_count = static_cast<std::size_t>(Cf::count);
constexpr std::array<const char*, cf_count> cf_names{"meta",    "raw",  "cols",  "tree",  "offsets",  "positions",
                                                     "commits", "keys", "heads", "index", "snapshots"};

std::size_t index_of(Cf cf) { return static_cast<std::size_t>(cf); }

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

Code code_of(const rocksdb::Status& status) {
  if (status.IsCorruption()) return Code::corruption;
  if (status.IsNotFound() || status.IsPathNotFound()) return Code::not_found;
  if (status.IsBusy() || status.IsTimedOut() || status.IsTryAgain() || status.IsShutdownInProgress())
    return Code::unavailable;
  if (status.IsIOError()) return Code::disk;
  return Code::internal;
}

Error error_of(const rocksdb::Status& status, const std::string& where) {
  return fail(code_of(status), "store " + where + ": " + status.ToString());
}

Error open_error(const rocksdb::Status& status, const std::string& directory) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos)
    return fail(Code::conflict, "store " + directory + " is owned by another process");
  if (status.IsInvalidArgument() && text.find("does not exist") != std::string::npos)
    return fail(Code::not_found, "there is no store in " + directory);
  if (status.IsInvalidArgument() && text.find("Column family not found") != std::string::npos)
    return fail(Code::not_found, "the store in " + directory + " is not made yet: whoever began it was interrupted, and "
                                     "goes on when started again");
  return error_of(status, directory);
}

/// Bytes of a key within which keys come in ascending order, one after the other; 0 = none.
std::size_t ascending_prefix(Cf cf) {
  switch (cf) {
    case Cf::raw:
    case Cf::cols:
      return sizeof(std::uint16_t);  // log
    case Cf::tree:
      return sizeof(std::uint16_t) + 1;  // log, height
    case Cf::offsets:
      return 1 + 2 * sizeof(std::uint32_t);  // tag, origin, partition
    default:
      return 0;
  }
}

/// Values of raw and cols are zstd frames: RocksDB compresses nothing itself there.
rocksdb::ColumnFamilyOptions cf_options(Cf cf, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  const bool blocks = cf == Cf::raw || cf == Cf::cols || cf == Cf::index || cf == Cf::snapshots;
  options.write_buffer_size = (cf == Cf::raw ? 32u : blocks ? 16u : 4u) << 20;
  options.max_write_buffer_number = 2;
  options.target_file_size_base = 64u << 20;
  options.compression = blocks ? rocksdb::kNoCompression : rocksdb::kZSTD;
  options.level0_file_num_compaction_trigger = 8;
  // The next key goes behind the last one, and is not looked for.
  if (const std::size_t prefix = ascending_prefix(cf); prefix != 0)
    options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(prefix));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = blocks ? 64u << 10 : 16u << 10;  // of index and snapshots; raw and cols below
  table.format_version = 5;
  if (cf == Cf::raw || cf == Cf::cols) {
    // A seek reads the value that is sought, not one of each young file: each value of some size is a block of its own, and
    // the index has its first key.
    table.block_size = 4u << 10;
    table.index_type = rocksdb::BlockBasedTableOptions::kBinarySearchWithFirstKey;
    table.index_shortening = rocksdb::BlockBasedTableOptions::IndexShorteningMode::kNoShortening;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> descriptors() {
  const auto cache = rocksdb::NewLRUCache(16u << 20);
  std::vector<rocksdb::ColumnFamilyDescriptor> all{{rocksdb::kDefaultColumnFamilyName, {}}};
  for (std::size_t i = 0; i < cf_count; ++i)
    all.emplace_back(cf_names[i], cf_options(static_cast<Cf>(i), cache));
  return all;
}

/// XXH3 of table files, kept in the manifest.
class Xxh3Generator final : public rocksdb::FileChecksumGenerator {
 public:
  Xxh3Generator() : state_(XXH3_createState(), XXH3_freeState) {
    CHECK(state_ != nullptr);
    XXH3_64bits_reset(state_.get());
  }
  void Update(const char* data, std::size_t size) override { XXH3_64bits_update(state_.get(), data, size); }
  void Finalize() override {
    checksum_.resize(8);
    put_be<std::uint64_t>(checksum_.data(), XXH3_64bits_digest(state_.get()));
  }
  std::string GetChecksum() const override { return checksum_; }
  const char* Name() const override { return "xxh3-64"; }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
  std::string checksum_;
};

class Xxh3Factory final : public rocksdb::FileChecksumGenFactory {
 public:
  std::unique_ptr<rocksdb::FileChecksumGenerator> CreateFileChecksumGenerator(
      const rocksdb::FileChecksumGenContext& context) override {
    const std::string& wanted = context.requested_checksum_func_name;
    if (!wanted.empty() && wanted != "xxh3-64") return nullptr;
    return std::make_unique<Xxh3Generator>();
  }
  const char* Name() const override { return "tidewaiter-xxh3"; }
};

/// RocksDB's warnings go to our log, where a service's owner reads them. Its own file beside the tables would be one more
/// thing to fail on a full disk, and the library as Debian builds it ends the process then. Readers say nothing.
class Warnings final : public rocksdb::Logger {
 public:
  explicit Warnings(bool silent) : rocksdb::Logger(rocksdb::WARN_LEVEL), silent_(silent) {}
  using rocksdb::Logger::Logv;
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (silent_ || level < rocksdb::WARN_LEVEL || level >= rocksdb::HEADER_LEVEL) return;
    char text[512];
    std::vsnprintf(text, sizeof text, format, arguments);
    log_line(level >= rocksdb::ERROR_LEVEL ? Level::error : Level::warn, "rocksdb", {{"text", text}});
  }

 private:
  const bool silent_;
};

/// After an error nothing is retried on the open handle: the store is closed and opened anew (semantics 13).
class NoRetries final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::DBOptions db_options(bool secondary) {
  rocksdb::DBOptions options;
  options.info_log = std::make_shared<Warnings>(secondary);
  options.listeners.push_back(std::make_shared<NoRetries>());
  options.max_bgerror_resume_count = 0;
  options.max_open_files = -1;
  // All families together: damage to any live write-ahead log then leaves a whole prefix of commits, never tables that
  // are ahead of their log.
  options.atomic_flush = true;
  options.allow_concurrent_memtable_write = false;  // there is one writer; hints need it
  options.db_write_buffer_size = 80u << 20;
  options.max_total_wal_size = 256u << 20;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1u << 20;
  options.stats_dump_period_sec = 0;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.file_checksum_gen_factory = std::make_shared<Xxh3Factory>();
  return options;
}

}  // namespace

const char* cf_name(Cf cf) { return cf_names[index_of(cf)]; }

struct WriteBatch::State {
  const std::vector<rocksdb::ColumnFamilyHandle*>* handles;
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* handle(Cf cf) const { return (*handles)[index_of(cf) + 1]; }
};

struct Iterator::State {
  std::unique_ptr<rocksdb::Iterator> it;
  std::string where;
};

struct Db::State {
  DbOptions options;
  bool secondary = false;
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // default first, then by Cf

  rocksdb::ColumnFamilyHandle* handle(Cf cf) const { return handles[index_of(cf) + 1]; }
  void use_file_system(rocksdb::DBOptions& db_options) {
    if (!options.file_system) return;
    env = rocksdb::NewCompositeEnv(options.file_system);
    db_options.env = env.get();
  }
  ~State() {
    for (auto* h : handles)
      if (db && h) (void)db->DestroyColumnFamilyHandle(h);
    if (db) (void)db->Close();
    db.reset();
  }
};

WriteBatch::WriteBatch(const Db& db) : state_(std::make_unique<State>()) { state_->handles = &db.state_->handles; }
WriteBatch::~WriteBatch() = default;
void WriteBatch::put(Cf cf, std::string_view key, std::string_view value) {
  CHECK(state_->batch.Put(state_->handle(cf), slice(key), slice(value)).ok());
}
void WriteBatch::remove(Cf cf, std::string_view key) {
  CHECK(state_->batch.Delete(state_->handle(cf), slice(key)).ok());
}
void WriteBatch::clear() { state_->batch.Clear(); }
std::size_t WriteBatch::count() const { return static_cast<std::size_t>(state_->batch.Count()); }

Iterator::Iterator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Iterator::~Iterator() = default;
void Iterator::seek(std::string_view key) { state_->it->Seek(slice(key)); }
void Iterator::seek_for_prev(std::string_view key) { state_->it->SeekForPrev(slice(key)); }
void Iterator::seek_to_last() { state_->it->SeekToLast(); }
void Iterator::next() { state_->it->Next(); }
void Iterator::prev() { state_->it->Prev(); }
bool Iterator::valid() const { return state_->it->Valid(); }
std::string_view Iterator::key() const { return view(state_->it->key()); }
std::string_view Iterator::value() const { return view(state_->it->value()); }
Result<void> Iterator::status() const {
  const rocksdb::Status status = state_->it->status();
  if (!status.ok()) return error_of(status, state_->where);
  return {};
}

Db::Db(std::unique_ptr<State> state) : state_(std::move(state)) {}
Db::~Db() = default;

Result<std::shared_ptr<Db>> Db::open_primary(const DbOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  rocksdb::DBOptions db_opts = db_options(false);
  db_opts.create_if_missing = options.create_if_missing;
  db_opts.create_missing_column_families = true;
  state->use_file_system(db_opts);
  if (options.create_if_missing) {
    std::error_code failed;
    std::filesystem::create_directories(options.directory, failed);
    if (failed) return fail(Code::disk, "store " + options.directory + ": " + failed.message());
  }
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(db_opts, options.directory, descriptors(), &state->handles, &db);
  if (!status.ok()) return open_error(status, options.directory);
  state->db.reset(db);
  return std::shared_ptr<Db>(new Db(std::move(state)));
}

namespace {

// A turned bit can make a write-ahead log's record look like one of a recycled log (types 5 to 8). We recycle none, and
// RocksDB's reader for secondaries never gets past such a record of another log's number: it must not see it.
// Layout: blocks of 32 KiB, in each records of checksum (4), length (2), type (1) and payload (RocksDB wiki, WAL format).
Result<void> refuse_recycled_records(const std::filesystem::path& file) {
  constexpr std::uint64_t block_bytes = 32'768, header_bytes = 7;
  std::ifstream in(file, std::ios::binary);
  std::uint64_t at = 0;
  std::array<unsigned char, header_bytes> header;
  while (in.seekg(static_cast<std::streamoff>(at)) && in.read(reinterpret_cast<char*>(header.data()), header_bytes)) {
    const std::uint64_t length = header[4] | header[5] << 8, left = block_bytes - at % block_bytes;
    if (left < header_bytes || (length == 0 && header[6] == 0)) {
      at += left;  // padding
      continue;
    }
    if (header[6] >= 5 && header[6] <= 8)
      return fail(Code::corruption, file.string() + ": byte " + std::to_string(at + 6) +
                                        ": a record of a recycled log, which this store never writes: the write-ahead log "
                                        "is damaged; starting the service recovers what stands before it");
    at += std::min(header_bytes + length, left);
  }
  return {};
}

Result<void> refuse_recycled_records_in(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    if (entry.path().extension() == ".log") TRY(refuse_recycled_records(entry.path()));
  return {};  // a directory that cannot be listed is RocksDB's to refuse
}

}  // namespace

Result<std::shared_ptr<Db>> Db::open_secondary(const DbOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  state->secondary = true;
  rocksdb::DBOptions db_opts = db_options(true);
  state->use_file_system(db_opts);
  if (!std::filesystem::exists(options.directory + "/CURRENT"))
    return fail(Code::not_found, "there is no store in " + options.directory);
  TRY(refuse_recycled_records_in(options.directory));
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenAsSecondary(db_opts, options.directory, options.directory,
                                                              descriptors(), &state->handles, &db);
  if (!status.ok()) return open_error(status, options.directory);
  state->db.reset(db);
  return std::shared_ptr<Db>(new Db(std::move(state)));
}

Result<void> Db::write(WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions how;
  how.sync = sync;
  const rocksdb::Status status = state_->db->Write(how, &batch.state_->batch);
  if (!status.ok()) return error_of(status, state_->options.directory);
  return {};
}

Result<std::optional<std::string>> Db::get(Cf cf, std::string_view key) const {
  const rocksdb::ReadOptions how;
  std::string value;
  const rocksdb::Status status = state_->db->Get(how, state_->handle(cf), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return error_of(status, state_->options.directory + ", " + cf_name(cf));
  return std::optional<std::string>(std::move(value));
}

std::unique_ptr<Iterator> Db::iterate(Cf cf) const {
  rocksdb::ReadOptions how;
  how.fill_cache = cf != Cf::raw && cf != Cf::cols;
  auto state = std::make_unique<Iterator::State>();
  state->it.reset(state_->db->NewIterator(how, state_->handle(cf)));
  state->where = state_->options.directory + ", " + cf_name(cf);
  return std::unique_ptr<Iterator>(new Iterator(std::move(state)));
}

Result<void> Db::catch_up() {
  CHECK(state_->secondary);
  TRY(refuse_recycled_records_in(state_->options.directory));
  const rocksdb::Status status = state_->db->TryCatchUpWithPrimary();
  if (!status.ok()) return error_of(status, state_->options.directory);
  return {};
}

Result<void> Db::copy_to(const std::string& directory) {
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(state_->db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory);
  if (!status.ok()) return error_of(status, state_->options.directory + ", copy to " + directory);
  return {};
}

Result<void> Db::flush() {
  const std::vector<rocksdb::ColumnFamilyHandle*> all(state_->handles.begin() + 1, state_->handles.end());
  const rocksdb::Status status = state_->db->Flush({}, all);
  if (!status.ok()) return error_of(status, state_->options.directory);
  return {};
}

// A running owner has files in the making, which cannot be read yet. Asked of the kernel's list: to open and close the
// lock file here would release the lock, were the owner in this process.
bool is_owned(const std::string& directory) {
  struct stat status {};
  if (::stat((directory + "/LOCK").c_str(), &status) != 0) return false;
  const std::string inode = ":" + std::to_string(status.st_ino) + " ";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);)
    if (line.find(inode) != std::string::npos) return true;
  return false;
}

namespace {

/// What a killed process was still writing is no part of the store: no manifest names it, the write-ahead log has what
/// was to be in it, and the next open removes it. It lacks the number with which every finished table file ends; a few
/// turned bits in that number do not make a file unfinished.
bool is_unfinished(const std::filesystem::path& file) {
  constexpr std::uint64_t table_magic = 0x88e241b785f4cff7;  // RocksDB's block-based table
  constexpr int turned_bits_max = 8;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  std::uint64_t last = 0;
  if (!in || in.tellg() < static_cast<std::streamoff>(sizeof last)) return true;
  in.seekg(-static_cast<std::streamoff>(sizeof last), std::ios::end);
  in.read(reinterpret_cast<char*>(&last), sizeof last);
  return std::popcount(last ^ table_magic) > turned_bits_max;
}

/// Not one that is just being written or taken away: that changes within moments.
bool table_file_is_damaged(const std::filesystem::path& file) {
  std::error_code gone;
  const auto size = std::filesystem::file_size(file, gone);
  for (int attempt = 0; attempt < 10; ++attempt) {
    rocksdb::SstFileReader reader{rocksdb::Options()};
    rocksdb::Status sound = reader.Open(file.string());
    if (sound.ok()) sound = reader.VerifyChecksum();
    if (sound.ok() || std::filesystem::file_size(file, gone) != size || gone) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

}  // namespace

Result<void> Db::check_files() {
  const rocksdb::Status status = state_->db->VerifyFileChecksums({});
  if (status.IsCorruption()) return error_of(status, state_->options.directory);
  std::vector<rocksdb::LiveFileMetaData> live;
  state_->db->GetLiveFilesMetaData(&live);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(state_->options.directory, ignored)) {
    const std::string name = "/" + entry.path().filename().string();
    const bool known = std::any_of(live.begin(), live.end(), [&](const auto& file) { return file.name == name; });
    if (known || entry.path().extension() != ".sst" || is_unfinished(entry.path())) continue;
    if (table_file_is_damaged(entry.path()) && !is_owned(state_->options.directory))
      return fail(Code::corruption, "the table file " + entry.path().string() + " cannot be read");
  }
  return {};
}

bool Db::is_primary() const { return !state_->secondary; }

std::uint64_t Db::disk_bytes(Cf cf) const {
  std::uint64_t bytes = 0;
  state_->db->GetIntProperty(state_->handle(cf), rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
  return bytes;
}

}  // namespace tidewaiter::store
