// One commit: number the records, hash, pack, write. What it takes of its batch is decided in admit.cpp.

#include <time.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/body.hpp"
#include "core/check.hpp"
#include "core/failpoint.hpp"
#include "core/prefetch.hpp"
#include "core/text.hpp"
#include "store/log_state.hpp"
#include "store/prefetch_records.hpp"

namespace tidewaiter::store {
namespace {

/// Below, waking another thread takes longer than it saves.
constexpr std::size_t packed_beside_records_min = 64;

std::uint16_t own_log_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::alert:
      return own_log::alerts;
    case RecordKind::receipt:
      return own_log::receipts;
    case RecordKind::access:
      return own_log::access;
    default:
      CHECK(kind == RecordKind::control);
      return own_log::control;
  }
}

Record own_record(RecordKind kind, std::int64_t time_ns, std::string_view body, std::size_t json_size) {
  Record record;
  record.kind = kind;
  record.log = own_log_of(kind);
  record.receive_time_ns = time_ns;
  record.body = body;
  record.value = body.substr(body.size() - json_size);
  return record;
}

/// Appends records of our own to `records`, their columns to `events`, their bytes to `owners`.
/// Bodies lie in one piece of memory that does not move.
void append_own(const std::vector<OwnRecord>& own, std::vector<Record>& records, std::vector<Event>& events,
                std::vector<std::shared_ptr<const void>>& owners) {
  if (own.empty()) return;
  std::vector<std::string> bodies;
  std::size_t size = Arena::padding_bytes;
  for (const OwnRecord& record : own) {
    bodies.push_back(own_body(record.body, record.time_ns));
    size += bodies.back().size();
  }
  auto bytes = std::make_shared<std::vector<char>>(size);
  char* place = bytes->data();
  for (std::size_t i = 0; i < own.size(); ++i) {
    std::memcpy(place, bodies[i].data(), bodies[i].size());
    Record record = own_record(own[i].kind, own[i].time_ns, {place, bodies[i].size()}, own[i].body.size());
    record.first_event = static_cast<std::uint32_t>(events.size());
    if (own[i].columns) {
      record.event_count = 1;
      events.push_back(*own[i].columns);
      events.back().sub = 0;
      events.back().record = static_cast<std::uint32_t>(records.size());
      if (own[i].strings) owners.push_back(own[i].strings);
    }
    records.push_back(record);
    place += bodies[i].size();
  }
  owners.push_back(std::move(bytes));
}

OwnRecord salt_key_record(const LogInfo& log, const NewUnit& unit, std::int64_t time_ns) {
  const std::string_view key(reinterpret_cast<const char*>(unit.key.data()), unit.key.size());
  OwnRecord record;
  record.time_ns = time_ns;
  record.body = nlohmann::json{{"type", "salt_key"},
                               {"log", log.name},
                               {"log_id", log.id},
                               {"unit", unit.first_seq},
                               {"sha256", to_hex(as_view(sha256(key)))}}
                    .dump();
  return record;
}

/// What routes mostly ask for.
void prefetch_numbers(const Event& event) {
  prefetch_line(&event);
  const char* numbers = reinterpret_cast<const char*>(event.numbers.data());
  for (std::size_t at = 0; at < sizeof event.numbers; at += 64) prefetch_line(numbers + at);
}

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

// --- numbers ---

std::uint16_t Log::State::log_of(const Record& record, const Event* events) const {
  if (record.event_count == 0) return own_log::rejects;
  const std::uint16_t id = route ? route(record, events, record.event_count) : own_log::count;
  CHECK(id >= own_log::rejects && id < state.logs.size());
  return id;
}

void Log::State::units_within(std::uint16_t log, std::uint64_t records, std::vector<NewUnit>& out) const {
  const std::uint64_t segment = state.segment_records;
  std::uint64_t seq = state.logs[log].tree.size;
  std::uint64_t unit = state.logs[log].unit;
  for (const std::uint64_t end = seq + records; seq < end; seq = (seq / segment + 1) * segment) {
    if (unit != no_unit && unit / segment == seq / segment) continue;
    out.push_back({log, seq, random_salt_key()});
    unit = seq;
  }
}

