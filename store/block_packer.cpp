#include "store/block_packer.hpp"

#include "store/prefetch_records.hpp"

namespace tidewaiter::store {

BlockPacker::BlockPacker(int zstd_level) : helpers_{{{BlockEncoder(zstd_level)}, {BlockEncoder(zstd_level)}}} {}

void BlockPacker::begin(const Commit& made) {
  made_ = &made;
  planned_.clear();
  taken_.store(0);
  for (Helper& helper : helpers_) helper.bytes.clear();
}

void BlockPacker::plan(std::uint64_t unit, std::span<const std::uint32_t> records) {
  planned_.push_back({unit, records});
}

void BlockPacker::help(std::size_t number) {
  Helper& helper = helpers_[number];
  for (std::size_t next; (next = taken_.fetch_add(1)) < planned_.size();) {
    Planned& block = planned_[next];
    const Record& first = made_->records[block.records.front()];
    helper.encoder.begin(first.log, first.seq, block.unit);
    for (std::size_t at = 0; at < block.records.size(); ++at) {
      prefetch_ahead(*made_, block.records, at);
      const Record& record = made_->records[block.records[at]];
      helper.encoder.add(record, made_->events.data() + record.first_event, made_->number, block.records[at]);
    }
    const EncodedBlock encoded = helper.encoder.finish();
    block.header = encoded.header;
    block.helper = number;
    block.at = helper.bytes.size();
    block.raw_size = encoded.raw.size();
    block.cols_size = encoded.cols.size();
    helper.bytes.bytes(encoded.raw);
    helper.bytes.bytes(encoded.cols);
  }
}

}  // namespace tidewaiter::store
