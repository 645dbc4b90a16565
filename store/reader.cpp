#include "store/reader.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "core/check.hpp"
#include "store/block_store.hpp"
#include "store/column_versions.hpp"
#include "store/db.hpp"
#include "store/keys.hpp"
#include "store/ledger.hpp"
#include "store/log_state.hpp"
#include "store/segment_index.hpp"
#include "store/snapshot_value.hpp"
#include "store/state.hpp"
#include "store/tree_reader.hpp"

namespace tidewaiter::store {
namespace {

constexpr auto whole_view_within = std::chrono::seconds(5);
constexpr auto retry_after = std::chrono::milliseconds(20);

bool same_logs(const std::vector<LogInfo>& a, const std::vector<LogInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const LogInfo& x, const LogInfo& y) {
    return x.id == y.id && x.name == y.name && x.retention_days == y.retention_days;
  });
}

/// File names, sorted: what a secondary replays behind its tables.
std::vector<std::string> write_ahead_logs(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
    if (entry.path().extension() == ".log") names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

struct Reader::State {
  DbOptions options;  // of a secondary
  std::uint64_t cache_bytes = 32ull << 20;
  std::shared_ptr<Db> db;
  std::unique_ptr<BlockStore> blocks;
  // Held shared by every read, so that refresh() changes the view under nobody.
  mutable std::shared_mutex mutex;
  StoreState state;
  std::vector<ColumnVersion> versions;
  bool as_scored = false;
  // Every list of logs ever shown: names and references to it stay valid as long as the reader.
  std::vector<std::unique_ptr<const std::vector<LogInfo>>> log_lists;

  const std::vector<LogInfo>& infos() const { return *log_lists.back(); }

  /// The note of control's head published over a coverage record, if the commit is one and the head is still kept.
  Result<std::string> head_over(const CommitEntry& entry) const {
    if (entry.parts.size() != 1 || entry.parts[0].log != own_log::control) return std::string();
    const std::uint64_t size = entry.parts[0].first_seq + entry.parts[0].records;
    for (std::uint32_t generation = state.generation; generation > 0; --generation) {
      TRY_ASSIGN(const auto bytes, db->get(Cf::heads, head_key(own_log::control, generation, size)));
      if (!bytes) continue;
      TRY_ASSIGN(const Head head, decode_head(*bytes));
      return head.note;
    }
    return std::string();
  }

  Result<void> take_view() {
    TRY_ASSIGN(const auto bytes, db->get(Cf::meta, state_key()));
    if (!bytes) return fail(Code::unavailable, "store " + options.directory + ": it has no state yet");
    TRY_ASSIGN(state, decode_state(*bytes));
    if (!db->is_primary()) TRY(check_view());
    TRY_ASSIGN(const auto columns, db->get(Cf::meta, cursor_key(columns_cursor)));
    if (columns) {
      TRY_ASSIGN(const std::string_view list, decode_checked(*columns));
      TRY_ASSIGN(versions, decode_column_versions(list));
    }
    std::vector<LogInfo> list;
    for (const LogState& log : state.logs) list.push_back(log.info);
    if (log_lists.empty() || !same_logs(list, infos()))
      log_lists.push_back(std::make_unique<const std::vector<LogInfo>>(std::move(list)));
    return {};
  }

  /// A secondary reads files while they are written: commit number, sizes and the last commit must agree.
  Result<void> check_view() const {
    if (state.commit == 0) return {};
    const auto torn = [&](const char* what) {
      return fail(Code::unavailable, "store " + options.directory + ": no whole view, " + what);
    };
    TRY_ASSIGN(const auto bytes, db->get(Cf::commits, commit_key(state.commit)));
    if (!bytes) return torn("the newest commit is missing");
    TRY_ASSIGN(const CommitEntry entry, decode_commit_entry(*bytes));
    for (const CommitEntry::Part& part : entry.parts)
      if (part.log >= state.logs.size() || part.first_seq + part.records != state.logs[part.log].tree.size)
        return torn("commit and sizes disagree");
    TRY_ASSIGN(const auto next, db->get(Cf::commits, commit_key(state.commit + 1)));
    if (next) return torn("there is a commit after the newest one");
    return {};
  }

  Result<void> open_secondary() {
    TRY_ASSIGN(db, Db::open_secondary(options));
    blocks = std::make_unique<BlockStore>(db, cache_bytes);
    return take_view();
  }

  /// The list of tables is read first and the write-ahead logs after it. A log that went away in between was flushed
  /// into tables that the list does not name: its commits would be missing in the middle of the view.
  Result<void> still_there(const std::vector<std::string>& before) const {
    const std::vector<std::string> now = write_ahead_logs(options.directory);
    if (std::includes(now.begin(), now.end(), before.begin(), before.end())) return {};
    return fail(Code::unavailable, "store " + options.directory + ": no whole view, its logs change too fast");
  }

  Result<void> refresh_secondary() {
    const auto deadline = std::chrono::steady_clock::now() + whole_view_within;
    for (bool reopen = db == nullptr;; reopen = true) {
      const std::vector<std::string> logs = write_ahead_logs(options.directory);
      Result<void> done = [&]() -> Result<void> {
        if (reopen) {
          TRY(open_secondary());
        } else {
          TRY(db->catch_up());
          TRY(take_view());
        }
        return still_there(logs);
      }();
      if (done || done.error().code == Code::not_found) return done;
      if (std::chrono::steady_clock::now() > deadline) {
        if (done.error().code != Code::corruption) done.error().code = Code::unavailable;
        return done;
      }
      std::this_thread::sleep_for(retry_after);
    }
  }

  Result<void> check(std::uint16_t log, std::uint64_t seq) const {
    if (log >= state.logs.size()) return fail(Code::not_found, "there is no log " + std::to_string(log));
    if (seq >= state.logs[log].tree.size)
      return fail(Code::not_found, "log " + state.logs[log].info.name + " has no record " + std::to_string(seq) +
                                       ": it holds " + std::to_string(state.logs[log].tree.size));
    return {};
  }
  /// For questions about the tree of `size` leaves.
  Result<std::unique_ptr<TreeReader>> tree(std::uint16_t log, std::uint64_t size) const {
    if (log >= state.logs.size() || size > state.logs[log].tree.size)
      return fail(Code::not_found, "log " + std::to_string(log) + " has no tree of size " + std::to_string(size));
    return std::make_unique<TreeReader>(*db, *blocks, state.store_id, log, state.logs[log].tree.size);
  }
  std::uint64_t indexed_size(std::uint16_t log) const {
    const auto bytes = db->get(Cf::meta, sealed_key(log));
    if (!bytes || !*bytes || log >= state.logs.size()) return 0;
    const std::uint64_t segments = state.logs[log].tree.size / state.segment_records;
    return std::min(decode_number(**bytes).value_or(0), segments * state.segment_records);
  }
  std::uint8_t version() const { return as_scored || versions.empty() ? std::uint8_t{0} : versions.back().version; }
  std::string_view log_name(std::uint16_t log) const { return infos()[log].name; }
};

Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reader::~Reader() = default;

Result<std::unique_ptr<Reader>> Reader::open(const Log& log) {
  auto state = std::make_unique<State>();
  state->options.directory = log.state_->options.directory;
  state->cache_bytes = log.state_->options.cache_bytes / 4;
  state->db = log.state_->db;
  state->blocks = std::make_unique<BlockStore>(state->db, state->cache_bytes);
  TRY(state->take_view());
  return std::unique_ptr<Reader>(new Reader(std::move(state)));
}

Result<std::unique_ptr<Reader>> Reader::open(const std::string& directory) {
  auto state = std::make_unique<State>();
  state->options.directory = directory;
  TRY(state->refresh_secondary());
  return std::unique_ptr<Reader>(new Reader(std::move(state)));
}

Result<void> Reader::refresh() {
  const std::unique_lock lock(state_->mutex);
  return state_->db->is_primary() ? state_->take_view() : state_->refresh_secondary();
}

void Reader::read_as_scored() {
  const std::unique_lock lock(state_->mutex);
  state_->as_scored = true;
}

std::uint8_t Reader::column_version() const {
  const std::shared_lock lock(state_->mutex);
  return state_->version();
}

std::uint64_t Reader::last_commit() const {
  const std::shared_lock lock(state_->mutex);
  return state_->state.commit;
}
const std::vector<LogInfo>& Reader::logs() const {
  const std::shared_lock lock(state_->mutex);
  return state_->infos();
}
std::uint64_t Reader::size(std::uint16_t log) const {
  const std::shared_lock lock(state_->mutex);
  return log < state_->state.logs.size() ? state_->state.logs[log].tree.size : 0;
}
Counters Reader::counters() const {
  const std::shared_lock lock(state_->mutex);
  return state_->state.counters;
}
std::string Reader::store_id() const {
  const std::shared_lock lock(state_->mutex);
  return state_->state.store_id;
}
std::uint32_t Reader::generation() const {
  const std::shared_lock lock(state_->mutex);
  return state_->state.generation;
}

std::vector<Position> Reader::positions() const {
  const std::shared_lock lock(state_->mutex);
  Ledger ledger;
  if (!ledger.load(*state_->db, state_->state)) return {};
  return ledger.positions();
}

Result<std::string> Reader::cursor(const std::string& name) const {
  const std::shared_lock lock(state_->mutex);
  TRY_ASSIGN(const auto bytes, state_->db->get(Cf::meta, cursor_key(name)));
  if (!bytes) return fail(Code::not_found, "there is no cursor '" + name + "'");
  TRY_ASSIGN(const std::string_view value, decode_checked(*bytes));
  return std::string(value);
}

Result<std::pair<std::uint64_t, std::string>> Reader::snapshot(const std::string& name, std::uint64_t commit) const {
  const std::shared_lock lock(state_->mutex);
  const auto it = state_->db->iterate(Cf::snapshots);
  const std::string prefix = name + '\0';
  it->seek_for_prev(snapshot_key(name, commit));
  TRY(it->status());
  if (!it->valid() || !it->key().starts_with(prefix) || it->key().size() != prefix.size() + 8)
    return fail(Code::not_found,
                "there is no snapshot of '" + name + "' at or before commit " + std::to_string(commit));
  TRY_ASSIGN(std::string state, decode_snapshot(it->value()));
  return std::pair(get_be<std::uint64_t>(it->key().data() + prefix.size()), std::move(state));
}

Result<std::vector<Head>> Reader::heads(std::uint16_t log) const {
  const std::shared_lock lock(state_->mutex);
  std::vector<Head> out;
  const Key prefix = Key().num(log);
  const auto it = state_->db->iterate(Cf::heads);
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    TRY_ASSIGN(Head head, decode_head(it->value()));
    if (log < state_->state.logs.size() && head.size <= state_->state.logs[log].tree.size)
      out.push_back(std::move(head));
  }
  TRY(it->status());
  return out;
}

