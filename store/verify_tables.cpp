// The tables beside the logs, compared with what the walks have counted from the records.
#include <algorithm>

#include "core/text.hpp"
#include "store/intervals.hpp"
#include "store/keys.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {

namespace {

std::string partition_name(const Origin& origin, std::uint32_t partition) {
  return origin.topic + " partition " + std::to_string(partition);
}

/// What the table of offsets says of one partition.
struct PartitionSaid {
  IntervalSet held, covered;  // covered: of commits before the newest coverage record
  std::uint64_t commit_sum = 0, count = 0, next = 0;
  std::vector<std::tuple<std::uint64_t, std::uint64_t, std::string>> gaps;  // of commits before it, too
};
using Said = std::map<std::pair<const Origin*, std::uint32_t>, PartitionSaid>;

Result<std::vector<const Origin*>> read_origins(VerifyContext& context) {
  std::vector<const Origin*> origins;
  for (std::uint32_t id = 0; id < context.state.origins; ++id) {
    TRY_ASSIGN(const auto bytes, context.db.get(Cf::meta, origin_key(id)));
    const auto entry = bytes ? decode_origin(*bytes) : Result<OriginEntry>(fail(Code::corruption, "missing"));
    if (!entry) {
      context.find("meta", "the name of origin " + std::to_string(id) + " is missing or cannot be read");
      context.whole = false;
    }
    origins.push_back(entry ? intern_origin(entry->cluster, entry->topic_id, entry->topic) : nullptr);
  }
  return origins;
}

void read_held(VerifyContext& context, const Origin& origin, std::uint32_t partition, Iterator& it, PartitionSaid& said) {
  const auto entry = decode_offset_entry(it.value());
  const std::string name = partition_name(origin, partition);
  if (!entry) return context.find("offsets", name + ": " + entry.error().message);
  if (entry->commit > context.state.commit)
    return context.find("offsets", name + ": an entry names commit " + std::to_string(entry->commit) + ", which does not exist");
  if (get_be<std::uint64_t>(it.key().data() + 9) != entry->ranges.front().first)
    context.find("offsets", name + ": an entry does not begin where its key says");
  for (const auto& [from, to] : entry->ranges) {
    if (to - from > (std::uint64_t{1} << 26)) return context.find("offsets", name + ": an entry is too long to be true");
    said.held.add(from, to);
    if (entry->commit <= context.coverage_commit) said.covered.add(from, to);
    said.count += to - from;
    for (std::uint64_t offset = from; offset < to; ++offset) said.commit_sum += mix_offset_commit(offset, entry->commit);
  }
  said.next = std::max(said.next, said.held.end());
}

void read_gap(VerifyContext& context, const Origin& origin, std::uint32_t partition, Iterator& it, PartitionSaid& said) {
  const auto entry = decode_gap_entry(it.value());
  const auto from = get_be<std::uint64_t>(it.key().data() + 9);
  const std::string name = partition_name(origin, partition);
  if (!entry) return context.find("offsets", name + ": " + entry.error().message);
  if (entry->to <= from || entry->commit > context.state.commit)
    return context.find("offsets", name + ": the gap at " + std::to_string(from) + " has an impossible end or commit");
  said.next = std::max(said.next, entry->to);
  if (entry->commit <= context.coverage_commit) said.gaps.emplace_back(from, entry->to, entry->reason);
}

void read_conflict(VerifyContext& context, const Origin& origin, std::uint32_t partition, Iterator& it,
                   std::set<ConflictSeen>& said) {
  const auto log = decode_number(it.value());
  if (it.key().size() != offsets_key_size + 8 || !log || *log >= context.state.logs.size())
    return context.find("offsets", partition_name(origin, partition) + ": a conflict entry cannot be read");
  said.insert({&origin, partition, get_be<std::uint64_t>(it.key().data() + 9),
               get_be<std::uint64_t>(it.key().data() + offsets_key_size), static_cast<std::uint16_t>(*log)});
}

Result<Said> read_offsets(VerifyContext& context, const std::vector<const Origin*>& origins) {
  Said said;
  std::set<ConflictSeen> conflicts;
  const auto it = context.db.iterate(Cf::offsets);
  for (it->seek({}); it->valid() && !context.full(); it->next()) {
    const std::string_view key = it->key();
    const auto id = key.size() < offsets_key_size ? ~std::uint32_t{0} : get_be<std::uint32_t>(key.data() + 1);
    if (id >= origins.size() || !origins[id]) {
      context.find("offsets", "an entry names an origin that does not exist");
      continue;
    }
    const auto partition = get_be<std::uint32_t>(key.data() + 5);
    const Origin& origin = *origins[id];
    if (key[0] == 'h') read_held(context, origin, partition, *it, said[{&origin, partition}]);
    else if (key[0] == 'g') read_gap(context, origin, partition, *it, said[{&origin, partition}]);
    else if (key[0] == 'c') read_conflict(context, origin, partition, *it, conflicts);
    else context.find("offsets", "an entry is of no known kind");
  }
  TRY(it->status());
  if (conflicts != context.conflicts) context.find("offsets", "the list of conflicts is not that of the conflict records");
  return said;
}

std::string first_difference(const std::vector<IntervalSet::Range>& a, const std::vector<IntervalSet::Range>& b) {
  std::uint64_t at = ~std::uint64_t{0};
  const std::size_t common = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < common && a[i] == b[i]) ++i;
  for (const auto* ranges : {&a, &b}) {
    if (i >= ranges->size()) continue;
    const auto* other = ranges == &a ? &b : &a;
    const auto& range = (*ranges)[i];
    at = std::min(at, i < other->size() && (*other)[i].first == range.first ? std::min(range.second, (*other)[i].second)
                                                                            : range.first);
  }
  return std::to_string(at);
}

