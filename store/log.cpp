// Log: opening, what is small, and the public face of admit.cpp, commit.cpp,
// checkpoint.cpp, recover.cpp and seal.cpp.

#include "store/log.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/check.hpp"
#include "core/failpoint.hpp"
#include "core/log_line.hpp"
#include "core/text.hpp"
#include "store/log_state.hpp"
#include "store/snapshot_value.hpp"

namespace tidewaiter::store {
namespace {

constexpr const char* own_log_names[own_log::count] = {"control", "alerts", "receipts", "access", "rejects"};

std::string random_store_id() {
  char bytes[16];
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes), sizeof bytes) == 1);
  return to_hex({bytes, sizeof bytes});
}

/// True when `file` lies in `directory` or below, links resolved as far as they exist.
bool lies_within(const std::string& file, const std::string& directory) {
  std::error_code ignored;
  const auto f = std::filesystem::weakly_canonical(file, ignored);
  const auto d = std::filesystem::weakly_canonical(directory, ignored);
  return std::mismatch(d.begin(), d.end(), f.begin(), f.end()).first == d.end();
}

Result<void> check_options(const Options& options) {
  const auto wrong = [](std::string what) { return fail(Code::invalid_argument, std::move(what)); };
  if (options.directory.empty()) return wrong("the store directory is not set");
  if (options.origin.empty() || options.origin.back() == '/' ||
      options.origin.find_first_of(" +\n\r\t") != std::string::npos)
    return wrong("origin '" + options.origin + "': no spaces, no '+', no slash at the end");
  if (options.block_bytes_max == 0 || options.segment_records == 0)
    return wrong("block_bytes_max and segment_records must not be 0");
  for (const LogInfo& log : options.event_logs) {
    if (log.name.empty() || log.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") != std::string::npos)
      return wrong("log '" + log.name + "': a name has lower case letters, digits, '-', '_' and '.' only");
    if (std::find(std::begin(own_log_names), std::end(own_log_names), log.name) != std::end(own_log_names))
      return wrong("log '" + log.name + "': this name is taken by the store itself");
  }
  if (!options.signing_key_file.empty() && lies_within(options.signing_key_file, options.directory))
    return wrong("the signing key " + options.signing_key_file + " lies inside the store directory: move it out");
  return {};
}

}  // namespace

Log::State::State(Options o, Metrics& metrics)
    : options(std::move(o)),
      commits_total(metrics.counter("tidewaiter_store_commits_total", "Commits written and synced.")),
      raw_bytes_total(metrics.counter("tidewaiter_store_raw_bytes_total", "Bytes of record bodies stored.")),
      stored_bytes_total(metrics.counter("tidewaiter_store_block_bytes_total", "Bytes of blocks, compressed.")),
      sync_ns_total(metrics.counter("tidewaiter_store_write_nanoseconds_total", "Time in writes and syncs.")),
      conflicts_total(metrics.counter("tidewaiter_store_conflicts_total",
                                      "Redelivered offsets whose bytes differ from the stored ones.")),
      packer(options.zstd_level) {}

std::int64_t Log::State::now_ns() const {
  static const SystemClock system;
  return options.clock != nullptr ? options.clock->now_ns() : system.now_ns();
}

Error Log::State::failed_error() const {
  return fail(Code::disk, "store " + options.directory + ": an earlier commit failed; close it and open it again");
}

void Log::State::set_infos() {
  infos.clear();
  for (const LogState& log : state.logs) infos.push_back(log.info);
}

Result<CommitPtr> Log::State::commit_control(const std::string& json, std::unique_ptr<Batch> source) {
  OwnRecord record;
  record.kind = RecordKind::control;
  record.body = json;
  record.time_ns = now_ns();
  std::vector<OwnRecord> control;
  control.push_back(std::move(record));
  return commit(std::move(source), std::move(control), {}, {}, {}, false);
}

Result<void> Log::State::create() {
  state.store_id = random_store_id();
  state.segment_records = options.segment_records;
  for (std::uint16_t id = 0; id < own_log::count; ++id) {
    LogState log;
    log.info = {id, own_log_names[id], 0};
    state.logs.push_back(std::move(log));
  }
  salt_keys.resize(state.logs.size());
  set_infos();
  TRY(commit_control(nlohmann::json{{"type", "store_created"},
                                    {"store", state.store_id},
                                    {"generation", state.generation},
                                    {"segment_records", state.segment_records}}
                         .dump()));
  return {};
}

