// What is hashed: salts, commitments and leaves (the tlog-tiles entries). All hashing of the writer is here.
//   leaf = version u8 (1), kind u8, cluster id (u8 length + bytes), topic id (16 bytes), partition u32, offset u64,
//          leader epoch i32 (conflicts only), SHA-256(salt || body); integers big-endian
// Records of our own: store id (32 hex digits) as cluster id, 14 zero bytes + log id u16 as topic id, partition 0,
// seq as offset. A salt is one AES-128 block of (log u64 || seq u64), big-endian, under the unit's salt key.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/record.hpp"
#include "core/sha256.hpp"

namespace tidewaiter::store {

inline constexpr std::uint8_t leaf_version = 1;
inline constexpr std::size_t salt_size = 16;
/// A leaf is never longer: 2 + 1 + 255 + 16 + 4 + 8 + 4 + 32.
inline constexpr std::size_t leaf_size_max = 322;
using SaltKey = std::array<std::uint8_t, 16>;

SaltKey random_salt_key();

/// Salts of [first_seq, first_seq + count) in one cipher call: count * 16 bytes to `out`.
void make_salts(const SaltKey& key, std::uint16_t log, std::uint64_t first_seq, std::size_t count, char* out);

struct LeafCoordinates {
  RecordKind kind;
  std::string_view cluster;
  const TopicId* topic_id;
  std::uint32_t partition;
  std::uint64_t offset;
  std::int32_t leader_epoch;
};
/// Coordinates of a record with log and seq set. `own_topic` must outlive them; used for records of our own.
LeafCoordinates coordinates(const Record& record, std::string_view store_id, TopicId& own_topic);

/// Returns the number of bytes written; `out` has room for leaf_size_max.
std::size_t write_leaf(const LeafCoordinates& at, const Hash& commitment, char* out);

/// SHA-256(salt || body).
Hash commitment(Sha256& sha, std::string_view salt, std::string_view body);

/// Leaf bytes and leaf hash of a record whose body is there.
std::string leaf_bytes(const Record& record, std::string_view store_id, std::string_view salt);
Hash record_leaf_hash(Sha256& sha, const Record& record, std::string_view store_id, std::string_view salt);

}  // namespace tidewaiter::store