namespace {

/// Records of one commit from blocks of several logs, put in the order of their ordinals.
class CommitBuilder {
 public:
  explicit CommitBuilder(Commit& commit) : commit_(commit) {}

  void add(const BlockPtr& block, const BlockStore::Range& range, bool bodies) {
    commit_.owners.push_back(block);
    for (std::uint64_t seq = range.from; seq < range.to; ++seq) {
      const std::size_t i = seq - block->header.first_seq;
      places_.push_back({block->ordinals[i], block.get(), static_cast<std::uint32_t>(i), bodies});
    }
  }

  Result<void> finish() {
    const auto before = [](const Place& a, const Place& b) { return a.ordinal < b.ordinal; };
    if (!std::is_sorted(places_.begin(), places_.end(), before)) std::sort(places_.begin(), places_.end(), before);
    std::size_t events = 0;
    for (const Place& place : places_) events += place.block->records[place.index].event_count;
    commit_.records.reserve(places_.size());
    commit_.events.reserve(events);
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
      const Place& place = places_[i];
      if (place.ordinal != i || place.block->commits[place.index] != commit_.number)
        return fail(Code::corruption, "commit " + std::to_string(commit_.number) + ": ordinal " + std::to_string(i) +
                                          " is missing");
      Record record = place.block->records[place.index];
      const Event* from = place.block->events.data() + record.first_event;
      record.first_event = static_cast<std::uint32_t>(commit_.events.size());
      if (!place.bodies) record.body = record.key = record.value = {};
      commit_.events.insert(commit_.events.end(), from, from + record.event_count);
      for (std::uint32_t e = 0; e < record.event_count; ++e) commit_.events[record.first_event + e].record = i;
      commit_.records.push_back(record);
    }
    return {};
  }