Result<void> Log::State::load() {
  TRY_ASSIGN(const auto bytes, db->get(Cf::meta, state_key()));
  if (!bytes) return create();
  TRY_ASSIGN(state, decode_state(*bytes));
  set_infos();
  counters = state.counters;
  last_commit.store(state.commit);
  salt_keys.resize(state.logs.size());
  for (const LogState& log : state.logs) {
    if (log.unit == no_unit) continue;
    TRY_ASSIGN(const auto stored, db->get(Cf::keys, salt_key_key(log.info.id, log.unit)));
    if (!stored) return fail(Code::corruption, "keys, log " + log.info.name + ": the newest salt key is missing");
    TRY_ASSIGN(const std::string_view key, decode_bytes(*stored));
    if (key.size() != salt_size) return fail(Code::corruption, "keys, log " + log.info.name + ": a wrong length");
    std::copy(key.begin(), key.end(), salt_keys[log.info.id].begin());
  }
  TRY_ASSIGN(const auto columns, db->get(Cf::meta, cursor_key(columns_cursor)));
  if (columns) {
    TRY_ASSIGN(const std::string_view list, decode_checked(*columns));
    TRY_ASSIGN(column_versions, decode_column_versions(list));
  }
  return ledger.load(*db, state);
}

/// Adds the event logs that are new, each with a control record; a changed retention is recorded too.
Result<void> Log::State::take_event_logs() {
  std::vector<LogInfo> wanted = options.event_logs;
  if (wanted.empty()) wanted.push_back({0, "events", 0});
  for (const LogInfo& info : wanted) {
    const auto known = std::find_if(state.logs.begin(), state.logs.end(),
                                    [&](const LogState& log) { return log.info.name == info.name; });
    if (known != state.logs.end() && known->info.retention_days == info.retention_days) continue;
    const bool added = known == state.logs.end();
    LogState& log = added ? state.logs.emplace_back() : *known;
    if (added) log.info.id = static_cast<std::uint16_t>(state.logs.size() - 1);
    log.info.name = info.name;
    log.info.retention_days = info.retention_days;
    salt_keys.resize(state.logs.size());
    set_infos();
    TRY(commit_control(nlohmann::json{{"type", added ? "log_added" : "log_retention_changed"},
                                      {"log", log.info.name},
                                      {"log_id", log.info.id},
                                      {"retention_days", log.info.retention_days}}
                           .dump()));
  }
  return {};
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}

Log::~Log() {
  if (state_ == nullptr || !state_->settle() || state_->failed) return;
  if (auto flushed = state_->db->flush(); !flushed)
    log_line(Level::warn, "store: closed without a flush", {{"error", flushed.error().message}});
}

