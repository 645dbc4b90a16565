// Digest over the logical values of columns, independent of blocks and packing: what coverage records pin.
// Per commit and log: SHA-256 over its records in order of seq, each as
//   seq, ordinal in the commit, leader epoch (zigzag), reason u8, event count; per event: sub, strings_present u64 LE,
//   numbers_present u64 LE, then each present column in order of its number: strings as length + bytes, numbers,
//   addresses as 16 bytes
// and at the end the commit's number and time i64 LE (all other integers are LEB128 varints). The digest of a log is
// the chain D = SHA-256(D_before || commit digest), from 32 zero bytes, over the commits that hold records of it.
#pragma once

#include "core/record.hpp"
#include "core/sha256.hpp"
#include "store/bytes.hpp"

namespace tidewaiter::store {

class ColumnDigest {
 public:
  void begin() { bytes_.clear(); }
  void add(const Record& record, std::uint32_t ordinal, const Event* events);
  /// What was added since begin().
  std::string_view bytes() const { return bytes_.view(); }
  /// What is hashed of the records added since begin(), with the number and time of their commit.
  std::string_view commit_bytes(std::uint64_t commit, std::int64_t time_ns) {
    bytes_.varint(commit);
    bytes_.fixed(time_ns);
    return bytes_.view();
  }
  Hash commit_digest(Sha256& sha, std::uint64_t commit, std::int64_t time_ns) {
    return sha.digest(commit_bytes(commit, time_ns));
  }
  static Hash chain(Sha256& sha, const Hash& before, const Hash& commit_digest) {
    return sha.digest(as_view(before), as_view(commit_digest));
  }

 private:
  Bytes bytes_;
};

}  // namespace tidewaiter::store
