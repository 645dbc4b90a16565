// Assignment of partitions: where each starts, how it is given back, and which incarnation of its topic it is.
#include <algorithm>
#include <cstring>
#include <tuple>

#include "core/log_line.hpp"
#include "core/text.hpp"
#include "ingest/kafka_rules.hpp"
#include "ingest/kafka_source_state.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr int ask_timeout_ms = 5'000, quick_ask_timeout_ms = 2'000, seek_timeout_ms = 5'000;
constexpr int asks_at_assignment = 4;
constexpr std::int64_t rejoin_after_ns = 2'000'000'000;

std::string hex_of(const TopicId& id) { return to_hex({reinterpret_cast<const char*>(id.data()), id.size()}); }

bool is_cooperative(rd_kafka_t* client) {
  const char* protocol = rd_kafka_rebalance_protocol(client);
  return protocol != nullptr && std::strcmp(protocol, "COOPERATIVE") == 0;
}

void log_failure(rd_kafka_error_t* raw, const char* what) {
  if (ErrorPtr error(raw); error)
    log_line(Level::error, what, {{"reason", rd_kafka_error_string(error.get())}});
}

}  // namespace

void KafkaSource::State::on_rebalance(rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list) {
  last_partition = nullptr;
  waiting.clear();
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return assign(list);
  if (event != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
    log_line(Level::error, "kafka rebalance failed", {{"reason", kafka_error_text(event)}});
  revoke(list);
  unassign(list);
}

std::vector<std::string> KafkaSource::State::assigned_topics() const {
  std::vector<std::string> topics;
  for (const auto& [name, partition] : partitions)
    if (topics.empty() || topics.back() != name.first) topics.push_back(name.first);
  return topics;
}

void KafkaSource::State::assign(rd_kafka_topic_partition_list_t* list) {
  const bool known = closing || learn_topics(list);
  if (!known) {
    // Without its topic id a message has no coordinates: take nothing, and join anew in a moment.
    log_line(Level::error, "kafka topic ids are not to be had: joining the group anew");
    rejoin_at_ns = clock.now_ns() + rejoin_after_ns;
    list->cnt = 0;
  }
  const PartitionListPtr committed = known && list->cnt > 0 ? committed_of(list) : nullptr;
  for (int i = 0; i < list->cnt; ++i) {
    auto& entry = list->elems[i];
    enter(entry, committed ? rd_kafka_topic_partition_list_find(committed.get(), entry.topic, entry.partition)
                           : nullptr);
  }
  if (is_cooperative(client.get()))
    log_failure(rd_kafka_incremental_assign(client.get(), list), "kafka assignment failed");
  else if (const auto error = rd_kafka_assign(client.get(), list); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    log_line(Level::error, "kafka assignment failed", {{"reason", kafka_error_text(error)}});
  if (is_paused && list->cnt > 0) rd_kafka_pause_partitions(client.get(), list);
  std::erase_if(refused, [&](const Name& name) { return !partitions.contains(name); });  // another member's to ask for
  if (known) accepted();
  last_topic_check_ns = clock.now_ns();
  unassigned_since_ns = known ? 0 : clock.now_ns();
  if (known) unassigned_tries = 0;
  brokers_lost = !known;
  log_line(Level::info, "kafka partitions assigned", {{"count", std::to_string(list->cnt)}});
}

/// Makes one partition ours: from here its messages have an origin and a place in the ledger.
void KafkaSource::State::enter(rd_kafka_topic_partition_t& entry, const rd_kafka_topic_partition_t* committed) {
  const auto number = static_cast<std::uint32_t>(entry.partition);
  Partition partition;
  partition.origin = intern_origin(cluster, topic_ids[entry.topic], entry.topic);
  const auto start = start_of(*partition.origin, number, committed);
  if (start) {
    entry.offset = static_cast<std::int64_t>(*start);
    if (committed != nullptr && committed->offset <= entry.offset && is_own(*partition.origin, *committed) &&
        rd_kafka_topic_partition_get_leader_epoch(committed) >= 0) {
      partition.look_epoch = rd_kafka_topic_partition_get_leader_epoch(committed);
      partition.look_from = static_cast<std::uint64_t>(committed->offset - 1);
      partition.look_until = *start;
      entry.offset = committed->offset - 1;
    }
  } else {
    const bool from_end = starts_at_end(options.properties) && !holds_older_partition(*partition.origin, number);
    const auto before = stalled.find(Name(entry.topic, entry.partition));  // began at an end that lies behind us now
    entry.offset = !from_end ? RD_KAFKA_OFFSET_BEGINNING
                   : before != stalled.end() ? static_cast<std::int64_t>(before->second.first) : RD_KAFKA_OFFSET_END;
    partition.anywhere = from_end;
  }
  partition.moved_ns = clock.now_ns();
  partition.reached = entry.offset >= 0 ? static_cast<std::uint64_t>(entry.offset)
                      : partition.anywhere ? UINT64_MAX : 0;
  if (const auto before = stalled.find(Name(entry.topic, entry.partition)); before != stalled.end()) {
    if (partition.reached <= before->second.first)
      std::tie(partition.stalled_at, partition.tries) = before->second;
    else
      stalled.erase(before);
  }
  partition.next_offset = partition.confirmed_offset = partition.asked_offset = start.value_or(0);
  // After a commit that Kafka was not told of, no message may come for long that would tell it.
  const std::uint64_t known = committed == nullptr || partition.look_until != 0 ? UINT64_MAX  // not before the look
                              : committed->offset < 0 ? 0 : static_cast<std::uint64_t>(committed->offset);
  {
    std::lock_guard lock(mutex);
    ledger.assigned({partition.origin, number}, partition.next_offset, known, partition.look_until != 0);
  }
  const Name name(entry.topic, entry.partition);
  give_own_queue(name, partition);
  partitions[name] = std::move(partition);
}

/// A partition that was added to a topic while we read it belongs to what we read: all of it, whatever the reset says.
bool KafkaSource::State::holds_older_partition(const Origin& origin, std::uint32_t number) const {
  for (std::uint32_t older = 0; options.position_for && older < number; ++older)
    if (options.position_for(origin, older)) return true;
  return false;
}

/// Committed by this store, for the topic as it is now.
bool KafkaSource::State::is_own(const Origin& origin, const rd_kafka_topic_partition_t& committed) const {
  if (committed.offset <= 0 || committed.metadata == nullptr || !options.commit_metadata) return false;
  const std::string_view theirs(static_cast<const char*>(committed.metadata), committed.metadata_size);
  const std::string ours = options.commit_metadata(origin);
  const std::string_view same = std::string_view(ours).substr(0, ours.find(R"(,"head")"));
  return !same.empty() && theirs.starts_with(same);
}

/// Where the store says. What a configured peer has claimed is skipped and named; a reset by a tool is not followed.
std::optional<std::uint64_t> KafkaSource::State::start_of(const Origin& origin, std::uint32_t number,
                                                          const rd_kafka_topic_partition_t* committed) {
  const std::optional<std::uint64_t> stored =
      options.position_for ? options.position_for(origin, number) : std::nullopt;
  if (committed == nullptr || committed->offset < 0) return stored;
  const auto offset = static_cast<std::uint64_t>(committed->offset);
  const std::string_view metadata(static_cast<const char*>(committed->metadata),
                                  committed->metadata == nullptr ? 0 : committed->metadata_size);
  if (options.committed_metadata && !metadata.empty()) options.committed_metadata(metadata);
  const auto peer = options.peer_of ? options.peer_of(metadata) : std::nullopt;
  if (peer && offset > stored.value_or(0)) {
    builder.add_gap({&origin, number, stored.value_or(0), offset, "claimed by store " + *peer});
    log_line(Level::warn, "kafka offsets are claimed by another store: starting behind them",
             {{"topic", origin.topic}, {"partition", std::to_string(number)}, {"store", *peer},
              {"from", std::to_string(stored.value_or(0))}, {"to", std::to_string(offset)}});
    return offset;
  }
  const bool reset = stored ? offset > *stored || (offset < *stored && metadata.empty()) : metadata.empty();
  if (reset)
    log_line(Level::warn, "kafka's committed offset is not ours and is not followed: the store says where to start",
             {{"topic", origin.topic}, {"partition", std::to_string(number)}, {"committed", std::to_string(offset)},
              {"start", stored ? std::to_string(*stored) : "beginning of the log"}});
  return stored;
}

/// Asks for cluster id and topic ids, patiently. False: not to be had.
bool KafkaSource::State::learn_topics(const rd_kafka_topic_partition_list_t* list) {
  std::vector<std::string> topics;
  for (int i = 0; i < list->cnt; ++i)
    if (std::find(topics.begin(), topics.end(), list->elems[i].topic) == topics.end())
      topics.emplace_back(list->elems[i].topic);
  if (topics.empty()) return true;
  if (cluster.empty()) {
    char* id = rd_kafka_clusterid(client.get(), ask_timeout_ms);
    cluster = id == nullptr ? "unknown" : id;
    if (id != nullptr) rd_kafka_mem_free(client.get(), id);
  }
  for (int i = 0; i < asks_at_assignment; ++i) {
    const auto answers = watch->ask(topics, ask_timeout_ms);
    if (!answers) {
      set_state_reason(answers.error());
      continue;
    }
    std::size_t known = 0;
    for (const TopicAnswer& answer : *answers) {
      if (answer.error != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      ++known;
      if (answer.id == TopicId{} && !topic_ids.contains(answer.topic))
        log_line(Level::warn, "the broker has no topic ids: a topic made anew under its old name cannot be told apart",
                 {{"topic", answer.topic}});
      const auto [place, is_new] = topic_ids.emplace(answer.topic, answer.id);
      if (!is_new && place->second != answer.id) {  // between two assignments
        tell_topic_changed(answer.topic, std::exchange(place->second, answer.id), answer.id, given_back_unconfirmed);
        std::erase_if(given_back_unconfirmed, [&](const auto& one) { return one.first.first == answer.topic; });
      }
    }
    if (known == topics.size()) return true;
  }
  return false;
}

void KafkaSource::State::set_state_reason(const Error& error) {
  if (error.code == Code::permission) return set_state(SourceState::parked, error.message);
  log_line(Level::warn, "kafka", {{"reason", error.message}});
}

PartitionListPtr KafkaSource::State::committed_of(const rd_kafka_topic_partition_list_t* list) {
  PartitionListPtr committed(rd_kafka_topic_partition_list_copy(list));
  const auto error = rd_kafka_committed(client.get(), committed.get(), ask_timeout_ms);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return committed;
  log_line(Level::warn, "kafka committed offsets are not to be had: starting where the store says",
           {{"reason", kafka_error_text(error)}});
  return nullptr;
}

/// True: nothing but a look at what is stored already, and to be dropped.
bool KafkaSource::State::looked_at(rd_kafka_message_t* message, Partition& partition) {
  const auto offset = static_cast<std::uint64_t>(message->offset);
  if (offset < partition.look_from || offset >= partition.look_until) {
    partition.look_until = 0;
    return false;
  }
  const bool same = offset != partition.look_from || rd_kafka_message_leader_epoch(message) == partition.look_epoch;
  if (!same) {
    log_diverged(message, partition);
  } else if (offset + 1 == partition.look_until) {
    std::lock_guard lock(mutex);
    ledger.looked_at({partition.origin, static_cast<std::uint32_t>(message->partition)}, partition.look_from + 1,
                     rd_kafka_message_leader_epoch(message));
  }
  return true;
}

/// Another leader has given the offsets that we hold to other messages: all of the log is read again. What is the same
/// is a duplicate, what is not is a conflict.
void KafkaSource::State::log_diverged(const rd_kafka_message_t* message, Partition& partition) {
  const std::string topic = rd_kafka_topic_name(message->rkt);
  log_line(Level::error, "kafka's log is not the one that was read before (unclean leader election): reading it again",
           {{"topic", topic}, {"partition", std::to_string(message->partition)},
            {"offset", std::to_string(message->offset)}, {"leader_epoch_then", std::to_string(partition.look_epoch)},
            {"leader_epoch_now", std::to_string(rd_kafka_message_leader_epoch(message))}});
  partition.look_until = 0;
  partition.backwards_allowed = true;
  drop_held_of(topic, message->partition);
  PartitionListPtr list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), message->partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  if (!seek(list.get())) rejoin_at_ns = clock.now_ns();
}

/// Ends what runs for these partitions: nothing of this assignment is appended after it.
void KafkaSource::State::revoke(const rd_kafka_topic_partition_list_t* list) {
  std::vector<Lane> lanes;
  for (int i = 0; i < list->cnt; ++i) {
    std::lock_guard lock(mutex);
    for (const Lane& lane : ledger.named(list->elems[i].topic, static_cast<std::uint32_t>(list->elems[i].partition)))
      lanes.push_back(lane);
  }
  auto gone = [&](const Record& record) {
    return std::find(lanes.begin(), lanes.end(), Lane(record.origin, record.partition)) != lanes.end();
  };
  builder.drop(gone);
  for (auto& batch : pending) remove_records(*batch, gone);
  std::erase_if(pending, [](const auto& batch) { return batch->records.empty() && batch->gaps.empty(); });
  const bool lost = rd_kafka_assignment_lost(client.get()) != 0;
  if (!lost && !closing) {
    wait_until_settled(lanes);
    commit_offsets_now(quick_ask_timeout_ms);
  }
  std::lock_guard lock(mutex);
  for (const Lane& lane : lanes) ledger.revoked(lane);
  for (int i = 0; i < list->cnt; ++i) {
    const Name name(list->elems[i].topic, list->elems[i].partition);
    const auto found = partitions.find(name);
    if (found == partitions.end()) continue;
    given_back_unconfirmed[name] = {found->second.confirmed_offset, found->second.next_offset};
    partitions.erase(found);
  }
  publish_partitions();
  if (partitions.empty() && !closing) unassigned_since_ns = clock.now_ns();
  log_line(lost ? Level::warn : Level::info, lost ? "kafka partitions lost" : "kafka partitions given back",
           {{"count", std::to_string(lanes.size())}});
}

void KafkaSource::State::unassign(rd_kafka_topic_partition_list_t* list) {
  if (is_cooperative(client.get()))
    log_failure(rd_kafka_incremental_unassign(client.get(), list), "kafka unassignment failed");
  else
    rd_kafka_assign(client.get(), nullptr);
}

/// What is under way is dropped, and every partition begins anew where the store says.
void KafkaSource::State::read_again() {
  drop_held();
  builder.take();
  pending.clear();
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& [name, partition] : partitions)
    rd_kafka_topic_partition_list_add(list.get(), name.first.c_str(), name.second);
  const PartitionListPtr committed = list->cnt > 0 ? committed_of(list.get()) : nullptr;
  for (int i = 0; i < list->cnt; ++i) {
    auto& entry = list->elems[i];
    enter(entry, committed ? rd_kafka_topic_partition_list_find(committed.get(), entry.topic, entry.partition)
                           : nullptr);
  }
  last_partition = nullptr;
  if (list->cnt > 0 && !seek(list.get())) rejoin_at_ns = clock.now_ns();
}

void KafkaSource::State::check_topics() {
  if (const auto answers = watch->answer(); answers) {
    brokers_lost = !*answers;
    if (*answers) {
      if (refused_connection) accepted();
      on_topic_answers(**answers);
    } else {
      set_state_reason(answers->error());
    }
  }
  const std::int64_t now_ns = clock.now_ns();
  if (now_ns - last_topic_check_ns < std::int64_t{options.topic_check_ms} * 1'000'000) return;
  last_topic_check_ns = now_ns;
  if (!watch->ask_in_background(assigned_topics())) return;  // the one before is not answered yet
  for (auto& [name, partition] : partitions) partition.asked_offset = partition.next_offset;
}

void KafkaSource::State::on_topic_answers(const std::vector<TopicAnswer>& answers) {
  for (const TopicAnswer& answer : answers) {
    const auto known = topic_ids.find(answer.topic);
    if (known == topic_ids.end()) continue;
    if (answer.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (missing_topics.insert(answer.topic).second)
        log_line(Level::warn, "kafka topic is not to be had",
                 {{"topic", answer.topic}, {"reason", kafka_error_text(answer.error)}});
      continue;
    }
    missing_topics.erase(answer.topic);
    if (answer.id != known->second) {
      topic_made_anew(answer.topic, answer.id);
    } else {
      for (auto& [name, partition] : partitions)
        if (name.first == answer.topic) partition.confirmed_offset = partition.asked_offset;
    }
  }
}

/// The name now means another topic: what was read since the last equal answer may be of either, so it is named in a
/// control record, and the new topic is read from its beginning under an origin of its own.
void KafkaSource::State::topic_made_anew(const std::string& topic, const TopicId& id) {
  const TopicId before = std::exchange(topic_ids[topic], id);
  if (auto rest = builder.take()) pending.push_back(std::move(rest));
  Unconfirmed unconfirmed;
  std::vector<Lane> lanes;
  for (const auto& [name, partition] : partitions) {
    if (name.first != topic) continue;
    lanes.emplace_back(partition.origin, static_cast<std::uint32_t>(name.second));
    unconfirmed[name] = {partition.confirmed_offset, partition.next_offset};
  }
  tell_topic_changed(topic, before, id, unconfirmed);
  enter_anew(topic, lanes);
}

/// A sentence, and a control record that names what was read since the topic id was last seen unchanged.
void KafkaSource::State::tell_topic_changed(const std::string& topic, const TopicId& before, const TopicId& id,
                                            const Unconfirmed& unconfirmed) {
  log_line(Level::warn, "kafka topic was deleted and made anew: reading the new one from its beginning",
           {{"topic", topic}, {"old_topic_id", hex_of(before)}, {"new_topic_id", hex_of(id)}});
  std::erase_if(stalled, [&](const auto& one) { return one.first.first == topic; });
  if (!options.record_control) return;
  std::string doubtful;
  for (const auto& [name, range] : unconfirmed) {
    if (name.first != topic || range.second <= range.first) continue;
    doubtful += doubtful.empty() ? "" : ",";
    doubtful += "{\"partition\":" + std::to_string(name.second) + ",\"from\":" + std::to_string(range.first) +
                ",\"to\":" + std::to_string(range.second) + "}";
  }
  std::string json = "{\"type\":\"topic_changed\",\"cluster\":";
  append_json_string(json, cluster);
  json += ",\"topic\":";
  append_json_string(json, topic);
  json += ",\"old_topic_id\":\"" + hex_of(before) + "\",\"new_topic_id\":\"" + hex_of(id) + "\",\"doubtful\":[" +
          doubtful + "]}";
  options.record_control(std::move(json));
}

/// Batches of the old topic that are under way stay valid: its lanes live on in the ledger as retired.
void KafkaSource::State::enter_anew(const std::string& topic, const std::vector<Lane>& lanes) {
  {
    std::lock_guard lock(mutex);
    for (const Lane& lane : lanes) ledger.retire(lane);
  }
  drop_held_of(topic);
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(lanes.size())));
  for (const Lane& lane : lanes) {
    auto* entry =
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), static_cast<std::int32_t>(lane.second));
    enter(*entry, nullptr);
  }
  last_partition = nullptr;
  if (!seek(list.get())) rejoin_at_ns = clock.now_ns();
}

