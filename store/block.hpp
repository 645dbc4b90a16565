// Block: the records of one log in one value, as two parts that are read apart. `raw` is one zstd frame of the bodies,
// `cols` an uncompressed header (enough to skip the block) and one zstd frame of the record and event columns.
// A block lies within one erasure unit. The byte layout is in docs/format.md; encoders are not part of it: two
// encodings of the same records may differ in bytes, never in what they decode to.
// Not thread-safe; an encoder keeps its memory from block to block and allocates nothing once warm.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"

namespace tidewaiter::store {

struct BlockHeader {
  std::uint16_t log = 0;
  std::uint64_t first_seq = 0;
  std::uint32_t records = 0, events = 0;
  std::uint64_t unit = 0;  // first seq of the erasure unit that all records belong to
  std::uint64_t first_commit = 0, last_commit = 0;
  std::int64_t min_time_ns = 0, max_time_ns = 0;  // of events that have a time; min > max when none has
  std::int64_t min_receive_ns = 0, max_receive_ns = 0;
  std::uint64_t body_bytes = 0;
};

struct EncodedBlock {
  BlockHeader header;
  std::string_view raw, cols;  // hold until the encoder's next begin()
};

class BlockEncoder {
 public:
  explicit BlockEncoder(int zstd_level);
  ~BlockEncoder();
  void begin(std::uint16_t log, std::uint64_t first_seq, std::uint64_t unit);
  /// Records in order of seq; the record's bytes and events must stay until finish().
  void add(const Record& record, const Event* events, std::uint64_t commit, std::uint32_t ordinal);
  std::uint64_t body_bytes() const;
  EncodedBlock finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What a block holds, without bodies until attach_bodies().
struct Block {
  BlockHeader header;
  std::vector<Record> records;       // log and seq set; first_event is an index into `events`
  std::vector<Event> events;         // `record` is an index into `records`
  std::vector<std::uint64_t> commits;
  std::vector<std::uint32_t> ordinals;
  std::vector<std::uint32_t> body_sizes;
  std::shared_ptr<const void> column_bytes, body_bytes;  // what the views point into

  /// Memory held, roughly: what a cache counts.
  std::size_t memory_bytes() const;
};

/// The header alone: no decompression. Error: corruption.
Result<BlockHeader> read_block_header(std::string_view cols);
Result<Block> read_block(std::string_view cols);
/// Sets body, key and value of every record. Error: corruption, also when the sizes in `cols` do not fit.
Result<void> attach_bodies(Block& block, std::string_view raw);

}  // namespace tidewaiter::store