void compare_offsets(VerifyContext& context, const Said& said) {
  for (const auto& [place, seen] : context.partitions) {
    const auto found = said.find(place);
    const std::string name = partition_name(*place.first, place.second);
    if (found == said.end()) {
      context.find("offsets", name + ": records are stored, and the table holds no offset of it");
      continue;
    }
    const auto real = seen.held.ranges();
    const auto table = found->second.held.ranges();
    if (real != table)
      context.find("offsets", name + ": the table and the records differ from offset " + first_difference(real, table) + " on");
    else if (found->second.count != seen.held.count())
      context.find("offsets", name + ": entries of the table overlap");
    else if (found->second.commit_sum != seen.commit_sum)
      context.find("offsets", name + ": an entry names another commit than the one that holds its records");
  }
  for (const auto& [place, entry] : said) {
    const auto named = context.covered.find(place);
    const auto ranges = named == context.covered.end() ? std::vector<IntervalSet::Range>() : named->second.ranges();
    if (ranges != entry.covered.ranges())
      context.find("coverage", partition_name(*place.first, place.second) +
                                   ": the coverage records and the records differ from offset " +
                                   first_difference(ranges, entry.covered.ranges()) + " on");
  }
  for (const auto& [place, gaps] : context.covered_gaps) {
    const auto found = said.find(place);
    if (!gaps || found == said.end()) continue;
    VerifyContext::Gaps open;
    for (const auto& [from, to, reason] : found->second.gaps)
      for (const auto& [a, b] : found->second.covered.missing(from, to)) open.emplace(a, b, reason);
    if (open != *gaps)
      context.find("offsets", partition_name(*place.first, place.second) +
                                  ": the gaps in the table are not those that the coverage record names");
  }
  for (const auto& [place, ranges] : context.covered)
    if (!said.contains(place))
      context.find("coverage", partition_name(*place.first, place.second) +
                                   ": coverage records name offsets of which no record is stored");
  for (const auto& [place, entry] : said)
    if (!entry.held.empty() && !context.partitions.contains(place))
      context.find("offsets", partition_name(*place.first, place.second) + ": the table holds offsets of which no record is stored");
}

Result<void> check_positions(VerifyContext& context, const std::vector<const Origin*>& origins, const Said& said) {
  std::size_t found = 0;
  const auto it = context.db.iterate(Cf::positions);
  for (it->seek({}); it->valid(); it->next()) {
    const auto id = it->key().size() == 8 ? get_be<std::uint32_t>(it->key().data()) : ~std::uint32_t{0};
    const auto next = decode_number(it->value());
    if (id >= origins.size() || !origins[id] || !next) {
      context.find("positions", "a position cannot be read");
      continue;
    }
    const auto partition = get_be<std::uint32_t>(it->key().data() + 4);
    const auto entry = said.find({origins[id], partition});
    ++found;
    if (entry == said.end() || entry->second.next != *next)
      context.find("positions", partition_name(*origins[id], partition) + ": it goes on at " + std::to_string(*next) +
                                    ", but what is held and said never to come ends at " +
                                    std::to_string(entry == said.end() ? 0 : entry->second.next));
  }
  TRY(it->status());
  if (found != said.size()) context.find("positions", "a partition with offsets has no position");
  return {};
}

void compare_counts(VerifyContext& context, const char* what, const std::map<std::string, std::uint64_t>& stored,
                    const std::map<std::string, std::uint64_t>& counted) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> both;
  for (const auto& [name, n] : stored) both[name].first = n;
  for (const auto& [name, n] : counted) both[name].second = n;
  for (const auto& [name, n] : both)
    if (n.first != n.second)
      context.find("meta", std::string("the counter of ") + what + " '" + name + "' says " + std::to_string(n.first) +
                               ", the records are " + std::to_string(n.second));
}

void check_counters(VerifyContext& context) {
  const Counters& stored = context.state.counters;
  compare_counts(context, "records of kind", stored.records_by_kind, context.counters.records_by_kind);
  compare_counts(context, "rejects for", stored.rejects_by_reason, context.counters.rejects_by_reason);
  if (stored.events != context.counters.events)
    context.find("meta", "the counter of events says " + std::to_string(stored.events) + ", the records hold " +
                             std::to_string(context.counters.events));
  std::uint64_t sources = stored.duplicates;
  for (const char* kind : {"event", "unmapped", "reject", "tombstone", "conflict"})
    if (const auto n = context.counters.records_by_kind.find(kind); n != context.counters.records_by_kind.end())
      sources += n->second;
  if (stored.read != sources)
    context.find("meta", "read " + std::to_string(stored.read) + " is not stored + duplicates, which is " + std::to_string(sources));
}