 private:
  struct Place {
    std::uint32_t ordinal;
    const Block* block;
    std::uint32_t index;
    bool bodies;
  };
  Commit& commit_;
  std::vector<Place> places_;
};

}  // namespace

Result<CommitPtr> Reader::commit(std::uint64_t number, bool bodies) const {
  const std::shared_lock lock(state_->mutex);
  if (number == 0 || number > state_->state.commit)
    return fail(Code::not_found, "there is no commit " + std::to_string(number) + " yet");
  TRY_ASSIGN(const auto bytes, state_->db->get(Cf::commits, commit_key(number)));
  if (!bytes) return fail(Code::corruption, "commits: commit " + std::to_string(number) + " is missing");
  TRY_ASSIGN(const CommitEntry entry, decode_commit_entry(*bytes));
  auto made = std::make_shared<Commit>();
  made->number = number;
  made->time_ns = entry.time_ns;
  CommitBuilder builder(*made);
  for (const CommitEntry::Part& part : entry.parts) {
    // What a control record says is always there.
    const bool with_bodies = bodies || part.log == own_log::control;
    const std::uint64_t end = part.first_seq + part.records;
    TRY(state_->blocks->each(part.log, part.first_seq, end, with_bodies,
                             [&](const BlockHeader&, const BlockStore::Range& range,
                                 const BlockStore::Decode& decode) -> Result<bool> {
                               TRY_ASSIGN(const BlockPtr block, decode());
                               builder.add(block, range, with_bodies);
                               return true;
                             }));
  }
  TRY(builder.finish());
  TRY_ASSIGN(made->head, state_->head_over(entry));
  return CommitPtr(std::move(made));
}

