// BatchBuilder: fills one Batch and says when it is to be cut. Owned by the thread that polls.
// A batch is cut at commit_bytes, or when flush_interval has passed since its first message (semantics 8).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "core/body.hpp"
#include "core/clock.hpp"
#include "core/record.hpp"

namespace tidewaiter::ingest {

struct BatchLimits {
  std::size_t commit_bytes = 2 << 20;
  int flush_interval_ms = 50;
};

class BatchBuilder {
 public:
  explicit BatchBuilder(BatchLimits limits);

  /// Copies the message in. False: the batch must be taken first (it is full), then add() again.
  /// A message larger than a whole batch gets a batch of its own size.
  bool add(const Origin* origin, std::uint32_t partition, std::uint64_t offset, std::int32_t leader_epoch,
           const BodyParts& parts);
  void add_gap(OffsetGap gap);
  /// Removes records for which `gone` says so; their bytes stay in the arena until the batch dies.
  std::size_t drop(const std::function<bool(const Record&)>& gone);

  bool empty() const;
  /// Full, or its time has come. `now_ns` on the same clock as the messages' receive time.
  bool due(std::int64_t now_ns) const;
  /// Milliseconds until due(), at most `timeout_ms`.
  int wait_ms(std::int64_t now_ns, int timeout_ms) const;
  /// Hands the batch over; nullptr when empty.
  std::unique_ptr<Batch> take();

 private:
  Batch& batch_for(std::size_t body_bytes);
  BatchLimits limits_;
  std::unique_ptr<Batch> batch_;
  std::int64_t first_ns_ = 0;
  std::size_t records_hint_ = 1024;
};

}  // namespace tidewaiter::ingest
