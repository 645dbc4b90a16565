// Columns of a later mapping for what is stored. The two control records around the work say what may be there: a version
// that was begun and not ended is no lie, and nobody reads it.
#include <nlohmann/json.hpp>

#include "core/body.hpp"
#include "store/block_terms.hpp"
#include "store/log_state.hpp"

namespace tidewaiter::store {
namespace {

constexpr std::size_t blocks_per_write = 64;
constexpr std::size_t version_max = 255;

bool is_mapped(const Record& record) {
  return record.kind == RecordKind::event || record.kind == RecordKind::unmapped;
}

/// The records of a block that a mapping reads, as their source handed them over.
Result<Batch> batch_of(const Block& block) {
  std::size_t bytes = 0;
  for (const Record& record : block.records) bytes += record.body.size();
  Batch batch(2 * bytes + Arena::padding_bytes);
  for (const Record& stored : block.records) {
    if (!is_mapped(stored)) continue;
    Record record = stored;
    char* place = batch.arena.reserve(record.body.size());
    std::copy(record.body.begin(), record.body.end(), place);
    record.body = {place, record.body.size()};
    TRY_ASSIGN(const BodyParts parts, read_body(record.body));
    record.key = parts.key.value_or(std::string_view());
    record.value = parts.value.value_or(std::string_view());
    record.kind = RecordKind::event;
    record.first_event = record.event_count = 0;
    batch.records.push_back(record);
  }
  return batch;
}

/// One block again, with what its records are parsed to now.
class BlockMapper {
 public:
  BlockMapper(const Options& options, const RemapRequest& request, RemapReport& report)
      : request_(request), report_(report), encoder_(options.zstd_level) {}

  Result<EncodedBlock> map(const Block& block) {
    TRY_ASSIGN(batch_, batch_of(block));
    request_.parse(*batch_);
    encoder_.begin(block.header.log, block.header.first_seq, block.header.unit);
    std::size_t next = 0;
    for (std::size_t i = 0; i < block.records.size(); ++i) {
      Record record = block.records[i];
      const Event* events = block.events.data() + record.first_event;
      report_.events_before += record.event_count;
      if (is_mapped(record)) choose(batch_->records[next++], record, events);
      report_.events += record.event_count;
      encoder_.add(record, events, block.commits[i], block.ordinals[i]);
      digest_.add(record, block.ordinals[i], events);
    }
    report_.records += block.records.size();
    return encoder_.finish();
  }
  Hash digest() { return digest_.finish(); }

 private:
  /// The columns alone change: kind and reason are of the leaf's record.
  void choose(const Record& parsed, Record& record, const Event*& events) {
    if (!is_mapped(parsed) || parsed.event_count == 0) {
      ++report_.kept;
      return;
    }
    before_.begin();
    before_.add(record, 0, events);
    record.event_count = parsed.event_count;
    events = batch_->events.data() + parsed.first_event;
    after_.begin();
    after_.add(record, 0, events);
    report_.changed += before_.bytes() != after_.bytes();
  }

  const RemapRequest& request_;
  RemapReport& report_;
  std::optional<Batch> batch_;
  BlockEncoder encoder_;
  LaterColumnDigest digest_;
  ColumnDigest before_, after_;
};

std::string record_json(const char* state, const ColumnVersion& version, const std::string& mappings) {
  auto json = nlohmann::ordered_json::parse(encode_column_version(version));
  json["type"] = "remap";
  json["state"] = state;
  json["mappings"] = nlohmann::ordered_json::parse(mappings, nullptr, false);
  return json.dump();
}

}  // namespace

Result<ColumnVersion::Part> Log::State::remap_log(const LogState& log, std::uint8_t version,
                                                  const RemapRequest& request, RemapReport& report) {
  BlockMapper mapper(options, request, report);
  std::uint64_t total = 0;
  for (const LogState& one : state.logs) total += one.info.id >= own_log::count ? one.tree.size : 0;
  const auto map_block = [&](const BlockHeader& header, const BlockStore::Range&,
                             const BlockStore::Decode& decode) -> Result<bool> {
    TRY_ASSIGN(const BlockPtr block, decode());
    TRY_ASSIGN(const EncodedBlock made, mapper.map(*block));
    batch->put(Cf::cols, cols_key(log.info.id, header.first_seq, version), made.cols);
    if (batch->count() >= blocks_per_write) TRY(write_batch(false));
    if (request.progress) request.progress(report.records, total);
    return true;
  };
  TRY(blocks->each(log.info.id, 0, log.tree.size, true, map_block));
  if (batch->count() > 0) TRY(write_batch(false));
  return ColumnVersion::Part{log.info.id, log.tree.size, mapper.digest()};
}

/// Of every segment that is sealed already; those to come get theirs when they are sealed.
Result<void> Log::State::index_later(const LogState& log, std::uint8_t version) {
  TRY_ASSIGN(const auto bytes, db->get(Cf::meta, sealed_key(log.info.id)));
  std::uint64_t sealed = 0;
  if (bytes) {
    TRY_ASSIGN(sealed, decode_number(*bytes));
  }
  const auto it = db->iterate(Cf::cols);
  for (std::uint64_t first = 0; first < sealed; first += state.segment_records) {
    SegmentIndexBuilder index;
    for (std::uint64_t seq = first; seq < first + state.segment_records;) {
      it->seek_for_prev(cols_key(log.info.id, seq, version));
      TRY(it->status());
      if (!it->valid()) return fail(Code::corruption, "cols, log " + log.info.name + ": no block begins at " + std::to_string(seq));
      TRY_ASSIGN(const BlockHeader header, read_block_header(it->value()));
      if (header.first_seq != seq || header.log != log.info.id || header.records == 0)
        return fail(Code::corruption, "cols, log " + log.info.name + ": no block begins at " + std::to_string(seq));
      TRY(index_block(it->value(), first, index));
      seq += header.records;
    }
    put_index(log.info.id, first, index, version);
    TRY(write_batch(false));
  }
  return {};
}

Result<RemapReport> Log::State::remap(const RemapRequest& request) {
  if (failed) return failed_error();
  TRY(settle());
  seal_job.reset();  // what it has indexed so far knows nothing of the new version
  if (column_versions.size() >= version_max)
    return fail(Code::invalid_argument, "there are 255 versions of columns already, and no more can be added");
  ColumnVersion made;
  made.version = static_cast<std::uint8_t>(column_versions.size() + 1);
  RemapReport report;
  report.version = made.version;
  TRY(commit_control(record_json("begun", made, request.mappings)));
  for (const LogState& log : state.logs) {
    if (log.info.id < own_log::count || log.tree.size == 0) continue;
    TRY_ASSIGN(const ColumnVersion::Part part, remap_log(log, made.version, request, report));
    made.parts.push_back(part);
    TRY(index_later(log, made.version));
  }
  OwnRecord done;
  done.kind = RecordKind::control;
  done.body = record_json("done", made, request.mappings);
  done.time_ns = now_ns();
  std::vector<ColumnVersion> all = column_versions;
  all.push_back(made);
  std::vector<OwnRecord> control;
  control.push_back(std::move(done));
  TRY(commit(nullptr, std::move(control), {}, {{std::string(columns_cursor), encode_column_versions(all)}}, {}, false));
  column_versions = std::move(all);
  return report;
}

Result<RemapReport> Log::remap(const RemapRequest& request) {
  auto report = state_->remap(request);
  if (!report) state_->batch->clear();
  return report;
}

}  // namespace tidewaiter::store