bool KafkaSource::State::seek(rd_kafka_topic_partition_list_t* list) {
  if (ErrorPtr error(rd_kafka_seek_partitions(client.get(), list, seek_timeout_ms)); error) return false;
  for (int i = 0; i < list->cnt; ++i)
    if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  return true;
}

/// An offset went backwards. The same topic: a redelivery, which the store compares with what it holds. Another one, or
/// no answer: the message is not for this origin and will be read again.
bool KafkaSource::State::is_same_topic(const std::string& topic, std::int32_t number, std::uint64_t offset) {
  const TopicId before = topic_ids[topic];
  const auto answers = watch->ask({topic}, quick_ask_timeout_ms);
  const bool answered = answers && answers->size() == 1 && answers->front().error == RD_KAFKA_RESP_ERR_NO_ERROR;
  log_line(Level::warn, "kafka offsets went backwards", {{"topic", topic}, {"partition", std::to_string(number)},
                                                         {"offset", std::to_string(offset)}});
  if (answered && answers->front().id == before) return true;
  if (answered) {
    topic_made_anew(topic, answers->front().id);
    return false;
  }
  drop_held_of(topic, number);
  PartitionListPtr list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), number)->offset = static_cast<std::int64_t>(offset);
  if (!seek(list.get())) rejoin_at_ns = clock.now_ns();
  return false;
}

}  // namespace tidewaiter::ingest
