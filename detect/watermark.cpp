#include "detect/watermark.hpp"

#include <algorithm>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t leap_ns_max = 3600 * second_ns;
constexpr std::int64_t ahead_ns_max = 300 * second_ns;
constexpr std::uint32_t leap_confirmations = 2;
constexpr std::uint64_t held_events_max = 20'000;

bool skewed(const Record& record, const Event& event) {
  return (event.get(Num::flags) & flag::clock_skew) != 0 ||
         event.get(Num::time_quality) == static_cast<std::uint64_t>(TimeQuality::skewed) ||
         (record.receive_time_ns > 0 && event.time_ns() > record.receive_time_ns + ahead_ns_max);
}

}  // namespace

std::uint32_t Watermark::find_or_add(const Origin* origin, std::uint32_t number) {
  for (std::uint32_t i = 0; i < partitions_.size(); ++i)
    if (partitions_[i].number == number &&
        (partitions_[i].origin == origin || (partitions_[i].origin->topic_id == origin->topic_id &&
                                             partitions_[i].origin->cluster == origin->cluster)))
      return i;
  Partition partition;
  partition.origin = origin;
  partition.number = number;
  partitions_.push_back(partition);
  return static_cast<std::uint32_t>(partitions_.size() - 1);
}

std::uint32_t Watermark::partition_of(const Record& record) {
  if (last_ >= partitions_.size() || partitions_[last_].origin != record.origin ||
      partitions_[last_].number != record.partition)
    last_ = find_or_add(record.origin, record.partition);
  return last_;
}

bool Watermark::advance(std::uint32_t at, const Record& record, const Event& event) {
  Partition& partition = partitions_[at];
  const std::int64_t time = event.time_ns();
  partition.idle = false;
  if (!started_ && ++held_events_ >= held_events_max) started_ = true;
  if (skewed(record, event)) return false;
  if (partition.newest_ns != none && time > partition.newest_ns + leap_ns_max) {
    if (partition.leap_ns == none || time < partition.leap_ns) {
      partition.leap_seen = partition.leap_ns == none ? 0 : partition.leap_seen + 1;
      partition.leap_ns = time;
    } else {
      ++partition.leap_seen;
    }
    if (partition.leap_seen < leap_confirmations) return false;
    partition.newest_ns = partition.leap_ns;
  } else {
    if (time <= partition.newest_ns) return false;
    partition.newest_ns = time;
  }
  partition.leap_ns = none;
  return (at == slowest_ || now_ == none) && settle();
}

// Only the slowest partition can move the minimum, so the search runs about once per partition and round.
bool Watermark::settle() {
  if (!started_) return false;
  std::int64_t slowest = std::numeric_limits<std::int64_t>::max();
  for (std::uint32_t i = 0; i < partitions_.size(); ++i)
    if (!partitions_[i].idle && partitions_[i].newest_ns < slowest) {
      slowest = partitions_[i].newest_ns;
      slowest_ = i;
    }
  if (slowest == std::numeric_limits<std::int64_t>::max() || slowest == none) return false;
  if (slowest - out_of_order_ns_ <= now_) return false;
  now_ = slowest - out_of_order_ns_;
  return true;
}

void Watermark::name(std::string_view cluster, const TopicId& topic_id, std::string_view topic,
                     std::uint32_t number, bool idle) {
  Partition& partition = partitions_[find_or_add(intern_origin(cluster, topic_id, topic), number)];
  partition.idle = idle;
  if (idle && partition.leap_ns != none) {
    partition.newest_ns = partition.leap_ns;  // nothing came to contradict it
    partition.leap_ns = none;
  }
}

bool Watermark::tick(std::int64_t event_time_ns) {
  started_ = true;
  const bool all_idle = !partitions_.empty() && idle() == partitions_.size();
  if (!all_idle) return settle();
  if (event_time_ns <= now_) return false;
  now_ = event_time_ns;
  return true;
}

std::size_t Watermark::idle() const {
  return static_cast<std::size_t>(std::ranges::count_if(partitions_, [](const Partition& p) { return p.idle; }));
}

void Watermark::save(SnapshotWriter& out) const {
  out.put<std::uint64_t>(partitions_.size());
  for (const Partition& partition : partitions_) {
    out.put_text(partition.origin->cluster);
    out.put(partition.origin->topic_id);
    out.put_text(partition.origin->topic);
    out.put(partition.number);
    out.put(partition.idle);
    out.put(partition.newest_ns);
    out.put(partition.leap_ns);
    out.put(partition.leap_seen);
  }
  out.put(slowest_);
  out.put(held_events_);
  out.put(started_);
  out.put(now_);
}

void Watermark::load(SnapshotReader& in) {
  partitions_.clear();
  const std::uint64_t count = in.get_count(40);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    Partition partition;
    const std::string cluster = in.get_text();
    const auto topic_id = in.get<TopicId>();
    partition.origin = intern_origin(cluster, topic_id, in.get_text());
    partition.number = in.get<std::uint32_t>();
    partition.idle = in.get<bool>();
    partition.newest_ns = in.get<std::int64_t>();
    partition.leap_ns = in.get<std::int64_t>();
    partition.leap_seen = in.get<std::uint32_t>();
    partitions_.push_back(partition);
  }
  last_ = 0;
  slowest_ = in.get<std::uint32_t>();
  held_events_ = in.get<std::uint64_t>();
  started_ = in.get<bool>();
  now_ = in.get<std::int64_t>();
}

}  // namespace tidewaiter::detect