/// How many records each log gets decides which erasure units begin, and each unit is one more control record, which
/// may begin one more unit of `control`.
std::vector<NewUnit> Log::State::plan_units(std::vector<std::uint64_t> records) const {
  std::vector<NewUnit> units;
  for (std::uint16_t id = own_log::control + 1; id < records.size(); ++id) units_within(id, records[id], units);
  std::vector<NewUnit> of_control;
  for (std::size_t assumed = 0;; assumed = of_control.size()) {
    of_control.clear();
    units_within(own_log::control, records[own_log::control] + units.size() + assumed, of_control);
    if (of_control.size() == assumed) break;
  }
  units.insert(units.begin(), of_control.begin(), of_control.end());
  return units;
}

/// Sets the seq of the records of a commit, whose logs are set, and counts.
void Log::State::number_records(Commit& made, CommitCounts& counts) {
  records_by_log.resize(state.logs.size());
  for (auto& list : records_by_log) list.clear();
  for (std::uint32_t i = 0; i < made.records.size(); ++i) {
    Record& record = made.records[i];
    record.seq = state.logs[record.log].tree.size + records_by_log[record.log].size();
    if (record.origin == nullptr) record.offset = record.seq;
    records_by_log[record.log].push_back(i);
    counts.by_kind[static_cast<std::uint8_t>(record.kind)] += 1;
    if (record.kind == RecordKind::reject) counts.by_reason[static_cast<std::uint8_t>(record.reason)] += 1;
    if (record.origin != nullptr) counts.events += record.event_count;
  }
}

/// Puts the records of a commit in order: control, source by arrival, own. Their bytes move along.
std::vector<NewUnit> Log::State::assemble(Commit& made, std::unique_ptr<Batch> source, std::vector<OwnRecord> control,
                                          const std::vector<OwnRecord>& own) {
  std::vector<std::uint64_t> records(state.logs.size());
  records[own_log::control] = control.size();
  for (const OwnRecord& record : own) records[own_log_of(record.kind)] += 1;
  if (source) {
    for (std::size_t i = 0; i < source->records.size(); ++i) {
      if (const Event* event = event_at(source->records, source->events, i + columns_ahead)) prefetch_numbers(*event);
      Record& record = source->records[i];
      record.log = log_of(record, source->events.data() + record.first_event);
      records[record.log] += 1;
    }
    made.records = std::move(source->records);
    made.events = std::move(source->events);
    made.owners.push_back(std::shared_ptr<const Batch>(std::move(source)));
  }
  std::vector<NewUnit> units = plan_units(std::move(records));
  std::vector<OwnRecord> leading;
  for (const NewUnit& unit : units) leading.push_back(salt_key_record(infos[unit.log], unit, made.time_ns));
  std::move(control.begin(), control.end(), std::back_inserter(leading));
  if (!leading.empty()) {
    std::vector<Record> first_records;
    std::vector<Event> first_events;
    append_own(leading, first_records, first_events, made.owners);
    for (Record& record : made.records) record.first_event += static_cast<std::uint32_t>(first_events.size());
    for (Event& event : made.events) event.record += static_cast<std::uint32_t>(first_records.size());
    made.records.insert(made.records.begin(), first_records.begin(), first_records.end());
    made.events.insert(made.events.begin(), first_events.begin(), first_events.end());
  }
  append_own(own, made.records, made.events, made.owners);
  return units;
}

// --- hash, pack ---

/// A part of the commit: the records of one log, whose seqs are set, by the erasure units that they lie in.
void Log::State::plan_part(const Commit& made, std::uint16_t id, const std::vector<NewUnit>& units) {
  std::span<const std::uint32_t> records = records_by_log[id];
  char* salts = packer.begin_part(records);
  std::uint64_t unit = state.logs[id].unit, seq = state.logs[id].tree.size;
  const auto plan = [&](std::size_t count) {
    if (count == 0) return;
    make_salts(salt_keys[id], id, seq, count, salts);
    plan_blocks(made, unit, records.first(count));
    records = records.subspan(count);
    salts += count * salt_size;
    seq += count;
  };
  for (const NewUnit& next : units) {
    if (next.log != id) continue;
    plan(static_cast<std::size_t>(next.first_seq - seq));
    unit = next.first_seq;
    salt_keys[id] = next.key;
  }
  plan(records.size());
}

