// Small stored values: the state of the store (one value, part of every commit), commit entries, offset entries.
// Pure encoding; every value starts with its format version. Errors: corruption.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "store/intervals.hpp"
#include "store/log.hpp"
#include "store/merkle.hpp"

namespace tidewaiter::store {

inline constexpr std::uint64_t no_unit = ~std::uint64_t{0};

/// A stored value of `n` bytes behind its format version, in place.
template <std::size_t n>
struct FixedValue {
  std::array<char, n + 1> bytes;
  operator std::string_view() const { return {bytes.data(), bytes.size()}; }  // NOLINT: used as its bytes
};

struct LogState {
  LogInfo info;
  Frontier tree;                  // tree.size = records in the log
  Hash columns{};                 // chain of column digests since the last coverage record
  std::uint64_t unit = no_unit;   // first seq of the newest erasure unit
};

struct StoreState {
  std::string store_id;           // 32 hex digits
  std::uint32_t generation = 1;
  std::uint64_t segment_records = 0;
  std::uint64_t commit = 0;       // number of the newest commit, 0 = none
  std::uint64_t coverage_commit = 0;  // commit of the newest coverage record, 0 = none
  std::uint32_t origins = 0;      // origin ids given so far
  std::vector<LogState> logs;     // index = log id
  Counters counters;
};
std::string encode_state(const StoreState& state);
Result<StoreState> decode_state(std::string_view bytes);

struct CommitEntry {
  std::int64_t time_ns = 0;
  struct Part {
    std::uint16_t log;
    std::uint64_t first_seq;
    std::uint32_t records;
  };
  std::vector<Part> parts;        // by log id
};
std::string encode_commit_entry(const CommitEntry& entry);
Result<CommitEntry> decode_commit_entry(std::string_view bytes);

/// What one commit holds of one partition.
struct OffsetEntry {
  std::uint64_t commit = 0;
  std::vector<IntervalSet::Range> ranges;
};
std::string encode_offset_entry(const OffsetEntry& entry);
Result<OffsetEntry> decode_offset_entry(std::string_view bytes);

struct GapEntry {
  std::uint64_t commit = 0, to = 0;
  std::string reason;
};
std::string encode_gap_entry(const GapEntry& entry);
Result<GapEntry> decode_gap_entry(std::string_view bytes);

struct OriginEntry {
  std::string cluster, topic;
  TopicId topic_id{};
};
std::string encode_origin(const OriginEntry& origin);
Result<OriginEntry> decode_origin(std::string_view bytes);

/// Values with nothing but a version in front: positions, sealed marks, hashes, salt keys.
FixedValue<8> encode_number(std::uint64_t value);
Result<std::uint64_t> decode_number(std::string_view bytes);
std::string encode_bytes(std::string_view value);
Result<std::string_view> decode_bytes(std::string_view bytes);
/// What nothing else vouches for ends in the first 8 bytes of the SHA-256 of all before.
std::string with_checksum(std::string bytes);
Result<std::string_view> without_checksum(std::string_view bytes);
/// Cursors: version, value, checksum.
std::string encode_checked(std::string_view value);
Result<std::string_view> decode_checked(std::string_view bytes);
FixedValue<32> encode_hash(const Hash& hash);
Result<Hash> decode_hash(std::string_view bytes);

std::string encode_head(const Head& head);
Result<Head> decode_head(std::string_view bytes);

}  // namespace tidewaiter::store