namespace {

/// Fills `out`, whose memory is reused, with record `i` of a block.
void fill(StoredRecord& out, const BlockPtr& block, std::size_t i, bool bodies) {
  out.record = block->records[i];
  const Event* from = block->events.data() + out.record.first_event;
  out.events.assign(from, from + out.record.event_count);
  out.record.first_event = 0;
  for (Event& event : out.events) event.record = 0;
  if (!bodies) out.record.body = out.record.key = out.record.value = {};
  out.commit = block->commits[i];
  out.ordinal = block->ordinals[i];
}

BlockSummary summary(const BlockHeader& h) {
  return {h.log,         h.first_seq,   h.records,        h.first_commit,  h.last_commit,
          h.min_time_ns, h.max_time_ns, h.min_receive_ns, h.max_receive_ns};
}

}  // namespace

Result<StoredRecord> Reader::record(std::uint16_t log, std::uint64_t seq) const {
  const std::shared_lock lock(state_->mutex);
  TRY(state_->check(log, seq));
  TRY_ASSIGN(const BlockPtr block, state_->blocks->find(log, seq, true, state_->version()));
  StoredRecord out;
  fill(out, block, seq - block->header.first_seq, true);
  out.log_name = state_->log_name(log);
  out.owner = block;
  return out;
}

Result<void> Reader::scan(std::uint16_t log, std::uint64_t from_seq, std::uint64_t to_seq, bool bodies,
                          const std::function<bool(const BlockSummary&)>& want,
                          const std::function<bool(const StoredRecord&)>& visit) const {
  const std::shared_lock lock(state_->mutex);
  if (log >= state_->state.logs.size()) return fail(Code::not_found, "there is no log " + std::to_string(log));
  to_seq = std::min(to_seq, state_->state.logs[log].tree.size);
  const bool with_bodies = bodies || log == own_log::control;
  StoredRecord out;
  out.log_name = state_->log_name(log);
  return state_->blocks->each(
      log, from_seq, to_seq, with_bodies,
      [&](const BlockHeader& header, const BlockStore::Range& range,
          const BlockStore::Decode& decode) -> Result<bool> {
        if (want && !want(summary(header))) return true;
        TRY_ASSIGN(const BlockPtr block, decode());
        out.owner = block;
        for (std::uint64_t seq = range.from; seq < range.to; ++seq) {
          fill(out, block, seq - block->header.first_seq, with_bodies);
          if (!visit(out)) return false;
        }
        return true;
      },
      state_->version());
}