Result<std::unique_ptr<Log>> Log::open(Options options, Metrics& metrics) {
  TRY(check_options(options));
  auto state = std::make_unique<State>(std::move(options), metrics);
  if (!state->options.signing_key_file.empty()) {
    TRY_ASSIGN(SigningKey key, SigningKey::load(state->options.signing_key_file));
    state->signing_key = std::move(key);
  }
  TRY_ASSIGN(state->db, Db::open_primary({state->options.directory, state->options.create_if_missing,
                                          state->options.file_system}));
  state->blocks = std::make_unique<BlockStore>(state->db, state->options.cache_bytes / 4);
  state->batch = std::make_unique<WriteBatch>(*state->db);
  state->flying_batch = std::make_unique<WriteBatch>(*state->db);
  TRY(state->load());
  TRY(state->check_heads());
  TRY(state->finish_checkpoint());
  TRY(state->take_event_logs());
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

void Log::set_route(Route route) { state_->route = std::move(route); }

Result<CommitPtr> Log::commit(std::unique_ptr<Batch> batch, std::vector<OwnRecord> control,
                              std::vector<OwnRecord> own, std::vector<CursorUpdate> cursors,
                              std::map<std::string, std::uint64_t> connector_counts) {
  return state_->commit(std::move(batch), std::move(control), own, cursors, connector_counts, false);
}

Result<CommitPtr> Log::append(std::unique_ptr<Batch> batch, std::vector<OwnRecord> control,
                              std::vector<OwnRecord> own, std::vector<CursorUpdate> cursors,
                              std::map<std::string, std::uint64_t> connector_counts) {
  return state_->commit(std::move(batch), std::move(control), own, cursors, connector_counts, true);
}

Result<void> Log::settle() {
  TRY(state_->settle());
  return state_->failed ? Result<void>(state_->failed_error()) : Result<void>();
}

Result<void> Log::put_cursors(const std::vector<CursorUpdate>& cursors) {
  if (state_->failed) return state_->failed_error();
  for (const CursorUpdate& cursor : cursors)
    state_->batch->put(Cf::meta, cursor_key(cursor.name), encode_checked(cursor.value));
  if (state_->batch->count() == 0) return {};
  failpoint(Failpoint::cursor_before_move);
  TRY(state_->write_batch(false));
  failpoint(Failpoint::cursor_after_move);
  return {};
}

Result<std::string> Log::cursor(const std::string& name) const {
  TRY_ASSIGN(const auto bytes, state_->db->get(Cf::meta, cursor_key(name)));
  if (!bytes) return fail(Code::not_found, "there is no cursor '" + name + "'");
  TRY_ASSIGN(const std::string_view value, decode_checked(*bytes));
  return std::string(value);
}

Result<std::vector<CursorUpdate>> Log::cursors(const std::string& prefix) const {
  const Key first = cursor_key(prefix);
  const std::string_view begin = first;
  const std::size_t kind_size = std::string_view(cursor_key("")).size();
  std::vector<CursorUpdate> found;
  const auto it = state_->db->iterate(Cf::meta);
  for (it->seek(begin); it->valid() && it->key().starts_with(begin); it->next()) {
    TRY_ASSIGN(const std::string_view value, decode_checked(it->value()));
    found.push_back({std::string(it->key().substr(kind_size)), std::string(value)});
  }
  TRY(it->status());
  return found;
}

/// Looked up once for each name: to pass over a snapshot in the database is to read it, and they are large.
Result<std::vector<std::uint64_t>*> Log::State::snapshots_of(const std::string& name) {
  const auto [known, added] = snapshots.try_emplace(name);
  if (!added) return &known->second;
  const Key first = snapshot_key(name, 0);
  const std::string_view prefix = std::string_view(first).substr(0, name.size() + 1);
  const auto it = db->iterate(Cf::snapshots);
  for (it->seek(first); it->valid() && it->key().starts_with(prefix); it->next())
    if (it->key().size() == prefix.size() + sizeof(std::uint64_t))
      known->second.push_back(get_be<std::uint64_t>(it->key().data() + prefix.size()));
  if (auto read = it->status(); !read) {
    snapshots.erase(known);
    return std::move(read).error();
  }
  return &known->second;
}

Result<void> Log::put_snapshot(const std::string& name, std::uint64_t commit, std::string_view snapshot, int keep) {
  if (state_->failed) return state_->failed_error();
  TRY(state_->settle());
  CHECK(keep >= 1 && name.find('\0') == std::string::npos);
  TRY_ASSIGN(std::vector<std::uint64_t>* const kept, state_->snapshots_of(name));
  WriteBatch& batch = *state_->batch;
  const auto place = std::lower_bound(kept->begin(), kept->end(), commit);
  if (place == kept->end() || *place != commit) kept->insert(place, commit);
  // The one that is being put stays, whatever its commit.
  for (std::size_t i = 0; kept->size() > static_cast<std::size_t>(keep) && i < kept->size();) {
    if ((*kept)[i] == commit) {
      ++i;
      continue;
    }
    batch.remove(Cf::snapshots, snapshot_key(name, (*kept)[i]));
    kept->erase(kept->begin() + static_cast<std::ptrdiff_t>(i));
  }
  batch.put(Cf::snapshots, snapshot_key(name, commit), encode_snapshot(snapshot));
  failpoint(Failpoint::snapshot_before_write);
  TRY(state_->write_batch(false));
  failpoint(Failpoint::snapshot_after_write);
  return {};
}

Result<std::vector<Head>> Log::publish_checkpoint() { return state_->publish(); }
const std::optional<Error>& Log::head_files_error() const { return state_->head_files_error; }
bool is_own_log(std::uint16_t id) { return id < own_log::count; }
Result<bool> Log::seal_one_segment() { return state_->seal_one(); }
std::vector<Head> Log::newest_heads() const { return state_->newest_heads; }
const std::vector<LogInfo>& Log::logs() const { return state_->infos; }
std::vector<Position> Log::positions() const { return state_->ledger.positions(); }

bool Log::holds(const Origin& origin, std::uint32_t partition, std::uint64_t offset) const {
  const LedgerPartition* p = state_->ledger.find(origin, partition);
  return p != nullptr && p->held.contains(offset);
}

Counters Log::counters() const {
  const std::lock_guard lock(state_->counters_mutex);
  return state_->counters;
}

std::uint64_t Log::last_commit() const { return state_->last_commit.load(); }
std::string Log::store_id() const { return state_->state.store_id; }
std::uint32_t Log::generation() const { return state_->state.generation; }
bool Log::has_recovered() const { return state_->has_recovered; }
bool Log::generation_is_unpublished() const { return state_->newest_heads.empty(); }

}  // namespace tidewaiter::store
