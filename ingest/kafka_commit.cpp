// Offsets to Kafka: only what the store has said is durable, asynchronously; at a revoke and at the end waited for.
#include <algorithm>
#include <cstring>

#include "core/failpoint.hpp"
#include "core/log_line.hpp"
#include "ingest/kafka_source_state.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t metadata_bytes_max = 4096;  // offset.metadata.max.bytes of a broker by default

}  // namespace

PartitionListPtr KafkaSource::State::commit_list(const std::vector<LaneOffset>& offsets) {
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const LaneOffset& offset : offsets) {
    const Origin& origin = *offset.lane.first;
    auto* entry = rd_kafka_topic_partition_list_add(list.get(), origin.topic.c_str(),
                                                    static_cast<std::int32_t>(offset.lane.second));
    entry->offset = static_cast<std::int64_t>(offset.next_offset);
    if (offset.leader_epoch >= 0) rd_kafka_topic_partition_set_leader_epoch(entry, offset.leader_epoch);
    if (!options.commit_metadata) continue;
    const std::string metadata = options.commit_metadata(origin);
    if (metadata.empty() || metadata.size() > metadata_bytes_max) continue;
    entry->metadata = ::strdup(metadata.c_str());  // librdkafka frees it
    entry->metadata_size = metadata.size();
    sent_metadata[&origin] = metadata;
  }
  return list;
}

/// Offsets that are new. None: one old one again when there is new metadata, since a group that is idle must know the
/// newest head too.
std::vector<LaneOffset> KafkaSource::State::next_commit(std::int64_t now_ns) {
  std::vector<LaneOffset> offsets;
  std::optional<LaneOffset> old;
  {
    std::lock_guard lock(mutex);
    offsets = ledger.committable();
    ledger.sent(offsets);
    if (offsets.empty()) old = ledger.any_durable();
  }
  const bool soon = now_ns - last_commit_ns < std::int64_t{options.metadata_commit_ms} * 1'000'000;
  if (!old || soon || !options.commit_metadata) return offsets;
  const Origin* origin = old->lane.first;
  const std::string metadata = options.commit_metadata(*origin);
  if (!metadata.empty() && metadata != sent_metadata[origin]) offsets.push_back(*old);
  return offsets;
}

void KafkaSource::State::commit_offsets() {
  const std::int64_t now_ns = clock.now_ns();
  if (now_ns - last_commit_ns < std::int64_t{options.offset_commit_ms} * 1'000'000) return;
  const std::vector<LaneOffset> offsets = next_commit(now_ns);
  if (offsets.empty()) return;
  last_commit_ns = now_ns;
  failpoint(Failpoint::kafka_before_commit);
  const auto error = rd_kafka_commit(client.get(), commit_list(offsets).get(), 1);
  failpoint(Failpoint::kafka_after_commit);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  std::lock_guard lock(mutex);
  for (const LaneOffset& offset : offsets) ledger.refused(offset.lane);
}

/// The answer to an asynchronous commit. What was refused is offered again with the next one.
void KafkaSource::State::on_commit_answer(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* list) {
  if (list == nullptr || error == RD_KAFKA_RESP_ERR__NO_OFFSET) return;
  for (int i = 0; i < list->cnt; ++i) {
    const auto& entry = list->elems[i];
    const auto cause = error != RD_KAFKA_RESP_ERR_NO_ERROR ? error : entry.err;
    if (cause == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    log_line(Level::warn, "kafka refused an offset commit; it will be sent again",
             {{"topic", entry.topic}, {"partition", std::to_string(entry.partition)},
              {"reason", kafka_error_text(cause)}});
    const auto found = partitions.find(Name(entry.topic, entry.partition));
    if (found == partitions.end()) continue;
    std::lock_guard lock(mutex);
    ledger.refused({found->second.origin, static_cast<std::uint32_t>(entry.partition)});
  }
}

/// Commits and waits for the answer, at most `timeout_ms`: before a partition is given back, and at the end.
void KafkaSource::State::commit_offsets_now(int timeout_ms) {
  last_commit_ns = 0;
  const std::vector<LaneOffset> offsets = next_commit(clock.now_ns());
  if (offsets.empty()) return;
  QueuePtr answers(rd_kafka_queue_new(client.get()));
  const auto error = rd_kafka_commit_queue(client.get(), commit_list(offsets).get(), answers.get(), nullptr, nullptr);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  EventPtr answer(rd_kafka_queue_poll(answers.get(), timeout_ms));
  if (answer && rd_kafka_event_error(answer.get()) == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  log_line(Level::warn, "kafka did not confirm the last offset commit; the store knows better and goes on from its own",
           {{"reason", answer ? kafka_error_text(rd_kafka_event_error(answer.get())) : "no answer in time"}});
}

/// Waits until what was handed over is durable. After revoke_wait_ms only for what is being written this moment: it
/// cannot be called back any more; everything else will be removed by claim().
void KafkaSource::State::wait_until_settled(const std::vector<Lane>& lanes) {
  const auto wait = std::chrono::milliseconds(options.revoke_wait_ms);
  auto all = [&](auto good) { return std::all_of(lanes.begin(), lanes.end(), good); };
  std::unique_lock lock(mutex);
  const bool done = settled.wait_for(lock, wait, [&] { return all([&](Lane lane) { return ledger.settled(lane); }); });
  if (done) return;
  const bool written =
      settled.wait_for(lock, wait, [&] { return all([&](Lane lane) { return !writing.contains(lane); }); });
  lock.unlock();
  log_line(Level::warn, "kafka partitions are given back before all batches under way were stored",
           {{"a_commit_still_runs", written ? "no" : "yes"}});
}

}  // namespace tidewaiter::ingest
