// What a commit takes of a batch: each offset once. A redelivery with the same bytes is dropped as a duplicate, one with
// other bytes becomes a conflict record (docs/format.md, offsets).

#include <algorithm>

#include "core/body.hpp"
#include "core/check.hpp"
#include "core/log_line.hpp"
#include "store/log_state.hpp"

namespace tidewaiter::store {
namespace {

/// What makes two deliveries of an offset the same: everything but when it was received.
Result<bool> same_message(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  TRY_ASSIGN(const BodyParts x, read_body(a));
  TRY_ASSIGN(const BodyParts y, read_body(b));
  const auto same_header = [](const Header& h, const Header& i) { return h.name == i.name && h.value == i.value; };
  return x.key == y.key && x.value == y.value && x.kafka_time_ms == y.kafka_time_ms &&
         std::equal(x.headers.begin(), x.headers.end(), y.headers.begin(), y.headers.end(), same_header);
}

/// Takes the marked records out, with their events.
void drop_records(Batch& batch, const std::vector<std::uint32_t>& dropped) {
  std::vector<Record> records;
  std::vector<Event> events;
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < batch.records.size(); ++i) {
    if (next < dropped.size() && dropped[next] == i) {
      ++next;
      continue;
    }
    Record record = batch.records[i];
    const auto first = static_cast<std::uint32_t>(events.size());
    for (std::uint32_t e = 0; e < record.event_count; ++e) {
      events.push_back(batch.events[record.first_event + e]);
      events.back().record = static_cast<std::uint32_t>(records.size());
    }
    record.first_event = first;
    records.push_back(record);
  }
  batch.records = std::move(records);
  batch.events = std::move(events);
}

}  // namespace

Result<void> Log::State::admit(Batch& source, CommitCounts& counts) {
  counts.read = source.read;
  std::vector<std::uint32_t> dropped;
  std::size_t conflicts = 0;
  for (std::size_t i = 0; i < source.records.size(); ++i) {
    Record& record = source.records[i];
    CHECK(record.origin != nullptr);
    if (ledger.arrive(record.origin, record.partition, record.offset) == Ledger::Verdict::fresh) continue;
    TRY_ASSIGN(const bool duplicate, is_duplicate(source, i));
    if (duplicate)
      dropped.push_back(static_cast<std::uint32_t>(i));
    else {
      record.kind = RecordKind::conflict;
      if (++conflicts == 1)
        log_line(Level::error, "another message came at a stored offset: it is kept beside it as a conflict",
                 {{"topic", record.origin->topic}, {"partition", std::to_string(record.partition)},
                  {"offset", std::to_string(record.offset)}});
    }
  }
  for (const OffsetGap& gap : source.gaps) ledger.add_gap(gap);
  counts.duplicates = dropped.size();
  if (!dropped.empty()) drop_records(source, dropped);
  return {};
}

Result<bool> Log::State::is_duplicate(const Batch& source, std::size_t index) {
  const Record& record = source.records[index];
  bool in_batch = false;
  for (std::size_t i = 0; i < index; ++i) {
    const Record& earlier = source.records[i];
    if (earlier.offset != record.offset || earlier.partition != record.partition || earlier.origin != record.origin)
      continue;
    in_batch = true;
    TRY_ASSIGN(const bool same, same_message(earlier.body, record.body));
    if (same) return true;
  }
  if (in_batch && ledger.is_fresh(record.origin, record.partition, record.offset)) return false;
  TRY(settle());  // the other one may be in the commit that is just being written
  TRY_ASSIGN(const bool same, stored_equally(record));
  if (same) return true;
  return known_conflict(record);
}

Result<bool> Log::State::stored_equally(const Record& record) {
  const LedgerPartition* p = ledger.find(record.origin, record.partition);
  const std::string place = "offsets, " + record.origin->topic + " partition " + std::to_string(record.partition) +
                            ", offset " + std::to_string(record.offset);
  const auto it = db->iterate(Cf::offsets);
  it->seek_for_prev(offsets_key('h', p->origin_id, p->partition, record.offset));
  for (; it->valid() && it->key()[0] == 'h'; it->prev()) {
    TRY_ASSIGN(const OffsetEntry entry, decode_offset_entry(it->value()));
    const bool here = std::any_of(entry.ranges.begin(), entry.ranges.end(), [&](const IntervalSet::Range& r) {
      return r.first <= record.offset && record.offset < r.second;
    });
    if (!here) continue;
    TRY_ASSIGN(const auto bytes, db->get(Cf::commits, commit_key(entry.commit)));
    if (!bytes) return fail(Code::corruption, place + ": commit " + std::to_string(entry.commit) + " is missing");
    TRY_ASSIGN(const CommitEntry commit_entry, decode_commit_entry(*bytes));
    for (const CommitEntry::Part& part : commit_entry.parts) {
      std::optional<bool> same;
      const std::uint64_t end = part.first_seq + part.records;
      const auto look = [&](const BlockHeader&, const BlockStore::Range&,
                            const BlockStore::Decode& decode) -> Result<bool> {
        TRY_ASSIGN(const BlockPtr block, decode());
        for (const Record& stored : block->records) {
          if (stored.offset != record.offset || stored.partition != record.partition ||
              stored.origin != record.origin || stored.kind == RecordKind::conflict)
            continue;
          TRY_ASSIGN(same, same_message(stored.body, record.body));
          return false;
        }
        return true;
      };
      TRY(blocks->each(part.log, part.first_seq, end, true, look));
      if (same) return *same;
    }
    return fail(Code::corruption, place + ": the record is not in commit " + std::to_string(entry.commit));
  }
  TRY(it->status());
  return fail(Code::corruption, place + ": no entry holds it");
}

Result<bool> Log::State::known_conflict(const Record& record) {
  const LedgerPartition* p = ledger.find(record.origin, record.partition);
  const Key prefix = offsets_key('c', p->origin_id, p->partition, record.offset);
  const auto it = db->iterate(Cf::offsets);
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    TRY_ASSIGN(const std::uint64_t log, decode_number(it->value()));
    const auto seq = get_be<std::uint64_t>(it->key().data() + offsets_key_size);
    TRY_ASSIGN(const BlockPtr block, blocks->find(static_cast<std::uint16_t>(log), seq, true));
    TRY_ASSIGN(const bool same, same_message(block->records[seq - block->header.first_seq].body, record.body));
    if (same) return true;
  }
  TRY(it->status());
  return false;
}

}  // namespace tidewaiter::store
