// Failpoints: named places at which a test has this process die (SIGKILL) or wait, to show what survives there.
// Armed only by the environment variable TIDEWAITER_FAILPOINT, before any thread is started; then
//   TIDEWAITER_FAILPOINT=NAME:NTH:kill       the process ends itself, unable to clean up, the NTH time it comes by
//   TIDEWAITER_FAILPOINT=NAME:NTH:sleep:MS   it waits there once
// Not armed, a failpoint costs one predictable branch; none stands where it would be passed for every event.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.hpp"

namespace tidewaiter {

enum class Failpoint : std::uint8_t {
  commit_before_sync,       // a commit is packed and nothing of it written
  commit_after_sync,        // it is durable and nobody knows
  kafka_before_commit,      // offsets are durable and not yet told to Kafka
  kafka_after_commit,       // they are on their way to Kafka
  alerts_before_handover,   // detection has judged a commit and handed over neither alerts nor cursor
  cursor_before_move,
  cursor_after_move,
  snapshot_before_write,
  snapshot_after_write,
  pack_before_write,        // packed blocks are made, the small ones are still there
  pack_after_write,
  seal_before_write,        // the index of a segment is made
  seal_after_write,
  checkpoint_before_coverage,
  checkpoint_before_sign,   // the coverage record is durable, no head is signed
  checkpoint_before_store,  // heads are signed and nowhere
  checkpoint_after_store,   // heads are in the store and in no file
  head_file_before_rename,  // beside the store, log after log, then outside it
  head_file_after_rename,
  head_file_outside,        // all files beside the store are new, the one outside is not
  checkpoint_after_files,   // and no head has been shown to anybody
  count
};

extern bool failpoint_armed;
void pass_armed_failpoint(Failpoint failpoint);

inline void failpoint(Failpoint place) {
  if (failpoint_armed) [[unlikely]] pass_armed_failpoint(place);
}

/// `text` as above; at most one is armed. Error: invalid_argument, with the names there are.
Result<void> arm_failpoint(std::string_view text);

}  // namespace tidewaiter
