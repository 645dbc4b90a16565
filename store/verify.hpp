// verify: recomputes everything that a store says from the raw bytes it holds, and names the first lie. Offline: a view
// of its own, beside a running service or on a copy; writes nothing.
//
// From bodies, salt keys and coordinates: every leaf, every stored node, the root at every kept head, at every size that
// a coverage record names and at every checkpoint given. From leaves: offsets, counters, commits. From columns: their
// digests and the index. Then signatures. What no signed head covers is counted and named: it can be rewritten by who can
// write to the database, and no check sees that.
//
// Memory: a window of blocks, a bit per offset, 48 bytes per named size. Starts threads of its own and joins them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/sha256.hpp"
#include "store/proof_file.hpp"

namespace tidewaiter::store {

/// One lie, with its place.
struct Finding {
  std::string log;                       // "" = of the store as a whole
  std::uint64_t from_seq = 0, to_seq = 0;  // records concerned, [from, to); equal = none in particular
  std::int64_t from_ns = 0, to_ns = 0;   // times of the head that still holds and the first that does not; 0 = unknown
  std::string place;                     // what was wrong: "tree", "cols", "heads", "offsets", ...
  std::string what;                      // one sentence
};

/// What the logs say that followers must agree with.
struct FollowerView {
  std::uint64_t commit = 0;  // the newest one
  std::uint64_t alerts = 0;  // records of that kind
  bool whole = true;         // false: not every record was read, `alerts` is too small
};

struct VerifyRequest {
  std::string directory;
  std::optional<TrustedKey> public_key;
  struct Kept {
    std::string name;        // for the report: where the checkpoint comes from
    std::string checkpoint;  // a signed note
  };
  std::vector<Kept> against;  // heads kept elsewhere: the store must extend them
  std::vector<Kept> since;    // trusted heads: the records below them are not read again
  /// What is wrong with a cursor or a snapshot, whose forms their owners know; "" = nothing. May be null.
  std::function<std::string(std::string_view name, std::string_view value, const FollowerView&)> cursor_wrong;
  std::function<std::string(std::string_view name, std::uint64_t commit, std::string_view value, const FollowerView&)>
      snapshot_wrong;
  unsigned threads = 2;
  std::size_t findings_max = 20;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // records; called now and then
};

struct VerifiedLog {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t read_from = 0;   // > 0 only with `since`
  std::uint64_t covered = 0;     // under the newest head that holds
  std::int64_t head_time_ns = 0;
  std::uint64_t heads = 0;       // kept heads that hold
  Hash root{};
};

struct VerifyReport {
  std::string store_id;
  std::uint32_t generation = 0;
  std::uint64_t commit = 0;
  std::vector<VerifiedLog> logs;  // by id
  std::vector<Finding> findings;  // in the order in which they were found
  bool more_findings = false;     // findings_max was reached
  bool keyed = false;             // signatures were checked
  std::uint64_t signatures = 0;   // that hold
  std::uint64_t records = 0, events = 0, body_bytes = 0;
  double seconds = 0;

  bool good() const { return findings.empty(); }
  /// "authentic", "consistent", or "wrong".
  const char* verdict() const;
};

/// Errors are of the environment or of what was given (no store, no view in time, a key or checkpoint that cannot be
/// read); lies are findings.
Result<VerifyReport> verify_store(const VerifyRequest& request);

}  // namespace tidewaiter::store
