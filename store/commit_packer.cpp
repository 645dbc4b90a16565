#include "store/commit_packer.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "store/leaf.hpp"
#include "store/prefetch_records.hpp"

namespace tidewaiter::store {

CommitPacker::CommitPacker(int zstd_level) : helpers_{{{BlockEncoder(zstd_level)}, {BlockEncoder(zstd_level)}}} {}

void CommitPacker::begin(const Commit& made, std::string_view store_id) {
  made_ = &made;
  store_id_ = store_id;
  parts_used_ = 0;
  planned_.clear();
  taken_.store(0);
  for (Helper& helper : helpers_) helper.bytes.clear();
}

char* CommitPacker::begin_part(std::span<const std::uint32_t> records) {
  if (parts_used_ == parts_.size()) parts_.emplace_back();
  Part& part = parts_[parts_used_++];
  part.records = records;
  part.salts.resize(records.size() * salt_size);
  part.leaves.resize(records.size());
  part.column_runs.resize((records.size() + ColumnDigest::run_records - 1) / ColumnDigest::run_records);
  part.planned = 0;
  return part.salts.data();
}

void CommitPacker::plan(std::uint64_t unit, std::size_t records) {
  Part& part = parts_[parts_used_ - 1];
  planned_.push_back({unit, parts_used_ - 1, part.planned, part.planned + records});
  part.planned += records;
}

std::vector<Hash>& CommitPacker::leaves(std::size_t part) { return parts_[part].leaves; }
std::span<const Hash> CommitPacker::column_runs(std::size_t part) const { return parts_[part].column_runs; }

void CommitPacker::help(std::size_t number) {
  constexpr std::size_t run = ColumnDigest::run_records;
  Helper& helper = helpers_[number];
  for (std::size_t next; (next = taken_.fetch_add(1)) < planned_.size();) {
    Planned& block = planned_[next];
    Part& part = parts_[block.part];
    // Of whole runs, those that begin within the block.
    const auto run_at = [&](std::size_t at) { return std::min((at + run - 1) / run * run, part.records.size()); };
    hash(helper, part, run_at(block.from), run_at(block.to));
    const EncodedBlock encoded = encode(helper, block);
    block.header = encoded.header;
    block.helper = number;
    block.at = helper.bytes.size();
    block.raw_size = encoded.raw.size();
    block.cols_size = encoded.cols.size();
    helper.bytes.bytes(encoded.raw);
    helper.bytes.bytes(encoded.cols);
  }
}

/// Leaves and column runs of the records [from, to) of a part, side by side. `from` begins a run.
void CommitPacker::hash(Helper& helper, Part& part, std::size_t from, std::size_t to) const {
  if (from == to) return;
  const std::span<const std::uint32_t> records = part.records.subspan(from, to - from);
  helper.digest.begin();
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = made_->records[records[i]];
    prefetch_ahead(*made_, records, i);
    helper.digest.add(record, records[i], made_->events.data() + record.first_event);
  }
  helper.commitments.resize(records.size());
  helper.jobs.clear();
  helper.digest.add_jobs(helper.jobs, part.column_runs.data() + from / ColumnDigest::run_records);
  for (std::size_t i = 0; i < records.size(); ++i)
    helper.jobs.push_back({{part.salts.data() + (from + i) * salt_size, salt_size}, made_->records[records[i]].body,
                           &helper.commitments[i]});
  hash_all(helper.jobs);

  helper.leaf_bytes.resize(records.size() * leaf_size_max);
  helper.jobs.clear();
  for (std::size_t i = 0; i < records.size(); ++i) {
    TopicId own_topic;
    char* place = helper.leaf_bytes.data() + i * leaf_size_max;
    const std::size_t size =
        write_leaf(coordinates(made_->records[records[i]], store_id_, own_topic), helper.commitments[i], place);
    helper.jobs.push_back({{"\0", 1}, {place, size}, &part.leaves[from + i]});
  }
  hash_all(helper.jobs);
}

EncodedBlock CommitPacker::encode(Helper& helper, const Planned& block) const {
  const std::span<const std::uint32_t> records =
      parts_[block.part].records.subspan(block.from, block.to - block.from);
  const Record& first = made_->records[records.front()];
  helper.encoder.begin(first.log, first.seq, block.unit);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = made_->records[records[i]];
    prefetch_ahead(*made_, records, i);
    helper.encoder.add(record, made_->events.data() + record.first_event, made_->number, records[i]);
  }
  return helper.encoder.finish();
}

}  // namespace tidewaiter::store
