// One pass over a log. Blocks are taken in windows: the costly part of each (decompression, hashing of leaves) runs on
// several threads, then the window is merged in order on the caller's.
#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <new>
#include <thread>

#include "core/text.hpp"
#include "store/block.hpp"
#include "store/keys.hpp"
#include "store/sha256_lanes.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {

namespace {

constexpr std::size_t window_blocks = 48;
constexpr std::size_t window_bytes_max = 32u << 20;
constexpr std::uint64_t progress_records = 100'000;

/// What the columns repeat of a body. False when the body is not in its form.
bool read_repeated(std::string_view body, std::int64_t& kafka_time_ms, std::int64_t& receive_time_ns, bool& value_null) {
  const auto skip = [&body] {
    if (body.size() < 4) return false;
    const auto size = get_be<std::uint32_t>(body.data());
    body.remove_prefix(4);
    if (size == 0xffffffff) return true;
    if (body.size() < size) return false;
    body.remove_prefix(size);
    return true;
  };
  if (!skip() || body.size() < 4) return false;
  const auto headers = get_be<std::uint32_t>(body.data());
  body.remove_prefix(4);
  for (std::uint32_t i = 0; i < headers; ++i)
    if (!skip() || !skip()) return false;
  if (body.size() < 20) return false;
  value_null = get_be<std::uint32_t>(body.data() + 16) == 0xffffffff;
  kafka_time_ms = get_be<std::int64_t>(body.data());
  receive_time_ns = get_be<std::int64_t>(body.data() + 8);
  return true;
}

struct Job {
  std::string cols, raw;
  BlockHeader header;
  std::optional<Block> block;
  std::vector<Hash> leaves;
  const char* place = "";
  std::string wrong;  // "" = the block decodes and hashes
};

/// Leaves of a whole block, many hashes at a time.
void hash_leaves(const Block& block, std::string_view store_id, std::string_view salts, std::vector<Hash>& leaves) {
  const std::size_t count = block.records.size();
  leaves.resize(count);
  std::vector<Hash> commitments(count);
  std::vector<HashJob> jobs(count);
  for (std::size_t i = 0; i < count; ++i)
    jobs[i] = {salts.substr(i * salt_size, salt_size), block.records[i].body, &commitments[i]};
  hash_all(jobs);
  std::string bytes(count * leaf_size_max, '\0');
  TopicId own_topic;
  for (std::size_t i = 0; i < count; ++i) {
    char* leaf = bytes.data() + i * leaf_size_max;
    const std::size_t size = write_leaf(coordinates(block.records[i], store_id, own_topic), commitments[i], leaf);
    jobs[i] = {std::string_view("\0", 1), {leaf, size}, &leaves[i]};
  }
  hash_all(jobs);
}

class Walk {
 public:
  Walk(VerifyContext& context, std::uint16_t log)
      : context_(context), log_(context.state.logs[log]), id_(log), tree_(context.start[log]),
        index_(context, log), commits_(context.db.iterate(Cf::commits)) {}

  Result<Frontier> run();

 private:
  Result<void> load_keys();
  void begin_inside(Iterator& cols);
  Result<void> fill(std::vector<Job>& jobs, Iterator& cols, Iterator& raw);
  void process(std::vector<Job>& jobs) const;
  void process(Job& job) const;
  std::string repeated_wrong(const Block& block) const;
  void merge(const Job& job);
  void merge_record(const Block& block, std::size_t i, const Hash& leaf);
  void count(const Record& record, std::uint64_t commit);
  void check_roots();
  void check_own_coverage(const Expected& expected);
  void root_differs(const Expected& expected);
  bool entry_agrees(std::uint64_t number, std::uint64_t records);
  void end_commit();
  void check_columns_before(std::uint64_t commit);
  void check_end();
  void stop(std::uint64_t from, std::uint64_t to, const char* place, std::string what);

  VerifyContext& context_;
  const LogState& log_;
  const std::uint16_t id_;
  Sha256 sha_;
  Frontier tree_;
  IndexCheck index_;
  std::map<std::uint64_t, SaltKey> keys_;  // by unit
  std::uint64_t next_in_window_ = 0;       // first seq of the next block to be read
  std::size_t next_expected_ = 0;
  std::uint64_t good_size_ = 0;
  std::int64_t good_time_ns_ = 0;
  bool root_wrong_ = false, stopped_ = false;

