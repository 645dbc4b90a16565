// Columns of later mappings. No leaf stands behind them, as behind those of version 0: a control record holds a digest of
// each log's, which is under the heads of `control`.
#include <algorithm>

#include "store/keys.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {
namespace {

bool same_record(const Record& a, const Record& b) {
  return a.kind == b.kind && a.reason == b.reason && a.value_null == b.value_null && a.origin == b.origin &&
         a.partition == b.partition && a.offset == b.offset && a.leader_epoch == b.leader_epoch &&
         a.receive_time_ns == b.receive_time_ns && a.kafka_time_ms == b.kafka_time_ms && a.seq == b.seq;
}

/// One log, one version: every block beside the one that was scored.
class LaterWalk {
 public:
  LaterWalk(VerifyContext& context, const BlockStore& blocks, const ColumnVersion& version, const ColumnVersion::Part& part)
      : context_(context), blocks_(blocks), version_(version.version), part_(part),
        log_(context.state.logs[part.log]), index_(context, part.log, version.version) {}

  Result<void> run() {
    TRY(blocks_.each(part_.log, 0, end(), true,
                     [&](const BlockHeader& header, const BlockStore::Range&,
                         const BlockStore::Decode& decode) -> Result<bool> {
                       TRY_ASSIGN(const BlockPtr block, decode());
                       TRY_ASSIGN(const BlockPtr scored, blocks_.find(part_.log, header.first_seq, true));
                       check(header, *block, *scored);
                       return !context_.full();
                     },
                     version_));
    if (!context_.full() && digest_.finish() != part_.digest)
      find(0, part_.records, "the columns of version " + std::to_string(version_) +
                                 " are not those that the record of their remap names");
    return {};
  }

 private:
  /// To the end of the segment into which the remap reached, if its index is made.
  std::uint64_t end() const {
    const std::uint64_t segment = context_.state.segment_records;
    const std::uint64_t rounded = (part_.records + segment - 1) / segment * segment;
    return std::max(part_.records, std::min(rounded, index_.sealed()));
  }

  void check(const BlockHeader& header, const Block& block, const Block& scored) {
    const std::uint64_t from = header.first_seq, to = from + header.records;
    if (!header_agrees(header, block)) find(from, to, "the block's header names other times, sizes or commits than its columns");
    if (block.records.size() != scored.records.size() || block.commits != scored.commits || block.ordinals != scored.ordinals)
      return find(from, to, "columns of a later version are of other records than the block");
    for (std::size_t i = 0; i < block.records.size(); ++i) {
      const Record& record = block.records[i];
      const Event* events = block.events.data() + record.first_event;
      if (!same_record(record, scored.records[i]))
        find(record.seq, record.seq + 1, "columns of a later version say something else of the record itself");
      if (record.seq < part_.records)
        digest_.add(record, block.ordinals[i], events);
      else if (!same_columns(record, events, scored.records[i], scored.events.data() + scored.records[i].first_event))
        find(record.seq, record.seq + 1, "columns of a later version are other than what was scored, and no remap reached here");
      index_.add(record, events);
    }
  }

  bool same_columns(const Record& a, const Event* events_a, const Record& b, const Event* events_b) {
    before_.begin();
    before_.add(a, 0, events_a);
    after_.begin();
    after_.add(b, 0, events_b);
    return before_.bytes() == after_.bytes();
  }
  void find(std::uint64_t from, std::uint64_t to, std::string what) { context_.find(log_, from, to, "cols", std::move(what)); }

  VerifyContext& context_;
  const BlockStore& blocks_;
  const std::uint8_t version_;
  const ColumnVersion::Part& part_;
  const LogState& log_;
  IndexCheck index_;
  LaterColumnDigest digest_;
  ColumnDigest before_, after_;
};

}  // namespace

Result<void> check_later_columns(VerifyContext& context, const BlockStore& blocks) {
  if (!context.whole || context.full()) return {};
  TRY_ASSIGN(const auto bytes, context.db.get(Cf::meta, cursor_key(columns_cursor)));
  std::vector<ColumnVersion> listed;
  if (bytes) {
    const auto value = decode_checked(*bytes);
    auto list = value ? decode_column_versions(*value) : Result<std::vector<ColumnVersion>>(value.error());
    if (!list) context.find("meta", list.error().message);
    if (list) listed = std::move(*list);
  }
  if (listed != context.column_versions)
    context.find("meta", "the list of column versions is not that of the remap records");
  for (const ColumnVersion& version : context.column_versions)
    for (const ColumnVersion::Part& part : version.parts) {
      if (part.log >= context.state.logs.size() || part.records > context.state.logs[part.log].tree.size) {
        context.find("control", "a remap record names records that do not exist");
        continue;
      }
      TRY(LaterWalk(context, blocks, version, part).run());
    }
  return {};
}

}  // namespace tidewaiter::store
