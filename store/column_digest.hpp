// Digest over the logical values of columns, independent of blocks and packing: what coverage records pin.
// Per commit and log, over its records in order of seq, each as
//   seq, ordinal in the commit, leader epoch (zigzag), reason u8, event count; per event: sub, strings_present u64 LE,
//   numbers_present u64 LE, then each present column in order of its number: strings as length + bytes, numbers,
//   addresses as 16 bytes
// (all other integers are LEB128 varints). The SHA-256 of each run of 64 such records, one after the other, then the
// commit's number and time i64 LE, have the commit digest as their SHA-256: runs can be hashed side by side. The digest
// of a log is the chain D = SHA-256(D_before || commit digest), from 32 zero bytes, over the commits that hold records of
// it.
#pragma once

#include <span>
#include <vector>

#include "core/record.hpp"
#include "core/sha256.hpp"
#include "store/bytes.hpp"
#include "store/sha256_lanes.hpp"

namespace tidewaiter::store {

class ColumnDigest {
 public:
  static constexpr std::size_t run_records = 64;

  void begin();
  void add(const Record& record, std::uint32_t ordinal, const Event* events);
  /// What was added since begin().
  std::string_view bytes() const { return bytes_.view(); }
  std::size_t runs() const { return starts_.size(); }
  /// Appends a job for each of the runs(), which writes to `out` and onwards.
  void add_jobs(std::vector<HashJob>& jobs, Hash* out) const;
  /// `runs`: of all records of the log in the commit, of which number and time are given.
  static Hash commit_digest(Sha256& sha, std::span<const Hash> runs, std::uint64_t commit, std::int64_t time_ns);
  static Hash chain(Sha256& sha, const Hash& before, const Hash& commit_digest) {
    return sha.digest(as_view(before), as_view(commit_digest));
  }

 private:
  Bytes bytes_;
  std::size_t records_ = 0;
  std::vector<std::size_t> starts_;  // of the runs, in bytes_
};

}  // namespace tidewaiter::store
