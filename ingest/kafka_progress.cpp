// Is the consumer getting on? librdkafka's fetching or joining loses its way now and then: after a broker was frozen, a
// topic made anew under it, a session lost. Nothing is lost by it, but nothing comes either, and nobody says so.
#include <algorithm>

#include "core/log_line.hpp"
#include "ingest/kafka_source_state.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::int64_t bootstrap_first_ns = 5'000'000'000, again_max_ns = 300'000'000'000;
constexpr std::int64_t unassigned_patience_ns = 60'000'000'000;  // other members may take long to give theirs back

std::int64_t doubled(std::int64_t first_ns, int tries) { return first_ns << std::min(tries, 20); }
std::int64_t doubled_to_max(std::int64_t first_ns, int tries) { return std::min(doubled(first_ns, tries), again_max_ns); }

}  // namespace

void KafkaSource::State::rejoin_if_needed() {
  if (rejoin_at_ns == 0 || clock.now_ns() < rejoin_at_ns) return;
  rejoin_at_ns = 0;
  rd_kafka_topic_partition_list_t* raw = nullptr;
  if (rd_kafka_subscription(client.get(), &raw) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  PartitionListPtr subscription(raw);
  rd_kafka_unsubscribe(client.get());
  rd_kafka_subscribe(client.get(), subscription.get());
}

/// A broker that was just started or frozen may answer that there are no brokers at all. librdkafka then lets go of every
/// one it knows and never looks for another (confluentinc/librdkafka issue 5301): it is told once more where to begin.
/// Brokers that it still has stay as they are.
void KafkaSource::State::bootstrap_if_lost() {
  const std::int64_t now_ns = clock.now_ns();
  if (!brokers_lost) bootstrap_tries = 0;
  if (!brokers_lost || now_ns - bootstrapped_ns < doubled_to_max(bootstrap_first_ns, bootstrap_tries)) return;
  bootstrapped_ns = now_ns;
  ++bootstrap_tries;
  for (const char* name : {"bootstrap.servers", "metadata.broker.list"})
    if (const auto servers = options.properties.find(name); servers != options.properties.end())
      rd_kafka_brokers_add(client.get(), servers->second.c_str());
}

/// A partition that gives nothing for long although the brokers have more of it, or no assignment for long after one was
/// taken away: joining the group anew begins both afresh, and costs no more than a rebalance where it was not needed.
void KafkaSource::State::watch_progress() {
  const std::int64_t now_ns = clock.now_ns();
  if (is_paused || fenced || closing || rejoin_at_ns != 0) {
    for (auto& [name, partition] : partitions) partition.moved_ns = now_ns;
    if (unassigned_since_ns != 0) unassigned_since_ns = now_ns;
    return;
  }
  if (unassigned_since_ns != 0 && now_ns - unassigned_since_ns > doubled_to_max(unassigned_patience_ns, unassigned_tries))
    return join_unassigned();
  if (const auto ends = end_watch->answer(); ends) judge_ends(*ends, now_ns);
  ask_for_ends(now_ns);
}

/// Twice as long each time, without an end: a long stretch of aborted transactions gives nothing either, and one of the
/// tries must outlast it.
std::int64_t KafkaSource::State::patience_ns(int tries) const {
  return doubled(std::int64_t{options.stall_ms} * 1'000'000, tries);
}

void KafkaSource::State::join_unassigned() {
  log_line(Level::warn, "kafka has given no partitions since they were taken away: joining the group anew",
           {{"after_ms", std::to_string(doubled_to_max(unassigned_patience_ns, unassigned_tries) / 1'000'000)}});
  rejoin_at_ns = unassigned_since_ns = clock.now_ns();
  ++unassigned_tries;
}

/// Of the partitions that were silent for long and not refused: one request per leader, and none while everything moves.
void KafkaSource::State::ask_for_ends(std::int64_t now_ns) {
  if (now_ns - ends_asked_ns < patience_ns(0)) return;
  std::vector<Name> silent;
  for (const auto& [name, partition] : partitions)
    if (now_ns - partition.moved_ns > patience_ns(partition.tries) && !refused.contains(name)) silent.push_back(name);
  if (!end_watch->ask(silent)) return;
  ends_asked_ns = now_ns;
}

/// What was silent since before the question, is behind what the brokers have, and does not wait for us in the queue.
void KafkaSource::State::judge_ends(const std::vector<EndWatch::End>& ends, std::int64_t now_ns) {
  for (const EndWatch::End& end : ends) {
    const auto found = partitions.find(end.name);
    if (found == partitions.end() || refused.contains(end.name)) continue;
    Partition& partition = found->second;
    if (partition.reached == UINT64_MAX) partition.reached = end.offset;  // began at the end, which was not known
    if (partition.moved_ns >= ends_asked_ns || end.offset <= partition.reached) continue;
    if (rd_kafka_queue_length(partition.queue.get()) != 0) continue;
    log_line(Level::warn, "kafka has messages of a partition but gives none: joining the group anew",
             {{"topic", end.name.first}, {"partition", std::to_string(end.name.second)},
              {"reached", std::to_string(partition.reached)}, {"end", std::to_string(end.offset)},
              {"after_ms", std::to_string((now_ns - partition.moved_ns) / 1'000'000)}});
    stalled[end.name] = {partition.reached, partition.tries + 1};
    rejoin_at_ns = now_ns;
  }
}

}  // namespace tidewaiter::ingest