Result<Hash> Reader::root(std::uint16_t log, std::uint64_t size) const {
  const std::shared_lock lock(state_->mutex);
  TRY_ASSIGN(const auto tree, state_->tree(log, size));
  if (size == state_->state.logs[log].tree.size) {
    Sha256 sha;
    return state_->state.logs[log].tree.root(sha);
  }
  return root_at(size, tree->fetch());
}

Result<std::vector<Hash>> Reader::inclusion_path(std::uint16_t log, std::uint64_t seq, std::uint64_t size) const {
  const std::shared_lock lock(state_->mutex);
  TRY_ASSIGN(const auto tree, state_->tree(log, size));
  return inclusion_proof(seq, size, tree->fetch());
}

Result<std::vector<Hash>> Reader::consistency_path(std::uint16_t log, std::uint64_t old_size,
                                                   std::uint64_t size) const {
  const std::shared_lock lock(state_->mutex);
  TRY_ASSIGN(const auto tree, state_->tree(log, size));
  return consistency_proof(old_size, size, tree->fetch());
}

Result<std::string> Reader::leaf(std::uint16_t log, std::uint64_t seq) const {
  const std::shared_lock lock(state_->mutex);
  TRY(state_->check(log, seq));
  TRY_ASSIGN(const auto tree, state_->tree(log, seq));
  return tree->leaf(seq);
}

Result<std::string> Reader::salt(std::uint16_t log, std::uint64_t seq) const {
  const std::shared_lock lock(state_->mutex);
  TRY(state_->check(log, seq));
  TRY_ASSIGN(const auto tree, state_->tree(log, seq));
  return tree->salt(seq);
}

std::uint64_t Reader::indexed_size(std::uint16_t log) const {
  const std::shared_lock lock(state_->mutex);
  return state_->indexed_size(log);
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> Reader::sealed_segment(std::uint16_t log,
                                                                              std::uint64_t seq) const {
  const std::shared_lock lock(state_->mutex);
  const std::uint64_t segment = state_->state.segment_records, first = seq / segment * segment;
  if (first + segment > state_->indexed_size(log)) return std::nullopt;
  return std::pair(first, first + segment);
}

Result<std::vector<std::uint64_t>> Reader::find_term(std::uint16_t log, std::uint8_t column, std::string_view term,
                                                     std::uint64_t from_seq, std::uint64_t to_seq) const {
  const std::shared_lock lock(state_->mutex);
  if (!is_indexed(column) || to_seq > state_->indexed_size(log))
    return fail(Code::invalid_argument, "this column or range has no index");
  std::vector<std::uint64_t> out;
  const std::uint64_t segment = state_->state.segment_records;
  for (std::uint64_t first = from_seq / segment * segment; first < to_seq; first += segment) {
    const std::string place = "index, log " + std::to_string(log) + ", segment at " + std::to_string(first) + ": ";
    const std::uint8_t version = newest_version(state_->versions, state_->version(), log, first);
    TRY_ASSIGN(const auto value, state_->db->get(Cf::index, index_key(log, first, column, version)));
    if (!value) return fail(Code::corruption, place + "it is missing");
    auto records = index_lookup(*value, term);
    if (!records) return fail(Code::corruption, place + records.error().message);
    for (const std::uint32_t record : *records)
      if (first + record >= from_seq && first + record < to_seq) out.push_back(first + record);
  }
  return out;
}

namespace {

Reader::PartitionCoverage coverage_of(const LedgerPartition& p) {
  std::vector<Reader::PartitionCoverage::Gap> gaps;
  for (LedgerGap& gap : Ledger::open_gaps(p)) gaps.push_back({gap.from, gap.to, std::move(gap.reason)});
  return {p.origin->cluster, p.origin->topic, p.origin->topic_id, p.partition, p.held.ranges(), std::move(gaps)};
}

}  // namespace

Result<std::vector<Reader::PartitionCoverage>> Reader::coverage() const {
  const std::shared_lock lock(state_->mutex);
  Ledger ledger;
  TRY(ledger.load(*state_->db, state_->state));
  std::vector<PartitionCoverage> out;
  for (const LedgerPartition* p : ledger.all()) out.push_back(coverage_of(*p));
  return out;
}

}  // namespace tidewaiter::store
