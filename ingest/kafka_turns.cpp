// Whose messages come next. Each partition has a queue of its own, and the one whose last message is the oldest by Kafka's
// time gives next, as in Kafka Streams (KIP-353): the order in which fetches are answered would put partitions days of
// event time apart while a backlog is read, and everything that waits for a window to close would have to wait in memory.
//
// Times are the producers' word and order nothing but the reading: whoever writes them wrong delays itself or its
// neighbours a little, since every eighth turn goes to who has waited longest.
#include <algorithm>
#include <chrono>

#include "ingest/kafka_source_state.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t turn_max = 128, turn_bytes_max = 16u << 20;
constexpr std::uint64_t turns_between_looks = 16, fair_every = 8;
constexpr std::int64_t patience_for_answer_ns = 1'000'000'000;

}  // namespace

/// Before the partition is assigned: librdkafka then leaves it apart from the common queue.
void KafkaSource::State::give_own_queue(const Name& name, Partition& partition) {
  partition.queue.reset(rd_kafka_queue_get_partition(client.get(), name.first.c_str(), name.second));
  rd_kafka_queue_forward(partition.queue.get(), nullptr);
  wake_by(partition.queue.get());
  waiting.clear();
}

void KafkaSource::State::wake_by(rd_kafka_queue_t* source) {
  rd_kafka_queue_cb_event_enable(
      source,
      [](rd_kafka_t*, void* opaque) {
        State& state = *static_cast<State*>(opaque);
        {
          std::lock_guard lock(state.arrival_mutex);
          state.arrived = true;
        }
        state.arrival.notify_one();
      },
      this);
}

/// Serves librdkafka's callbacks (rebalance among them) and takes some messages of one partition, or waits for some.
void KafkaSource::State::consume(int timeout_ms) {
  {
    std::lock_guard lock(arrival_mutex);
    arrived = false;
  }
  if (fetch_next() || timeout_ms <= 0) return;
  wait_for_messages(timeout_ms);
  fetch_next();
}

void KafkaSource::State::wait_for_messages(int timeout_ms) {
  std::unique_lock lock(arrival_mutex);
  arrival.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return arrived; });
}

bool KafkaSource::State::fetch_next() {
  if (fetch(queue.get(), turn_max)) return true;  // callbacks, and errors of no partition
  while (Partition* const next = next_partition()) {
    next->turn = ++turn;
    if (fetch(next->queue.get(), next->at_once == 0 ? turn_max : next->at_once)) {
      std::size_t largest = 1;
      for (const rd_kafka_message_t* message : held) largest = std::max(largest, message->len);
      next->at_once = std::clamp<std::size_t>(turn_bytes_max / largest, 1, turn_max);
      return true;
    }
    waiting.clear();  // what was there belonged to an earlier fetch
  }
  return false;
}

/// What is there now, without waiting.
bool KafkaSource::State::fetch(rd_kafka_queue_t* from, std::size_t most) {
  held.resize(most);
  const auto got = rd_kafka_consume_batch_queue(from, 0, held.data(), most);
  held.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  held_at = 0;
  receive_ns = clock.now_ns();
  if (held.empty()) return false;
  std::uint64_t bytes = 0;
  for (const rd_kafka_message_t* message : held) bytes += message->len;
  std::lock_guard lock(mutex);
  public_status.messages += held.size();
  public_status.bytes += bytes;
  return true;
}

KafkaSource::State::Partition* KafkaSource::State::next_partition() {
  if (turn - looked_at_turn < turns_between_looks)
    if (Partition* const next = choose()) return next;
  look_who_waits();
  return choose();
}

/// Nobody while messages of a partition that is further behind are on their way.
KafkaSource::State::Partition* KafkaSource::State::choose() const {
  if (waiting.empty()) return nullptr;
  if (turn % fair_every == 0) return *std::ranges::min_element(waiting, {}, &Partition::turn);
  Partition* const next = *std::ranges::min_element(waiting, {}, &Partition::time_ms);
  return next->time_ms > awaited_ms ? nullptr : next;
}

void KafkaSource::State::look_who_waits() {
  looked_at_turn = turn;
  waiting.clear();
  awaited_ms = INT64_MAX;
  for (auto& [name, partition] : partitions) {
    if (rd_kafka_queue_length(partition.queue.get()) != 0)
      waiting.push_back(&partition);
    else if (partition.time_ms < awaited_ms && has_more(name, partition))
      awaited_ms = partition.time_ms;
  }
}

/// Its next message is known to be at the broker, and its silence is not longer than that of a fetch under way.
bool KafkaSource::State::has_more(const Name& name, const Partition& partition) const {
  if (partition.at_end || is_paused || receive_ns - partition.moved_ns > patience_for_answer_ns) return false;
  std::int64_t low = 0, high = RD_KAFKA_OFFSET_INVALID;
  rd_kafka_get_watermark_offsets(client.get(), name.first.c_str(), name.second, &low, &high);
  return high < 0 || static_cast<std::uint64_t>(high) > partition.next_offset;
}

}  // namespace tidewaiter::ingest