  std::unique_ptr<Iterator> commits_;
  std::uint64_t commit_ = 0, commit_first_ = 0, last_ordinal_ = 0;  // of the commit being walked; 0 = none
  std::int64_t commit_time_ns_ = 0;
  ColumnDigest digest_;
  std::vector<HashJob> jobs_;
  std::vector<Hash> runs_;
  Hash chain_{};
  std::size_t next_columns_ = 0;
  std::uint64_t columns_from_ = 0;  // where the chain began
  bool digest_known_ = true;  // false from the middle of a chain on
};

Result<void> Walk::load_keys() {
  const auto it = context_.db.iterate(Cf::keys);
  for (it->seek(salt_key_key(id_, 0)); it->valid(); it->next()) {
    if (it->key().size() != 10 || get_be<std::uint16_t>(it->key().data()) != id_) break;
    const auto value = decode_bytes(it->value());
    if (!value || value->size() != salt_size) continue;  // the table of keys is checked by itself
    std::copy(value->begin(), value->end(), keys_[get_be<std::uint64_t>(it->key().data() + 2)].begin());
  }
  return it->status();
}

void Walk::stop(std::uint64_t from, std::uint64_t to, const char* place, std::string what) {
  if (!stopped_) context_.find(log_, from, to, place, std::move(what));
  stopped_ = true;
  context_.whole = false;
  if (id_ == 0) context_.columns_known = false;
}

/// A walk that does not begin at 0 may begin inside a block, which is then read from its start.
void Walk::begin_inside(Iterator& cols) {
  cols.seek_for_prev(cols_key(id_, next_in_window_, 0));
  if (cols.valid() && cols.key().size() == cols_key_size && get_be<std::uint16_t>(cols.key().data()) == id_)
    next_in_window_ = get_be<std::uint64_t>(cols.key().data() + 2);
  cols.seek(cols_key(id_, next_in_window_));
}

/// Takes the next blocks out of the two tables, which must list the same ones.
Result<void> Walk::fill(std::vector<Job>& jobs, Iterator& cols, Iterator& raw) {
  jobs.clear();
  std::size_t bytes = 0;
  for (; jobs.size() < window_blocks && bytes < window_bytes_max && next_in_window_ < log_.tree.size; cols.next()) {
    const std::uint64_t seq = next_in_window_;
    if (!cols.valid() || cols.key().size() != cols_key_size || get_be<std::uint16_t>(cols.key().data()) != id_) {
      TRY(cols.status());
      return stop(seq, log_.tree.size, "cols", "no block holds these records"), Result<void>();
    }
    if (cols.key().back() != 0) continue;  // a later version of the columns
    const auto first = get_be<std::uint64_t>(cols.key().data() + 2);
    Job job;
    job.cols = cols.value();
    auto header = read_block_header(job.cols);
    if (!header) return stop(seq, seq, "cols", header.error().message), Result<void>();
    job.header = *header;
    if (first != seq || header->first_seq != first || header->log != id_ || header->records == 0)
      return stop(seq, first, "cols", "the block found here says that it starts at " + std::to_string(header->first_seq) +
                                          " of log " + std::to_string(header->log)),
             Result<void>();
    if (!raw.valid() || raw.key() != std::string_view(raw_key(id_, first))) {
      TRY(raw.status());
      return stop(seq, seq + header->records, "raw", "the bodies of these records are missing, and no record says why"),
             Result<void>();
    }
    job.raw = raw.value();
    raw.next();
    next_in_window_ = seq + header->records;
    bytes += job.cols.size() + header->body_bytes;
    jobs.push_back(std::move(job));
  }
  return {};
}

std::string Walk::repeated_wrong(const Block& block) const {
  for (const Record& record : block.records) {
    std::int64_t kafka = 0, received = 0;
    bool value_null = false;
    if (!read_repeated(record.body, kafka, received, value_null)) return "the body of " + std::to_string(record.seq) + " is not in its form";
    if (kafka != record.kafka_time_ms || received != record.receive_time_ns || value_null != record.value_null)
      return "what the columns of " + std::to_string(record.seq) + " repeat of its body is not what the body says";
  }
  return {};
}

}  // namespace

