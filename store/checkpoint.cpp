// Publishing heads, in the order of semantics 21: coverage record, alone in its commit and synced; heads signed at
// exactly the sizes it names, control's just after it; kept in `heads`; then the files.

#include <nlohmann/json.hpp>

#include "core/failpoint.hpp"
#include "core/text.hpp"
#include "store/head_files.hpp"
#include "store/log_state.hpp"
#include "store/tree_reader.hpp"

namespace tidewaiter::store {
namespace {

/// A partition with more ranges than this is covered by what came since the last coverage record.
constexpr std::size_t full_ranges_max = 64;
constexpr std::size_t heads_kept_all = 1000;
constexpr std::int64_t hour_ns = 3'600'000'000'000;

nlohmann::json ranges_json(const IntervalSet& set) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [from, to] : set.ranges()) list.push_back({from, to});
  return list;
}

nlohmann::json partition_json(const LedgerPartition& p) {
  const bool full = p.held.range_count() <= full_ranges_max;
  nlohmann::json gaps = nlohmann::json::array();
  if (full) {
    for (const LedgerGap& gap : Ledger::open_gaps(p)) gaps.push_back({gap.from, gap.to, gap.reason});
  } else {
    for (std::size_t i = p.gaps_covered; i < p.gaps.size(); ++i)
      gaps.push_back({p.gaps[i].from, p.gaps[i].to, p.gaps[i].reason});
  }
  return {{"cluster", p.origin->cluster},
          {"topic", p.origin->topic},
          {"topic_id", to_hex({reinterpret_cast<const char*>(p.origin->topic_id.data()), p.origin->topic_id.size()})},
          {"partition", p.partition},
          {"full", full},
          {"held", ranges_json(full ? p.held : p.since_coverage)},
          {"gaps", gaps}};
}

nlohmann::json log_json(const LogState& log, Sha256& sha) {
  return {{"log", log.info.name},
          {"log_id", log.info.id},
          {"size", log.tree.size},
          {"root", to_hex(as_view(log.tree.root(sha)))},
          {"columns", to_hex(as_view(log.columns))}};
}

std::string coverage_record(const StoreState& state, const Ledger& ledger, Sha256& sha) {
  nlohmann::json partitions = nlohmann::json::array();
  for (const LedgerPartition* p : ledger.all())
    if (p->changed_since_coverage || state.coverage_commit == 0) partitions.push_back(partition_json(*p));
  nlohmann::json logs = nlohmann::json::array();
  for (const LogState& log : state.logs)
    if (log.info.id != own_log::control) logs.push_back(log_json(log, sha));
  return nlohmann::json{{"type", "coverage"},
                        {"commit", state.commit},
                        {"since", state.coverage_commit},
                        {"partitions", partitions},
                        {"logs", logs},
                        {"control_before", log_json(state.logs[own_log::control], sha)}}
      .dump();
}

/// Every one of the newest, then one an hour.
Result<void> thin_heads(const Db& db, WriteBatch& batch, std::uint16_t log) {
  const Key prefix = Key().num(log);
  const auto it = db.iterate(Cf::heads);
  std::size_t seen = 0;
  std::int64_t kept_hour = -1;
  for (it->seek_for_prev(head_key(log, ~0u, ~std::uint64_t{0})); it->valid() && it->key().starts_with(prefix);
       it->prev()) {
    if (++seen <= heads_kept_all) continue;
    TRY_ASSIGN(const Head head, decode_head(it->value()));
    if (head.time_ns / hour_ns == kept_hour) batch.remove(Cf::heads, it->key());
    kept_hour = head.time_ns / hour_ns;
  }
  return it->status();
}

}  // namespace

std::string Log::State::origin_of(const LogInfo& log) const {
  return options.origin + "/" + state.store_id + "/" + std::to_string(state.generation) + "/" + log.name;
}

/// The newest head of each log in this generation, control's last; empty before the first one.
Result<std::vector<Head>> Log::State::load_newest_heads() {
  std::vector<Head> heads;
  for (std::size_t i = 1; i <= state.logs.size(); ++i) {
    const auto id = static_cast<std::uint16_t>(i % state.logs.size());
    const auto it = db->iterate(Cf::heads);
    it->seek_for_prev(head_key(id, state.generation, ~std::uint64_t{0}));
    TRY(it->status());
    if (!it->valid() || !it->key().starts_with(Key().num(id).num(state.generation))) continue;
    TRY_ASSIGN(Head head, decode_head(it->value()));
    heads.push_back(std::move(head));
  }
  return heads;
}