/// Every announced salt key is there and is the one announced; no other is.
Result<void> check_salt_keys(VerifyContext& context) {
  auto missing = context.announced_keys;
  const auto it = context.db.iterate(Cf::keys);
  for (it->seek({}); it->valid(); it->next()) {
    const auto value = decode_bytes(it->value());
    if (it->key().size() != 10 || !value) {
      context.find("keys", "a salt key cannot be read");
      continue;
    }
    const auto log = get_be<std::uint16_t>(it->key().data());
    const auto unit = get_be<std::uint64_t>(it->key().data() + 2);
    const auto announced = missing.find({log, unit});
    if (log >= context.state.logs.size() || announced == missing.end())
      context.find("keys", "there is a salt key that no control record announces");
    else if (announced->second != sha256(*value))
      context.find(context.state.logs[log], unit, unit, "keys", "the salt key is not the one that its control record announces");
    if (announced != missing.end()) missing.erase(announced);
  }
  TRY(it->status());
  for (const auto& [place, hash] : missing)
    context.find(context.state.logs[place.first], place.second, place.second, "keys",
                 "the salt key of these records is missing, and no record says why");
  return {};
}

}  // namespace

std::uint64_t mix_offset_commit(std::uint64_t offset, std::uint64_t commit) {
  std::uint64_t x = offset * 0x9e3779b97f4a7c15u ^ (commit + 0x632be59bd9b4e019u) * 0xd6e8feb86659fd93u;
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  return x ^ x >> 29;
}

Result<void> check_commits(VerifyContext& context) {
  std::uint64_t next = 1;
  const auto it = context.db.iterate(Cf::commits);
  for (it->seek(commit_key(0)); it->valid() && !context.full(); it->next()) {
    const auto number = it->key().size() == 8 ? get_be<std::uint64_t>(it->key().data()) : 0;
    if (number > context.state.commit) {
      context.find("commits", "there is an entry of commit " + std::to_string(number) + ", which the state does not know");
      break;
    }
    if (number != next) {
      context.find("commits", "the entry after commit " + std::to_string(next - 1) + " is that of commit " + std::to_string(number));
      next = number;
    }
    if (const auto entry = decode_commit_entry(it->value()); !entry)
      context.find("commits", "commit " + std::to_string(number) + ": " + entry.error().message);
    ++next;
  }
  TRY(it->status());
  if (next != context.state.commit + 1 && !context.full())
    context.find("commits", "the last entry is that of commit " + std::to_string(next - 1) + ", and the state names " +
                                std::to_string(context.state.commit));
  return {};
}

/// What the state says of the store as a whole, against the control records that say it too.
void check_state(VerifyContext& context) {
  const StoreState& state = context.state;
  if (state.segment_records != context.announced_segment_records)
    context.find("meta", "the state names another size of segments than the record of the store's creation");
  if (state.coverage_commit != context.coverage_commit)
    context.find("meta", "the newest coverage record is in commit " + std::to_string(context.coverage_commit) +
                             ", and the state names " + std::to_string(state.coverage_commit));
  // A crash may come between a coverage record and its heads, but they are the first thing signed after it.
  const auto& control = context.expected[0];
  const bool headless = std::none_of(control.begin(), control.end(), [](const Expected& e) { return e.is_head; });
  if (context.coverages >= 2 && headless)
    context.find(state.logs[0], 0, 0, "heads", "there are coverage records and no head: the heads were taken away");
  std::map<std::uint16_t, std::uint64_t> newest_unit;
  for (const auto& [place, hash] : context.announced_keys) newest_unit[place.first] = place.second;
  for (const LogState& log : state.logs) {
    const auto announced = context.announced_logs.find(log.info.id);
    if (announced != context.announced_logs.end() &&
        announced->second != std::pair(log.info.name, std::uint64_t{log.info.retention_days}))
      context.find(log, 0, 0, "meta", "the state gives this log another name or retention than its control record");
    const auto unit = newest_unit.find(log.info.id);
    if (log.unit != no_unit && (unit == newest_unit.end() || unit->second != log.unit))
      context.find(log, 0, 0, "meta", "the state names another newest salt key than the control records");
  }
}

Result<void> check_tables(VerifyContext& context) {
  TRY_ASSIGN(const std::vector<const Origin*> origins, read_origins(context));
  if (!context.whole) return {};
  TRY_ASSIGN(const Said said, read_offsets(context, origins));
  compare_offsets(context, said);
  TRY(check_positions(context, origins, said));
  check_counters(context);
  check_state(context);
  return check_salt_keys(context);
}

}  // namespace tidewaiter::store
