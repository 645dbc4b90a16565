#include "store/ledger.hpp"

#include <algorithm>
#include <limits>

#include "core/check.hpp"
#include "store/keys.hpp"

namespace tidewaiter::store {
namespace {

constexpr const char* not_delivered = "not delivered";
constexpr std::uint32_t no_id = std::numeric_limits<std::uint32_t>::max();

Error at_origin(Error error, std::uint32_t id) {
  error.message = "offsets, origin " + std::to_string(id) + ": " + error.message;
  return error;
}

/// What a key of `offsets` or `positions` says.
struct OffsetsKey {
  std::uint32_t origin, partition;
  std::uint64_t offset;
};
OffsetsKey read_offsets_key(std::string_view key) {
  return {get_be<std::uint32_t>(key.data() + 1), get_be<std::uint32_t>(key.data() + 5),
          get_be<std::uint64_t>(key.data() + 9)};
}

/// An entry of either sort.
struct Entry {
  std::uint64_t commit = 0;
  std::vector<IntervalSet::Range> held;
  std::vector<LedgerGap> gaps;
};
Result<void> read_entry(char tag, const OffsetsKey& key, std::string_view value, Entry& out) {
  if (tag == 'h') {
    TRY_ASSIGN(OffsetEntry entry, decode_offset_entry(value));
    out.commit = entry.commit;
    out.held = std::move(entry.ranges);
    return {};
  }
  TRY_ASSIGN(GapEntry entry, decode_gap_entry(value));
  out.commit = entry.commit;
  out.gaps.push_back({key.offset, entry.to, std::move(entry.reason)});
  return {};
}

}  // namespace

Result<void> Ledger::load(const Db& db, const StoreState& state) {
  std::vector<const Origin*> origins;
  for (std::uint32_t id = 0; id < state.origins; ++id) {
    TRY_ASSIGN(const auto bytes, db.get(Cf::meta, origin_key(id)));
    if (!bytes) return at_origin(fail(Code::corruption, "its name is missing in meta"), id);
    auto entry = decode_origin(*bytes);
    if (!entry) return at_origin(std::move(entry).error(), id);
    origins.push_back(intern_origin(entry->cluster, entry->topic_id, entry->topic));
    origin_ids_[origins.back()] = id;
  }
  const auto it = db.iterate(Cf::offsets);
  for (it->seek({}); it->valid(); it->next()) {
    if (it->key().size() < offsets_key_size) return fail(Code::corruption, "offsets: a key is too short");
    const OffsetsKey key = read_offsets_key(it->key());
    const char tag = it->key()[0];
    if (tag != 'h' && tag != 'g') continue;
    Entry entry;
    if (auto read = read_entry(tag, key, it->value(), entry); !read)
      return at_origin(std::move(read).error(), key.origin);
    if (entry.commit > state.commit) continue;
    if (key.origin >= origins.size()) return at_origin(fail(Code::corruption, "it is unknown"), key.origin);
    LedgerPartition& p = place(origins[key.origin], key.partition);
    const bool fresh = entry.commit > state.coverage_commit;
    if (fresh) p.changed_since_coverage = true;
    for (const auto& [from, to] : entry.held) {
      p.held.add(from, to);
      if (fresh) p.since_coverage.add(from, to);
    }
    for (LedgerGap& gap : entry.gaps) p.gaps.push_back(std::move(gap));
  }
  TRY(it->status());
  for (const auto& [at_place, p] : partitions_) {
    p->next = p->held.end();
    for (const LedgerGap& gap : p->gaps) p->next = std::max(p->next, gap.to);
  }
  return {};
}

LedgerPartition& Ledger::place(const Origin* origin, std::uint32_t partition) {
  if (last_ != nullptr && last_->origin == origin && last_->partition == partition) return *last_;
  auto& p = partitions_[{origin, partition}];
  if (!p) {
    p = std::make_unique<LedgerPartition>();
    p->origin = origin;
    p->partition = partition;
    const auto known = origin_ids_.find(origin);
    p->origin_id = known == origin_ids_.end() ? no_id : known->second;
  }
  last_ = p.get();
  return *p;
}

LedgerPartition& Ledger::touch(const Origin* origin, std::uint32_t partition) {
  LedgerPartition& p = place(origin, partition);
  if (!p.touched) {
    p.touched = true;
    touched_.push_back(&p);
  }
  return p;
}

Ledger::Verdict Ledger::arrive(const Origin* origin, std::uint32_t partition, std::uint64_t offset) {
  LedgerPartition& p = place(origin, partition);
  if (offset < p.next && (p.held.contains(offset) || p.fresh.contains(offset))) return Verdict::held;
  touch(origin, partition);
  if (offset > p.next) p.holes.push_back({p.next, offset, not_delivered});
  p.fresh.add(offset, offset + 1);
  if (offset >= p.next) p.next = offset + 1;
  return Verdict::fresh;
}

bool Ledger::is_fresh(const Origin* origin, std::uint32_t partition, std::uint64_t offset) {
  return place(origin, partition).fresh.contains(offset);
}

void Ledger::add_gap(const OffsetGap& gap) {
  if (gap.from >= gap.to) return;
  touch(gap.origin, gap.partition);
  said_.push_back(gap);
}

/// The part of [from, to) that is neither held nor already a gap becomes one.
void Ledger::record_gap(LedgerPartition& p, std::uint64_t from, std::uint64_t to, const std::string& reason,
                        std::vector<LedgerGap>& out) const {
  IntervalSet known;
  for (const auto& [a, b] : p.held.missing(from, to))
    for (const auto& [c, d] : p.fresh.missing(a, b)) known.add(c, d);
  IntervalSet taken;
  for (const auto* gaps : {&p.gaps, &out})
    for (const LedgerGap& gap : *gaps)
      if (gap.from < to && from < gap.to) taken.add(gap.from, gap.to);
  for (const auto& [a, b] : known.ranges())
    for (const auto& [c, d] : taken.missing(a, b)) out.push_back({c, d, reason});
}

void Ledger::write_partition(WriteBatch& batch, LedgerPartition& p, std::uint64_t number) {
  std::vector<LedgerGap> news;
  for (const OffsetGap& gap : said_) {
    if (gap.origin != p.origin || gap.partition != p.partition) continue;
    record_gap(p, gap.from, gap.to, gap.reason, news);
    if (gap.from > p.next) p.holes.push_back({p.next, gap.from, not_delivered});
    p.next = std::max(p.next, gap.to);
  }
  for (const LedgerGap& hole : p.holes) record_gap(p, hole.from, hole.to, hole.reason, news);
  if (!p.fresh.empty()) {
    const OffsetEntry entry{number, p.fresh.ranges()};
    batch.put(Cf::offsets, offsets_key('h', p.origin_id, p.partition, entry.ranges[0].first),
              encode_offset_entry(entry));
    for (const auto& [from, to] : entry.ranges) {
      p.held.add(from, to);
      p.since_coverage.add(from, to);
    }
  }
  for (LedgerGap& gap : news) {
    batch.put(Cf::offsets, offsets_key('g', p.origin_id, p.partition, gap.from),
              encode_gap_entry({number, gap.to, gap.reason}));
    p.gaps.push_back(std::move(gap));
  }
  batch.put(Cf::positions, position_key(p.origin_id, p.partition), encode_number(p.next));
  p.changed_since_coverage = true;
  p.fresh = {};
  p.holes.clear();
  p.touched = false;
}

void Ledger::write(WriteBatch& batch, std::uint64_t number, std::uint32_t& origins) {
  for (LedgerPartition* p : touched_) {
    if (p->origin_id == no_id) {
      const auto [known, added] = origin_ids_.emplace(p->origin, origins);
      if (added) {
        batch.put(Cf::meta, origin_key(origins),
                  encode_origin({p->origin->cluster, p->origin->topic, p->origin->topic_id}));
        ++origins;
      }
      p->origin_id = known->second;
    }
    write_partition(batch, *p, number);
  }
  touched_.clear();
  said_.clear();
}

LedgerPartition* Ledger::find(const Origin* origin, std::uint32_t partition) {
  const auto found = partitions_.find({origin, partition});
  return found == partitions_.end() ? nullptr : found->second.get();
}

const LedgerPartition* Ledger::find(const Origin& origin, std::uint32_t partition) const {
  const auto found = partitions_.find({intern_origin(origin.cluster, origin.topic_id, origin.topic), partition});
  return found == partitions_.end() ? nullptr : found->second.get();
}

std::vector<const LedgerPartition*> Ledger::all() const {
  std::vector<const LedgerPartition*> out;
  for (const auto& [place, p] : partitions_)
    if (p->origin_id != no_id) out.push_back(p.get());
  std::sort(out.begin(), out.end(), [](const LedgerPartition* a, const LedgerPartition* b) {
    return std::pair(a->origin_id, a->partition) < std::pair(b->origin_id, b->partition);
  });
  return out;
}

std::vector<Position> Ledger::positions() const {
  std::vector<Position> out;
  for (const LedgerPartition* p : all())
    out.push_back({p->origin->cluster, p->origin->topic_id, p->origin->topic, p->partition, p->next});
  return out;
}

std::vector<LedgerGap> Ledger::open_gaps(const LedgerPartition& p) {
  std::vector<LedgerGap> out;
  for (const LedgerGap& gap : p.gaps)
    for (const auto& [from, to] : p.held.missing(gap.from, gap.to)) out.push_back({from, to, gap.reason});
  std::sort(out.begin(), out.end(), [](const LedgerGap& a, const LedgerGap& b) { return a.from < b.from; });
  return out;
}

void Ledger::coverage_written() {
  for (const auto& [place, p] : partitions_) {
    p->since_coverage = {};
    p->changed_since_coverage = false;
    p->gaps_covered = p->gaps.size();
  }
}

}  // namespace tidewaiter::store