/// About as few blocks as the bound on their bytes allows, of about the same size.
void Log::State::plan_blocks(const Commit& made, std::uint64_t unit, std::span<const std::uint32_t> records) {
  std::uint64_t all = 0;
  for (const std::uint32_t at : records) all += made.records[at].body.size();
  const std::uint64_t pieces = (all + options.block_bytes_max - 1) / options.block_bytes_max;
  const std::uint64_t enough = (all + pieces - 1) / pieces;
  std::uint64_t bytes = 0;
  std::size_t from = 0;
  for (std::size_t at = 0; at < records.size(); ++at) {
    const std::uint64_t size = made.records[records[at]].body.size();
    if (at > from && (bytes >= enough || bytes + size > options.block_bytes_max)) {
      packer.plan(unit, at - from);
      from = at;
      bytes = 0;
    }
    bytes += size;
  }
  packer.plan(unit, records.size() - from);
}

void Log::State::write_blocks() {
  packer.each([&](const BlockHeader& header, std::string_view raw, std::string_view cols) {
    batch->put(Cf::raw, raw_key(header.log, header.first_seq), raw);
    batch->put(Cf::cols, cols_key(header.log, header.first_seq), cols);
    raw_bytes_total.add(header.body_bytes);
    stored_bytes_total.add(raw.size() + cols.size());
  });
}

void Log::State::append_part(const Commit& made, std::uint16_t id, std::size_t part) {
  LogState& log = state.logs[id];
  const Hash columns = ColumnDigest::commit_digest(sha, packer.column_runs(part), made.number, made.time_ns);
  log.columns = ColumnDigest::chain(sha, log.columns, columns);
  log.tree.append_all(packer.leaves(part), [&](unsigned height, std::uint64_t index, const Hash& hash) {
    batch->put(Cf::tree, tree_key(id, static_cast<std::uint8_t>(height), index), encode_hash(hash));
  });
}

void Log::State::write_parts(const Commit& made, const std::vector<NewUnit>& units, CommitEntry& entry) {
  for (std::uint16_t id = 0; id < records_by_log.size(); ++id)
    if (!records_by_log[id].empty())
      entry.parts.push_back(
          {id, state.logs[id].tree.size, static_cast<std::uint32_t>(records_by_log[id].size())});
  packer.begin(made, state.store_id);
  for (const CommitEntry::Part& part : entry.parts) plan_part(made, part.log, units);
  const bool beside = made.records.size() >= packed_beside_records_min;
  if (beside) pack_thread.start([this] { packer.help(1); });
  packer.help(0);
  if (beside) pack_thread.wait();
  for (std::size_t part = 0; part < entry.parts.size(); ++part) append_part(made, entry.parts[part].log, part);
  write_blocks();
  for (const NewUnit& unit : units) state.logs[unit.log].unit = unit.first_seq;
  for (const NewUnit& unit : units)
    batch->put(Cf::keys, salt_key_key(unit.log, unit.first_seq),
               encode_bytes({reinterpret_cast<const char*>(unit.key.data()), unit.key.size()}));
  for (const Record& record : made.records) {
    if (record.kind != RecordKind::conflict) continue;
    const LedgerPartition* p = ledger.find(record.origin, record.partition);
    batch->put(Cf::offsets, conflict_key(p->origin_id, p->partition, record.offset, record.seq),
               encode_number(record.log));
    conflicts_total.add();
  }
}

// --- the whole ---

