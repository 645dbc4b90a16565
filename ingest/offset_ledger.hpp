// OffsetLedger: which offsets may be committed to Kafka now, and which records are still ours. Pure bookkeeping.
// The one rule (promise P1): an offset is offered for commit only when the store has said that all before it is durable,
// and only while its partition is assigned to us. Not thread-safe: KafkaSource holds a lock around it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/record.hpp"

namespace tidewaiter::ingest {

/// A partition of a topic's incarnation: another topic id is another Origin.
using Lane = std::pair<const Origin*, std::uint32_t>;

struct LaneOffset {
  Lane lane;
  std::uint64_t next_offset;
  std::int32_t leader_epoch = -1;  // of the message before next_offset; -1: not known
};

class OffsetLedger {
 public:
  /// A new assignment begins at `start`, before which everything is durable; Kafka knows of `committed`, and what it does
  /// not know is offered at once. Returns its generation: batches cut from now on carry it or a higher one.
  /// `to_be_looked_at`: the epoch of the message before `start` is not known before looked_at() or durable(), and until
  /// then the lane is not any_durable(): that commit would take from Kafka the epoch that the look compares with.
  std::uint64_t assigned(Lane lane, std::uint64_t start, std::uint64_t committed = UINT64_MAX,
                         bool to_be_looked_at = false);
  /// Right after: Kafka's log still has the message before `start`, which is of this epoch. What was committed is less
  /// than `start`: offered again.
  void looked_at(Lane lane, std::uint64_t committed, std::int32_t leader_epoch);
  void revoked(Lane lane);
  /// Its topic is no more: nothing is committed for it, but what is under way may still be stored.
  void retire(Lane lane);
  std::uint64_t generation() const { return generation_; }
  /// Assigned and retired lanes of a topic's name.
  std::vector<Lane> named(std::string_view topic, std::uint32_t partition) const;
  /// A record of a batch of this generation belongs to the assignment that holds now.
  bool is_current(Lane lane, std::uint64_t batch_generation) const;

  /// Offsets before `next` were given to the writer. Of a lane that is not ours: ignored, as below.
  void handed_over(Lane lane, std::uint64_t next);
  void durable(Lane lane, std::uint64_t next, std::int32_t leader_epoch = -1);
  /// Nothing is under way between the hand-over and the store.
  bool settled(Lane lane) const;
  /// The batches under way were given up or removed: they will be read again or are not ours.
  void forget_under_way(Lane lane);

  /// Durable and not sent yet. sent() after the request has gone out; refused() when the answer was an error.
  std::vector<LaneOffset> committable() const;
  /// Some assigned lane's durable offset with its epoch, sent or not; none while nothing is stored of any.
  std::optional<LaneOffset> any_durable() const;
  void sent(const std::vector<LaneOffset>& offsets);
  void refused(Lane lane);

 private:
  struct State {
    std::uint64_t generation, start, handed_over, durable, sent;
    bool retired, to_be_looked_at;
    std::int32_t leader_epoch = -1;
  };
  std::map<Lane, State> lanes_;
  std::uint64_t generation_ = 0;
};

}  // namespace tidewaiter::ingest