bool header_agrees(const BlockHeader& header, const Block& block) {
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t min_time = Limits::max(), max_time = Limits::min();
  std::int64_t min_receive = Limits::max(), max_receive = Limits::min();
  std::uint64_t body_bytes = 0;
  for (const Event& event : block.events) {
    if (!event.has(Num::time)) continue;
    min_time = std::min(min_time, event.time_ns());
    max_time = std::max(max_time, event.time_ns());
  }
  for (const Record& record : block.records) {
    min_receive = std::min(min_receive, record.receive_time_ns);
    max_receive = std::max(max_receive, record.receive_time_ns);
    body_bytes += record.body.size();
  }
  return header.min_time_ns == min_time && header.max_time_ns == max_time && header.min_receive_ns == min_receive && header.max_receive_ns == max_receive &&
         header.body_bytes == body_bytes && header.first_commit == block.commits.front() &&
         header.last_commit == block.commits.back();
}

namespace {

void Walk::process(Job& job) const {
  const auto wrong = [&](const char* place, std::string what) {
    job.place = place;
    job.wrong = std::move(what);
  };
  auto block = read_block(job.cols);
  if (!block) return wrong("cols", block.error().message);
  const BlockHeader& header = job.header;
  if (block->records.size() != header.records || block->commits.size() != header.records ||
      block->events.size() != header.events)
    return wrong("cols", "the block's header and columns differ in length");
  for (std::size_t i = 0; i < block->records.size(); ++i)
    if (block->records[i].seq != header.first_seq + i || block->records[i].log != id_ ||
        block->commits[i] < header.first_commit || block->commits[i] > header.last_commit)
      return wrong("cols", "the block's header and columns name other records");
  if (auto attached = attach_bodies(*block, job.raw); !attached) return wrong("raw", attached.error().message);
  if (!header_agrees(header, *block)) return wrong("cols", "the block's header names other times, sizes or commits than its columns");
  const auto key = keys_.find(header.unit);
  if (key == keys_.end())
    return wrong("keys", "the salt key of these records is missing, and no record says why");
  std::string salts(block->records.size() * salt_size, '\0');
  make_salts(key->second, id_, header.first_seq, block->records.size(), salts.data());
  hash_leaves(*block, context_.state.store_id, salts, job.leaves);
  if (std::string what = repeated_wrong(*block); !what.empty()) return wrong("cols", std::move(what));
  job.block = std::move(*block);
}

void Walk::process(std::vector<Job>& jobs) const {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next.fetch_add(1); i < jobs.size(); i = next.fetch_add(1)) {
      try {
        process(jobs[i]);
      } catch (const std::bad_alloc&) {  // forged columns can claim more than any machine has
        jobs[i].place = "cols";
        jobs[i].wrong = "the block asks for more memory than there is";
      }
    }
  };
  std::vector<std::thread> helpers;
  const std::size_t threads = std::min<std::size_t>(context_.request.threads, jobs.size());
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}

void Walk::root_differs(const Expected& expected) {
  if (root_wrong_ && !expected.kept_elsewhere) return;  // every later root follows from the first wrong one
  root_wrong_ = true;
  Finding finding;
  finding.log = log_.info.name;
  finding.from_seq = good_size_;
  finding.to_seq = expected.size;
  finding.from_ns = good_time_ns_;
  finding.to_ns = expected.time_ns;
  finding.place = "tree";
  finding.what = "the records from " + std::to_string(good_size_) + " to " + std::to_string(expected.size - 1) +
                 " are not those that " + expected.source + " names: at least one of them was changed, added or taken away";
  if (good_time_ns_ && expected.time_ns)
    finding.what += " between " + format_rfc3339(good_time_ns_) + " and " + format_rfc3339(expected.time_ns) +
                    " of the log's time, or later";
  context_.find(std::move(finding));
}

void Walk::check_roots() {
  const auto& all = context_.expected[id_];
  for (; next_expected_ < all.size() && all[next_expected_].size <= tree_.size; ++next_expected_) {
    const Expected& expected = all[next_expected_];
    if (expected.size < tree_.size) continue;  // below where this walk began
    if (tree_.root(sha_) != expected.root) {
      root_differs(expected);
      continue;
    }
    if (root_wrong_) continue;
    good_size_ = expected.size;
    if (expected.time_ns) good_time_ns_ = expected.time_ns;
    if (!expected.is_head) continue;
    VerifiedLog& shown = context_.report.logs[id_];
    ++shown.heads;
    shown.covered = expected.size;
    shown.head_time_ns = expected.time_ns;
  }
}

