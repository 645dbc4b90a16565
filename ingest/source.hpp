// Source: where messages come from (Kafka, files). It cuts them into Batches whose bytes it owns until they are
// handed over, and it never lets an offset be committed that is not durable.
//
// Who calls what: poll() belongs to the ingest thread. claim(), committed() and abandoned() are for the writer thread,
// pause(), resume(), status() for any thread. For each batch, in the order of poll():
//   claim(batch) -> store commit -> committed(ends_of(batch) taken before the commit), or abandoned() when it failed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"

namespace tidewaiter::ingest {

/// Everything before `next_offset` of this partition is in the store and synced.
struct DurableOffset {
  const Origin* origin = nullptr;
  std::uint32_t partition = 0;
  std::uint64_t next_offset = 0;
  std::int32_t leader_epoch = -1;  // of the message before it; -1: not known
};

/// Highest offset + 1 of each partition in the batch. To be taken before the batch is moved into the store.
std::vector<DurableOffset> ends_of(const Batch& batch);

/// Removes records for which `gone` says so, with their events, and renumbers what stays. Returns how many went.
std::size_t remove_records(Batch& batch, const std::function<bool(const Record&)>& gone);

enum class SourceState : std::uint8_t {
  running,
  paused,    // by pause(): back-pressure
  parked,    // refused or fatal; `reason` says why. What is stored stays usable, the process keeps running
  finished,  // files only: all read
};
const char* source_state_name(SourceState state);

struct PartitionStatus {
  std::string cluster, topic;
  TopicId topic_id{};
  std::uint32_t partition = 0;
  std::uint64_t next_offset = 0;  // next one to be polled
  std::int64_t lag = -1;          // messages behind the end of the log; -1 = not known
  bool at_end = false;            // everything that the broker has shown is polled
};

struct SourceStatus {
  SourceState state = SourceState::running;
  std::string reason;
  std::vector<PartitionStatus> partitions;
  std::uint64_t messages = 0, bytes = 0;      // polled since start
  std::uint64_t bytes_done = 0, bytes_total = 0;  // files only; total 0 = unknown
};

class Source {
 public:
  virtual ~Source() = default;

  /// The next batch, cut at about commit_bytes or when flush_interval has passed since its first message.
  /// nullptr: nothing to hand over within `timeout_ms`. Must be called at least every few seconds, paused or not.
  /// Errors: of reading a file (disk). Trouble with a broker is no error but a state: see status().
  virtual Result<std::unique_ptr<Batch>> poll(int timeout_ms) = 0;

  /// Right before the store commit: removes records that are no longer ours (their partition was taken away since)
  /// and holds a rebalance back until committed() or abandoned(). Returns how many were removed.
  virtual std::size_t claim(Batch& batch) = 0;
  /// In the order of the claims; one more batch may have been claimed meanwhile.
  virtual void committed(const std::vector<DurableOffset>& durable) = 0;
  /// Nothing that was claimed and not committed is stored.
  virtual void abandoned() = 0;

  /// The thread of poll(), after an abandoned() or lost batches: drops what is under way and reads again from where the
  /// store ends, which position_for tells.
  virtual Result<void> restart() = 0;

  virtual void pause() = 0;
  virtual void resume() = 0;

  /// True when no batch will come any more (files read to their end).
  virtual bool finished() const = 0;
  virtual SourceStatus status() const = 0;
};

}  // namespace tidewaiter::ingest
