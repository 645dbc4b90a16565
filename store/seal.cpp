// Sealing a full segment: its small blocks are packed anew to full size, then its index is built. Both in bounded
// steps, so that a call never stalls the writer for long. Packing replaces old blocks by new ones in one atomic batch
// and changes no answer; the mark `sealed` moves with the index.

#include "store/seal.hpp"

#include <algorithm>

#include "core/failpoint.hpp"
#include "store/block_terms.hpp"
#include "store/log_state.hpp"

namespace tidewaiter::store {
namespace {

constexpr std::uint64_t records_per_step = 8192;

}  // namespace

/// The oldest full segment that is not sealed yet.
Result<std::optional<SealJob>> Log::State::find_seal_job() {
  for (const LogState& log : state.logs) {
    if (log.tree.size < state.segment_records) continue;  // asked often, and most logs are small
    TRY_ASSIGN(const auto bytes, db->get(Cf::meta, sealed_key(log.info.id)));
    std::uint64_t from = 0;
    if (bytes) {
      TRY_ASSIGN(from, decode_number(*bytes));
    }
    if (log.tree.size - from < state.segment_records) continue;
    SealJob job;
    job.log = log.info.id;
    job.first = job.packed = job.indexed = from;
    job.end = from + state.segment_records;
    TRY(settle());  // its newest blocks may be on their way; from here on all that the job reads is there
    TRY_ASSIGN(const bool small, has_small_blocks(job));
    if (!small) job.packed = job.end;
    for (const ColumnVersion& version : column_versions)
      if (version.records_of(job.log) > job.first) job.later[version.version];
    return std::optional<SealJob>(std::move(job));
  }
  return std::optional<SealJob>();
}

Result<bool> Log::State::has_small_blocks(const SealJob& job) {
  std::uint64_t count = 0, bytes = 0;
  TRY(blocks->each(job.log, job.first, job.end, false,
                   [&](const BlockHeader& header, const BlockStore::Range&, const BlockStore::Decode&) -> Result<bool> {
                     ++count;
                     bytes += header.body_bytes;
                     return true;
                   }));
  return count > 2 * (bytes / options.block_bytes_max + 1);
}

/// Packs whole old blocks from job.packed on into full ones.
Result<void> Log::State::pack_step(SealJob& job) {
  std::vector<BlockPtr> old;
  std::uint64_t bytes = 0;
  const auto enough = [&] { return bytes >= 8 * options.block_bytes_max; };
  TRY(blocks->each(job.log, job.packed, job.end, true,
                   [&](const BlockHeader& header, const BlockStore::Range&,
                       const BlockStore::Decode& decode) -> Result<bool> {
                     if (enough() || (!old.empty() && header.first_seq - job.packed >= records_per_step)) return false;
                     TRY_ASSIGN(BlockPtr block, decode());
                     bytes += header.body_bytes;
                     old.push_back(std::move(block));
                     return true;
                   }));
  if (old.empty()) return fail(Code::corruption, "log " + infos[job.log].name + ": no block at " +
                                                      std::to_string(job.packed));
  const std::uint64_t end = old.back()->header.first_seq + old.back()->header.records;
  std::map<std::uint8_t, std::vector<BlockPtr>> by_version;  // all is read before the batch is touched
  for (const auto& later : job.later) {
    std::vector<BlockPtr>& blocks_of_version = by_version[later.first];
    TRY(blocks->each(job.log, job.packed, end, true,
                     [&](const BlockHeader&, const BlockStore::Range&,
                         const BlockStore::Decode& decode) -> Result<bool> {
                       TRY_ASSIGN(BlockPtr block, decode());
                       blocks_of_version.push_back(std::move(block));
                       return true;
                     },
                     later.first));
  }
  // One more than there are: a version that was begun and not ended.
  const std::size_t versions = column_versions.size() + 1;
  for (const BlockPtr& block : old) {
    batch->remove(Cf::raw, raw_key(job.log, block->header.first_seq));
    for (std::size_t v = 0; v <= versions && v <= 255; ++v)
      batch->remove(Cf::cols, cols_key(job.log, block->header.first_seq, static_cast<std::uint8_t>(v)));
  }
  repack(old, 0);
  for (const auto& [version, blocks_of_version] : by_version) repack(blocks_of_version, version);
  job.packed = end;
  failpoint(Failpoint::pack_before_write);
  TRY(write_batch(false));
  failpoint(Failpoint::pack_after_write);
  return {};
}

/// The records of these blocks in full ones. The same records are cut in the same way, whatever their columns.
void Log::State::repack(const std::vector<BlockPtr>& old, std::uint8_t version) {
  const std::uint16_t log = old.front()->header.log;
  BlockEncoder encoder(options.zstd_level);
  bool open = false;
  std::uint64_t unit = no_unit;
  const auto flush = [&] {
    const EncodedBlock made = encoder.finish();
    if (version == 0) batch->put(Cf::raw, raw_key(log, made.header.first_seq), made.raw);
    batch->put(Cf::cols, cols_key(log, made.header.first_seq, version), made.cols);
  };
  for (const BlockPtr& block : old) {
    for (std::size_t i = 0; i < block->records.size(); ++i) {
      const Record& record = block->records[i];
      const bool full = encoder.body_bytes() + record.body.size() > options.block_bytes_max;
      if (open && (full || unit != block->header.unit)) {
        flush();
        open = false;
      }
      if (!open) encoder.begin(log, record.seq, block->header.unit);
      open = true;
      unit = block->header.unit;
      encoder.add(record, block->events.data() + record.first_event, block->commits[i], block->ordinals[i]);
    }
  }
  flush();
}

/// Whole blocks from job.indexed on, straight from their columns.
Result<void> Log::State::index_step(SealJob& job) {
  const std::uint64_t enough = job.indexed + records_per_step;
  const auto it = db->iterate(Cf::cols), columns = db->iterate(Cf::cols);
  for (it->seek(cols_key(job.log, job.indexed)); job.indexed < std::min(job.end, enough); it->next()) {
    const std::string place = "cols, log " + infos[job.log].name + ", seq " + std::to_string(job.indexed) + ": ";
    TRY(it->status());
    if (it->valid() && it->key().back() != 0 && it->key().size() == cols_key_size) continue;  // a later mapping
    if (!it->valid() || it->key() != std::string_view(cols_key(job.log, job.indexed)))
      return fail(Code::corruption, place + "no block begins there");
    TRY_ASSIGN(const BlockHeader header, read_block_header(it->value()));
    if (auto indexed = index_block(it->value(), job.first, *job.index); !indexed)
      return fail(Code::corruption, place + indexed.error().message);
    for (auto& [version, index] : job.later) {
      columns->seek_for_prev(cols_key(job.log, job.indexed, version));
      if (auto indexed = index_block(columns->value(), job.first, index); !indexed)
        return fail(Code::corruption, place + indexed.error().message);
    }
    job.indexed += header.records;
  }
  if (job.indexed < job.end) return {};
  put_index(job.log, job.first, *job.index, 0);
  for (auto& [version, index] : job.later) put_index(job.log, job.first, index, version);
  batch->put(Cf::meta, sealed_key(job.log), encode_number(job.end));
  failpoint(Failpoint::seal_before_write);
  TRY(write_batch(false));
  failpoint(Failpoint::seal_after_write);
  return {};
}

void Log::State::put_index(std::uint16_t log, std::uint64_t first, SegmentIndexBuilder& index,
                           std::uint8_t version) {
  const std::vector<std::string> values = index.finish();
  for (std::size_t i = 0; i < values.size(); ++i)
    batch->put(Cf::index, index_key(log, first, indexed_columns()[i], version), values[i]);
}

Result<bool> Log::State::seal_one() {
  if (failed) return failed_error();
  if (!seal_job) {
    TRY_ASSIGN(seal_job, find_seal_job());
    if (!seal_job) return false;
  }
  if (seal_job->packed < seal_job->end) {
    TRY(pack_step(*seal_job));
    return true;
  }
  TRY(index_step(*seal_job));
  if (seal_job->indexed == seal_job->end) seal_job.reset();
  return true;
}

}  // namespace tidewaiter::store