void Walk::check_own_coverage(const Expected& expected) {
  if (expected.size != tree_.size)
    context_.find(log_, tree_.size, tree_.size + 1, "coverage",
                  expected.source + " names a size of its own log that is not its place");
  else if (tree_.root(sha_) != expected.root)
    root_differs(expected);
}

void Walk::check_columns_before(std::uint64_t commit) {
  const auto& all = context_.columns[id_];
  const bool first_call = commit_ == 0 && tree_.size == context_.start[id_].size && tree_.size > 0;
  for (; next_columns_ < all.size() && all[next_columns_].commit <= commit; ++next_columns_) {
    const ExpectedColumns& expected = all[next_columns_];
    if (!first_call && digest_known_ && expected.digest && chain_ != *expected.digest)
      context_.find(log_, columns_from_, tree_.size, "cols",
                    "the columns stored before commit " + std::to_string(expected.commit) +
                        " are not those that its coverage record names");
    chain_ = {};
    columns_from_ = tree_.size;
    digest_known_ = context_.columns_known;
  }
  // A walk that begins at a head begins where a coverage record has started the chain anew; control's own record of it
  // is already part of the new chain.
  if (first_call) digest_known_ = id_ != 0 && context_.columns_known;
}

/// Reads commit entries up to `number`: of them only the one being walked may have a part in this log here.
bool Walk::entry_agrees(std::uint64_t number, std::uint64_t records) {
  bool agrees = false, said = false;
  for (; commits_->valid() && commits_->key().size() == 8; commits_->next()) {
    const auto at = get_be<std::uint64_t>(commits_->key().data());
    if (at > number) break;
    const auto entry = decode_commit_entry(commits_->value());
    if (!entry) {
      said = at == number;  // by the check of all commits
      continue;
    }
    for (const CommitEntry::Part& part : entry->parts) {
      if (part.log != id_ || part.first_seq < context_.start[id_].size) continue;
      if (at == number && part.first_seq == commit_first_ && part.records == records) {
        agrees = true;
        commit_time_ns_ = entry->time_ns;
        continue;
      }
      said |= at == number;
      context_.find(log_, part.first_seq, part.first_seq + part.records, "commits",
                    "the entry of commit " + std::to_string(at) + " claims these records, and the blocks do not");
    }
  }
  return agrees || said;
}

/// The commit being walked is over: its entry and its columns.
void Walk::end_commit() {
  if (commit_ == 0) return;
  if (!entry_agrees(commit_, tree_.size - commit_first_))
    context_.find(log_, commit_first_, tree_.size, "commits",
                  "the blocks put these records into commit " + std::to_string(commit_) + ", and its entry does not");
  jobs_.clear();
  runs_.resize(digest_.runs());
  digest_.add_jobs(jobs_, runs_.data());
  hash_all(jobs_);
  chain_ = ColumnDigest::chain(sha_, chain_, ColumnDigest::commit_digest(sha_, runs_, commit_, commit_time_ns_));
  commit_ = 0;
}

void Walk::count(const Record& record, std::uint64_t commit) {
  Counters& counters = context_.counters;
  ++counters.records_by_kind[record_kind_name(record.kind)];
  if (record.kind == RecordKind::reject) ++counters.rejects_by_reason[reject_reason_name(record.reason)];
  if (!record.origin) return;
  counters.events += record.event_count;
  if (record.kind == RecordKind::conflict) {
    context_.conflicts.insert({record.origin, record.partition, record.offset, record.seq, id_});
    return;
  }
  PartitionSeen& seen = context_.partitions[{record.origin, record.partition}];
  seen.commit_sum += mix_offset_commit(record.offset, commit);
  if (!seen.held.add(record.offset))
    context_.find(log_, record.seq, record.seq + 1, "cols",
                  "offset " + std::to_string(record.offset) + " of " + record.origin->topic + " partition " +
                      std::to_string(record.partition) + " is stored twice");
}

