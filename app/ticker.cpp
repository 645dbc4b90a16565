#include "app/ticker.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

void append_partition(std::string& out, const Origin& origin, std::uint32_t partition) {
  if (out.back() != '[') out += ',';
  out += "{\"cluster\":";
  append_json_string(out, origin.cluster);
  out += ",\"topic_id\":\"";
  out += to_hex({reinterpret_cast<const char*>(origin.topic_id.data()), origin.topic_id.size()});
  out += "\",\"topic\":";
  append_json_string(out, origin.topic);
  out += ",\"partition\":" + std::to_string(partition) + "}";
}

}  // namespace

// An event without a time of its own carries its receive time: in a backlog that is years ahead of its neighbours.
void Ticker::Partition::see(const Event& event) {
  const auto quality = static_cast<TimeQuality>(event.get(Num::time_quality));
  const bool own_time = quality != TimeQuality::receive && quality != TimeQuality::skewed;
  if (own_time && !has_own_time) event_time_ns = 0;
  has_own_time = has_own_time || own_time;
  if (own_time == has_own_time) event_time_ns = std::max(event_time_ns, event.time_ns());
}

bool Ticker::ByName::operator()(const Key& a, const Key& b) const {
  const auto& [origin_a, partition_a] = a;
  const auto& [origin_b, partition_b] = b;
  return std::tie(origin_a->cluster, origin_a->topic_id, partition_a) <
         std::tie(origin_b->cluster, origin_b->topic_id, partition_b);
}

std::optional<std::string> Ticker::announce(const std::vector<std::pair<const Origin*, std::uint32_t>>& assigned,
                                            std::int64_t now_ns) {
  bool added = false;
  for (const auto& [origin, number] : assigned) {
    auto [place, is_new] = partitions_.try_emplace(Key{origin, number});
    if (!is_new) continue;
    place->second.received_ns = now_ns;
    place->second.changed = added = true;
  }
  if (!added) return std::nullopt;
  return tick(event_time_reached(now_ns));
}

void Ticker::observe(const Commit& commit, std::int64_t now_ns) {
  Partition* partition = nullptr;
  Key last{nullptr, 0};
  for (const Record& record : commit.records) {
    if (is_own(record.kind) || record.origin == nullptr) continue;
    if (Key key{record.origin, record.partition}; partition == nullptr || key != last) {
      partition = &partitions_[key];
      last = key;
    }
    partition->received_ns = now_ns;
    if (partition->idle) {
      partition->idle = false;
      partition->changed = true;
    }
    for (std::uint32_t i = record.first_event; i < record.first_event + record.event_count; ++i)
      partition->see(commit.events[i]);
  }
}

void Ticker::set_at_end(const Origin* origin, std::uint32_t partition, bool at_end) {
  if (auto found = partitions_.find(Key{origin, partition}); found != partitions_.end()) found->second.at_end = at_end;
}

bool Ticker::silent(const Partition& partition, std::int64_t now_ns) const {
  return !partition.idle && now_ns - partition.received_ns >= config_.idle_after_ms * ns_per_ms;
}

bool Ticker::suspects_idle(std::int64_t now_ns) const {
  return std::any_of(partitions_.begin(), partitions_.end(),
                     [&](const auto& entry) { return silent(entry.second, now_ns); });
}

std::optional<std::string> Ticker::due(std::int64_t now_ns) {
  bool all_idle = !partitions_.empty(), changed = false;
  for (auto& [key, partition] : partitions_) {
    if (silent(partition, now_ns) && partition.at_end) {
      partition.idle = true;
      partition.changed = true;
    }
    all_idle = all_idle && partition.idle;
    changed = changed || partition.changed;
  }
  const bool periodic = all_idle && now_ns - last_tick_ns_ >= config_.tick_interval_ms * ns_per_ms;
  if (!changed && !periodic) return std::nullopt;
  last_tick_ns_ = now_ns;
  return tick(event_time_reached(now_ns));
}

std::optional<std::string> Ticker::end_of_input() {
  if (partitions_.empty()) return std::nullopt;
  std::int64_t newest = 0;
  bool changed = false;
  for (auto& [key, partition] : partitions_) {
    changed = changed || !partition.idle;
    partition.changed = partition.changed || !partition.idle;
    partition.idle = true;
    newest = std::max(newest, partition.event_time_ns);
  }
  if (!changed) return std::nullopt;
  return tick(newest);
}

// Event time runs on at the speed of the wall clock from where the newest message left it: a backlog of old events does
// not jump to today when it has been read.
std::int64_t Ticker::event_time_reached(std::int64_t now_ns) const {
  std::int64_t newest = 0, received = 0;
  for (const auto& [key, partition] : partitions_) {
    newest = std::max(newest, partition.event_time_ns);
    received = std::max(received, partition.received_ns);
  }
  return newest + std::max<std::int64_t>(0, now_ns - received);
}

std::string Ticker::tick(std::int64_t event_time_ns) {
  std::string idle = "[", active = "[";
  for (auto& [key, partition] : partitions_) {
    if (!partition.changed) continue;
    partition.changed = false;
    append_partition(partition.idle ? idle : active, *std::get<0>(key), std::get<1>(key));
  }
  return "{\"type\":\"tick\",\"idle\":" + idle + "],\"active\":" + active +
         "],\"event_time_ns\":" + std::to_string(event_time_ns) + "}";
}

}  // namespace tidewaiter::app