/// Signs the tree as it is now, once it is shown to extend the newest head.
Result<Head> Log::State::make_head(const LogState& log, std::int64_t time_ns) {
  Head head;
  head.log = log.info.id;
  head.size = log.tree.size;
  head.root = log.tree.root(sha);
  head.time_ns = time_ns;
  for (const Head& last : newest_heads) {
    if (last.log != head.log) continue;
    if (last.size == head.size && last.root == head.root) return last;
    TreeReader tree(*db, *blocks, state.store_id, head.log, head.size);
    auto proof = consistency_proof(last.size, head.size, tree.fetch());
    if (!proof) return std::move(proof).error();
    if (!verify_consistency(last.size, last.root, head.size, head.root, *proof))
      return fail(Code::conflict, "log " + log.info.name + ": its tree of size " + std::to_string(head.size) +
                                      " does not extend the head published at " + std::to_string(last.size));
  }
  const std::string origin = origin_of(log.info);
  head.note = signing_key ? sign_checkpoint(origin, head.size, head.root, *signing_key)
                          : checkpoint_text(origin, head.size, head.root);
  return head;
}

Result<void> Log::State::write_head_files(const std::vector<Head>& heads) const {
  std::vector<NamedHead> named;
  for (const Head& head : heads) {
    const std::string& name = infos[head.log].name;
    named.push_back({name, head.note});
    TRY(replace_file(checkpoint_file(options.directory, name), head.note));
  }
  failpoint(Failpoint::head_file_outside);
  if (options.head_file.empty()) return {};
  return replace_file(options.head_file, encode_head_file(state.store_id, state.generation, named));
}

void Log::State::try_head_files() {
  auto written = write_head_files(newest_heads);
  head_files_written = written.has_value();
  head_files_error.reset();
  if (!written) head_files_error = std::move(written).error();
}

Result<std::vector<Head>> Log::State::publish() {
  if (failed) return failed_error();
  const bool nothing_new = state.coverage_commit == state.commit && !newest_heads.empty() &&
                           newest_heads.back().size == state.logs[own_log::control].tree.size;
  if (nothing_new) {
    if (!head_files_written) try_head_files();  // a crash may have come before them
    return newest_heads;
  }
  head_files_written = false;
  failpoint(Failpoint::checkpoint_before_coverage);
  const std::string record = coverage_record(state, ledger, sha);
  state.coverage_commit = state.commit + 1;
  for (LogState& log : state.logs) log.columns = {};
  ledger.coverage_written();
  TRY(commit_control(record));
  failpoint(Failpoint::checkpoint_before_sign);
  TRY(sign_heads());
  try_head_files();
  failpoint(Failpoint::checkpoint_after_files);
  return newest_heads;
}

/// Heads of what the newest commit, a coverage record, names. In the store alone.
Result<void> Log::State::sign_heads() {
  TRY_ASSIGN(const auto bytes, db->get(Cf::commits, commit_key(state.commit)));
  if (!bytes) return fail(Code::corruption, "commit " + std::to_string(state.commit) + " is missing");
  TRY_ASSIGN(const CommitEntry entry, decode_commit_entry(*bytes));
  std::vector<Head> heads;
  for (std::size_t i = 1; i <= state.logs.size(); ++i) {
    TRY_ASSIGN(Head head, make_head(state.logs[i % state.logs.size()], entry.time_ns));
    batch->put(Cf::heads, head_key(head.log, state.generation, head.size), encode_head(head));
    heads.push_back(std::move(head));
  }
  if (++publications % 256 == 0)
    for (const LogState& log : state.logs) TRY(thin_heads(*db, *batch, log.info.id));
  failpoint(Failpoint::checkpoint_before_store);
  TRY(write_batch(true));
  failpoint(Failpoint::checkpoint_after_store);
  newest_heads = std::move(heads);
  return {};
}

bool Log::State::head_files_are_newest() const {
  std::vector<NamedHead> named;
  for (const Head& head : newest_heads) {
    named.push_back({infos[head.log].name, head.note});
    if (!holds_content(checkpoint_file(options.directory, named.back().log), head.note)) return false;
  }
  return options.head_file.empty() ||
         holds_content(options.head_file, encode_head_file(state.store_id, state.generation, named));
}

/// A crash may come between a coverage record and its heads, or between these and their files: before anything else is
/// stored, and before followers pass the record, both are there.
Result<void> Log::State::finish_checkpoint() {
  const bool unsigned_record =
      state.coverage_commit == state.commit &&
      (newest_heads.empty() || newest_heads.back().size != state.logs[own_log::control].tree.size);
  if (unsigned_record) TRY(sign_heads());
  if (newest_heads.empty()) return {};
  head_files_written = head_files_are_newest();
  if (!head_files_written) try_head_files();
  return {};
}

}  // namespace tidewaiter::store