void Log::State::add_counts(const CommitCounts& counts, const std::map<std::string, std::uint64_t>& connectors) {
  Counters& c = state.counters;
  c.read += counts.read;
  c.duplicates += counts.duplicates;
  c.events += counts.events;
  for (std::size_t i = 0; i < 256; ++i) {
    if (counts.by_kind[i] != 0)
      c.records_by_kind[record_kind_name(static_cast<RecordKind>(i))] += counts.by_kind[i];
    if (counts.by_reason[i] != 0)
      c.rejects_by_reason[reject_reason_name(static_cast<RejectReason>(i))] += counts.by_reason[i];
  }
  for (const auto& [name, count] : connectors) c.connector[name] += count;
}

/// Of a write that has ended.
Result<void> Log::State::took(Result<void> written) {
  if (!written) {
    failed = true;
    return written;
  }
  const std::lock_guard lock(counters_mutex);
  counters = written_counters;
  last_commit.store(written_commit);
  return {};
}

Result<void> Log::State::timed_write(WriteBatch& writes, bool sync) {
  const std::uint64_t start = monotonic_ns();
  auto written = db->write(writes, sync);
  writes.clear();
  sync_ns_total.add(monotonic_ns() - start);
  return written;
}

Result<void> Log::State::settle() {
  if (!flying) return {};
  sync_thread.wait();
  flying = false;
  return took(std::exchange(flown, {}));
}

Result<void> Log::State::write_batch(bool sync) {
  TRY(settle());
  written_counters = state.counters;
  written_commit = state.commit;
  return took(timed_write(*batch, sync));
}

Result<void> Log::State::write_commit() {
  failpoint(Failpoint::commit_before_sync);
  TRY(write_batch(true));
  failpoint(Failpoint::commit_after_sync);
  return {};
}

/// Writes and syncs what has been built, beside what comes next.
Result<void> Log::State::write_beside() {
  TRY(settle());
  std::swap(batch, flying_batch);
  written_counters = state.counters;
  written_commit = state.commit;
  flying = true;
  sync_thread.start([this] {
    failpoint(Failpoint::commit_before_sync);
    flown = timed_write(*flying_batch, true);
    failpoint(Failpoint::commit_after_sync);
  });
  return {};
}

/// Counters and cursors alone: no commit number, no sync.
Result<void> Log::State::write_without_commit(const CommitCounts& counts,
                                              const std::map<std::string, std::uint64_t>& connectors) {
  add_counts(counts, connectors);
  if (counts.read != 0 || !connectors.empty()) batch->put(Cf::meta, state_key(), encode_state(state));
  if (batch->count() == 0) return {};
  return write_batch(false);
}

Result<CommitPtr> Log::State::commit(std::unique_ptr<Batch> source, std::vector<OwnRecord> control,
                                     const std::vector<OwnRecord>& own, const std::vector<CursorUpdate>& cursors,
                                     const std::map<std::string, std::uint64_t>& connectors, bool beside) {
  if (failed) return failed_error();
  failed = true;  // until it is through: in between, memory is ahead of the database
  CommitCounts counts;
  auto made = std::make_shared<Commit>();
  made->time_ns = now_ns();
  if (source) TRY(admit(*source, counts));
  for (const CursorUpdate& cursor : cursors)
    batch->put(Cf::meta, cursor_key(cursor.name), encode_checked(cursor.value));
  if ((!source || source->records.empty()) && control.empty() && own.empty() && !ledger.has_news()) {
    TRY(write_without_commit(counts, connectors));
    failed = false;
    return CommitPtr(std::move(made));
  }

  made->number = state.commit + 1;
  const std::vector<NewUnit> units = assemble(*made, std::move(source), std::move(control), own);
  number_records(*made, counts);
  CommitEntry entry;
  entry.time_ns = made->time_ns;
  ledger.write(*batch, made->number, state.origins);
  write_parts(*made, units, entry);
  batch->put(Cf::commits, commit_key(made->number), encode_commit_entry(entry));
  add_counts(counts, connectors);
  state.commit = made->number;
  batch->put(Cf::meta, state_key(), encode_state(state));
  TRY(beside ? write_beside() : write_commit());
  commits_total.add();
  failed = false;
  return CommitPtr(std::move(made));
}

}  // namespace tidewaiter::store
