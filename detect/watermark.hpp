// Watermark: how far event time has surely come (Akidau et al., "The Dataflow Model", VLDB 2015). Per partition the
// newest event time; the watermark is the minimum over partitions not named idle, less the allowed disorder, and never
// moves back. Only what is stored moves it (semantics 14).
//
// Partitions are read at very different speeds, above all in a backlog. So nothing is late before the first tick or
// the first 20,000 events: until then the watermark is not set and partitions can still make themselves known.
// A single clock that runs ahead must not blind the windows: an event more than an hour ahead of its partition counts
// only once two more events of the partition came after it, and a skewed clock (time_quality, flags, or ahead of the
// record's own receive time) never counts.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "detect/codec.hpp"

namespace tidewaiter::detect {

class Watermark {
 public:
  static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::min();

  explicit Watermark(std::int64_t out_of_order_ns) : out_of_order_ns_(out_of_order_ns) {}

  /// Number of the record's partition, dense in order of appearance. O(1) for runs of one partition.
  std::uint32_t partition_of(const Record& record);

  /// An event of `partition`. True when it is late. Does not move the watermark: advance() does, after scoring.
  bool late(std::int64_t event_ns) const { return event_ns < now_; }
  /// After the event has been scored; true when the watermark moved.
  bool advance(std::uint32_t partition, const Record& record, const Event& event);

  /// One named partition of a tick.
  void name(std::string_view cluster, const TopicId& topic_id, std::string_view topic, std::uint32_t partition,
            bool idle);
  /// After the partitions of a tick were named; true when the watermark moved.
  bool tick(std::int64_t event_time_ns);

  std::int64_t now() const { return now_; }
  std::size_t partitions() const { return partitions_.size(); }
  std::size_t idle() const;
  const Origin* origin(std::uint32_t partition) const { return partitions_[partition].origin; }
  std::uint32_t number(std::uint32_t partition) const { return partitions_[partition].number; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  struct Partition {
    const Origin* origin = nullptr;
    std::uint32_t number = 0;
    bool idle = false;
    std::int64_t newest_ns = none;
    std::int64_t leap_ns = none;  // a time far ahead that waits for confirmation
    std::uint32_t leap_seen = 0;
  };
  std::uint32_t find_or_add(const Origin* origin, std::uint32_t number);
  bool settle();

  const std::int64_t out_of_order_ns_;
  std::vector<Partition> partitions_;
  std::uint32_t last_ = 0;           // partition of the last record
  std::uint32_t slowest_ = 0;        // the active partition that holds the watermark
  std::uint64_t held_events_ = 0;    // seen before the watermark was first set
  bool started_ = false;
  std::int64_t now_ = none;
};

}  // namespace tidewaiter::detect