void Walk::merge_record(const Block& block, std::size_t i, const Hash& leaf) {
  const Record& record = block.records[i];
  const std::uint64_t commit = block.commits[i];
  if (commit != commit_) {
    end_commit();
    check_columns_before(commit);
    commit_ = commit;
    commit_first_ = tree_.size;
    digest_.begin();
  }
  if (id_ == 0) {
    // A coverage record names the root just before itself and the columns before its commit.
    if (const auto own = see_control_record(context_, record, commit)) check_own_coverage(*own);
    check_columns_before(commit);
  }
  digest_.add(record, block.ordinals[i], block.events.data() + record.first_event);
  index_.add(record, block.events.data() + record.first_event);
  count(record, commit);
  tree_.append(sha_, leaf, [&](unsigned height, std::uint64_t index, const Hash& hash) {
    const auto stored = context_.db.get(Cf::tree, tree_key(id_, static_cast<std::uint8_t>(height), index));
    const auto value = stored && *stored ? decode_hash(**stored) : Result<Hash>(fail(Code::corruption, ""));
    if (value && *value == hash) return;
    context_.find(log_, index << height, (index + 1) << height, "tree",
                  "the stored node " + std::to_string(index) + " at height " + std::to_string(height) +
                      (value ? " is not the hash of the records below it" : " is missing or cannot be read"));
  });
  check_roots();
}

void Walk::merge(const Job& job) {
  const BlockHeader& header = job.header;
  if (!job.wrong.empty()) return stop(header.first_seq, header.first_seq + header.records, job.place, job.wrong);
  const Block& block = *job.block;
  for (std::size_t i = 0; i < block.records.size(); ++i) {
    if (header.first_seq + i < tree_.size) continue;  // before a walk that began inside this block
    if (block.commits[i] < commit_ || block.commits[i] > context_.state.commit)
      return stop(header.first_seq + i, header.first_seq + i + 1, "cols",
                  "the commit number " + std::to_string(block.commits[i]) + " of this record is out of order");
    merge_record(block, i, job.leaves[i]);
  }
  context_.report.records += block.records.size();
  context_.report.events += block.events.size();
  context_.report.body_bytes += header.body_bytes;
  const std::uint64_t before = context_.done / progress_records;
  context_.done += block.records.size();
  if (context_.request.progress && context_.done / progress_records != before)
    context_.request.progress(context_.done, context_.total);
}

void Walk::check_end() {
  const auto& all = context_.expected[id_];
  for (; next_expected_ < all.size(); ++next_expected_) {
    const Expected& expected = all[next_expected_];
    if (expected.size <= tree_.size) continue;
    context_.find({log_.info.name, tree_.size, expected.size, good_time_ns_, expected.time_ns, "tree",
                   "the log ends at " + std::to_string(tree_.size) + " records, but " + expected.source + " names " +
                       std::to_string(expected.size) + ": its newest part was cut off"});
    break;
  }
  const bool same = tree_.root(sha_) == log_.tree.root(sha_);
  if (!same && !root_wrong_)
    context_.find(log_, good_size_, tree_.size, "meta", "the stored state names another root than the records have");
  if (digest_known_ && chain_ != log_.columns)
    context_.find(log_, columns_from_, tree_.size, "cols",
                  "the columns stored since the last coverage record are not those that the stored state names");
}

Result<Frontier> Walk::run() {
  TRY(load_keys());
  next_in_window_ = good_size_ = tree_.size;
  columns_from_ = tree_.size;
  digest_known_ = tree_.size == 0 && context_.columns_known;
  const auto cols = context_.db.iterate(Cf::cols);
  const auto raw = context_.db.iterate(Cf::raw);
  cols->seek(cols_key(id_, next_in_window_));
  if (next_in_window_ > 0 && next_in_window_ < log_.tree.size) begin_inside(*cols);
  raw->seek(raw_key(id_, next_in_window_));
  commits_->seek(commit_key(0));
  check_roots();
  std::vector<Job> jobs;
  while (!stopped_ && !context_.full() && next_in_window_ < log_.tree.size) {
    TRY(fill(jobs, *cols, *raw));
    process(jobs);
    for (const Job& job : jobs) {
      if (stopped_ && job.header.first_seq >= next_in_window_) break;
      merge(job);
      if (!job.wrong.empty()) break;
    }
  }
  if (!stopped_ && !context_.full()) {
    end_commit();
    entry_agrees(context_.state.commit, 0);
    check_columns_before(context_.state.commit);
    check_end();
  }
  context_.report.logs[id_].root = tree_.root(sha_);
  return tree_;
}

}  // namespace

Result<Frontier> walk_log(VerifyContext& context, std::uint16_t log) { return Walk(context, log).run(); }

}  // namespace tidewaiter::store
