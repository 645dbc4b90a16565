#include "ingest/kafka_source.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "core/log_line.hpp"
#include "ingest/kafka_rules.hpp"
#include "ingest/kafka_source_state.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::int64_t publish_every_ns = 50'000'000;
constexpr std::int64_t skip_sentence_every_ns = 60'000'000'000;

const KafkaProperties fixed = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.partition.eof", "true"},
    // For a position that the log no longer has: go on with all that it has. Where we start is asked for by number.
    {"auto.offset.reset", "earliest"},
};

}  // namespace

KafkaSource::State::State(KafkaSourceOptions wanted, const Clock& time)
    : options(std::move(wanted)), clock(time), builder(options.batch) {}

KafkaSource::State::~State() {
  drop_held();
  if (!client) return;
  commit_offsets_now(2'000);
  closing = true;  // nothing is appended any more, so the callback has nothing to wait for
  rd_kafka_consumer_close(client.get());
  watch.reset();
  end_watch.reset();
  partitions.clear();
  queue.reset();
  client.reset();  // its threads call what is below, until here
}

KafkaSource::KafkaSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaSource::~KafkaSource() = default;

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(KafkaSourceOptions options, const Clock& clock) {
  if (options.topics.empty()) return fail(Code::invalid_argument, "kafka source: no topics are named");
  if (const auto refused = refused_property(options.properties))
    return fail(Code::invalid_argument, "kafka property '" + refused->name + "' " + refused->reason);
  auto state = std::make_unique<State>(std::move(options), clock);
  KafkaProperties properties = state->options.properties;
  properties.erase("auto.offset.reset");  // for us alone: enter() follows it
  TRY_ASSIGN(ConfPtr conf, make_kafka_conf(kafka_consumer_defaults(), properties, fixed));
  rd_kafka_conf_set_opaque(conf.get(), state.get());
  rd_kafka_conf_set_rebalance_cb(
      conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list, void* opaque) {
        static_cast<State*>(opaque)->on_rebalance(event, list);
      });
  rd_kafka_conf_set_offset_commit_cb(
      conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque) {
        static_cast<State*>(opaque)->on_commit_answer(error, list);
      });
  rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int error, const char* text, void* opaque) {
    static_cast<State*>(opaque)->on_error(static_cast<rd_kafka_resp_err_t>(error), text);
  });
  TRY_ASSIGN(state->client, make_kafka_client(RD_KAFKA_CONSUMER, std::move(conf)));
  rd_kafka_poll_set_consumer(state->client.get());
  state->queue.reset(rd_kafka_queue_get_consumer(state->client.get()));
  state->wake_by(state->queue.get());
  state->watch = std::make_unique<TopicWatch>(state->client.get());
  state->end_watch = std::make_unique<EndWatch>(state->client.get(),
                                                   reads_uncommitted(state->options.properties)
                                                       ? RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED
                                                       : RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED);
  PartitionListPtr topics(rd_kafka_topic_partition_list_new(static_cast<int>(state->options.topics.size())));
  for (const std::string& topic : state->options.topics)
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = rd_kafka_subscribe(state->client.get(), topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return fail(Code::invalid_argument, "kafka source: topics: " + kafka_error_text(error));
  return std::unique_ptr<KafkaSource>(new KafkaSource(std::move(state)));
}

Result<std::unique_ptr<Batch>> KafkaSource::poll(int timeout_ms) {
  State& s = *state_;
  s.apply_pause();
  s.commit_offsets();
  if (!s.pending.empty()) return s.hand_over();
  if (s.held_at == s.held.size()) {  // else messages of before would be taken for ones of after
    s.check_topics();
    s.watch_progress();
    s.bootstrap_if_lost();
    s.rejoin_if_needed();
    s.consume(s.builder.wait_ms(s.clock.now_ns(), timeout_ms));
  }
  while (s.held_at < s.held.size() && s.pending.empty() && !s.builder.due(s.receive_ns)) s.take(s.held[s.held_at++]);
  return s.hand_over();
}

/// The partition has given something, or said that there is nothing, up to here.
void KafkaSource::State::moved(Partition& partition, const rd_kafka_message_t* message, std::int64_t offset) {
  partition.moved_ns = receive_ns;
  brokers_lost = false;
  partition.reached = static_cast<std::uint64_t>(offset);
  if (partition.reached > partition.stalled_at) partition.tries = 0;
  if (!refused.empty() && refused.erase(Name(rd_kafka_topic_name(message->rkt), message->partition)) != 0) accepted();
}

/// Appends or answers one message of `held`, and lets go of it.
void KafkaSource::State::take(rd_kafka_message_t* message) {
  if (message->rkt != last_topic || message->partition != last_number || last_partition == nullptr) {
    last_topic = message->rkt;
    last_number = message->partition;
    const auto found = message->rkt == nullptr
                           ? partitions.end()
                           : partitions.find(Name(rd_kafka_topic_name(message->rkt), message->partition));
    last_partition = found == partitions.end() ? nullptr : &found->second;
  }
  Partition* const partition = last_partition;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (partition != nullptr) {
      partition->at_end = true;
      moved(*partition, message, message->offset);
    }
  } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (partition != nullptr && is_refusal(message->err)) refused.emplace(rd_kafka_topic_name(message->rkt), message->partition);
    on_error(message->err, rd_kafka_message_errstr(message));
  } else if (partition != nullptr) {
    const auto offset = static_cast<std::uint64_t>(message->offset);
    moved(*partition, message, message->offset + 1);
    if (partition->look_until != 0 && looked_at(message, *partition)) return rd_kafka_message_destroy(message);
    if (offset < partition->next_offset && !partition->backwards_allowed) {
      partition->backwards_allowed = is_same_topic(rd_kafka_topic_name(message->rkt), message->partition, offset);
      if (!partition->backwards_allowed) return rd_kafka_message_destroy(message);
    }
    if (!append(message, *partition)) {
      pending.push_back(builder.take());
      CHECK(append(message, *partition));
    }
  }
  rd_kafka_message_destroy(message);
}

bool KafkaSource::State::append(rd_kafka_message_t* message, Partition& partition) {
  BodyParts parts;
  parts.headers.swap(headers);  // keeps its memory from message to message
  parts.headers.clear();
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      Header header{name, std::nullopt};
      if (value != nullptr) header.value = std::string_view(static_cast<const char*>(value), size);
      parts.headers.push_back(header);
    }
  }
  if (message->key != nullptr) parts.key = std::string_view(static_cast<const char*>(message->key), message->key_len);
  if (message->payload != nullptr)
    parts.value = std::string_view(static_cast<const char*>(message->payload), message->len);
  rd_kafka_timestamp_type_t kind;
  const std::int64_t time_ms = rd_kafka_message_timestamp(message, &kind);
  parts.kafka_time_ms = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : time_ms;
  if (parts.kafka_time_ms >= 0) partition.time_ms = parts.kafka_time_ms;
  parts.receive_time_ns = receive_ns;
  const auto offset = static_cast<std::uint64_t>(message->offset);
  const auto number = static_cast<std::uint32_t>(message->partition);
  const bool added = builder.add(partition.origin, number, offset, rd_kafka_message_leader_epoch(message), parts);
  parts.headers.swap(headers);
  if (!added) return false;
  if (offset > partition.next_offset && !partition.anywhere) note_gap(partition, number, offset);
  partition.anywhere = false;
  partition.backwards_allowed = partition.backwards_allowed && offset < partition.next_offset;
  partition.next_offset = std::max(partition.next_offset, offset + 1);
  partition.at_end = false;
  return true;
}

// A jump is a gap that the store names from its leaves, unless the log now starts behind what we wanted: then the
// messages were there once and retention was faster.
void KafkaSource::State::note_gap(Partition& partition, std::uint32_t number, std::uint64_t found) {
  std::int64_t low = 0, high = 0;
  const auto error = rd_kafka_get_watermark_offsets(client.get(), partition.origin->topic.c_str(),
                                                    static_cast<std::int32_t>(number), &low, &high);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || low <= static_cast<std::int64_t>(partition.next_offset))
    return note_skip(partition, number, found);
  const std::uint64_t to = std::min(found, static_cast<std::uint64_t>(low));
  builder.add_gap({partition.origin, number, partition.next_offset, to, "below log start"});
  log_line(Level::warn, "kafka messages are gone before they could be read: retention was faster",
           {{"topic", partition.origin->topic}, {"partition", std::to_string(number)},
            {"from", std::to_string(partition.next_offset)}, {"to", std::to_string(to)}});
}

/// Compaction and transactions leave such holes all the time: a sentence for the first, then at most one a minute.
void KafkaSource::State::note_skip(Partition& partition, std::uint32_t number, std::uint64_t found) {
  partition.skipped += found - partition.next_offset;
  if (partition.skip_said_ns != 0 && receive_ns - partition.skip_said_ns < skip_sentence_every_ns) return;
  partition.skip_said_ns = receive_ns;
  log_line(Level::info, "kafka has no messages at some offsets: compacted, or of transactions; recorded as a gap",
           {{"topic", partition.origin->topic}, {"partition", std::to_string(number)},
            {"offsets", std::to_string(std::exchange(partition.skipped, 0))}, {"up_to", std::to_string(found)}});
}

/// For status(): what librdkafka knows of the ends of the logs, without asking a broker.
void KafkaSource::State::publish_partitions() {
  public_status.partitions.clear();
  for (const auto& [name, partition] : partitions) {
    PartitionStatus one{partition.origin->cluster, partition.origin->topic, partition.origin->topic_id,
                        static_cast<std::uint32_t>(name.second), partition.next_offset, -1, partition.at_end};
    std::int64_t low = 0, high = RD_KAFKA_OFFSET_INVALID;
    rd_kafka_get_watermark_offsets(client.get(), name.first.c_str(), name.second, &low, &high);
    if (high >= 0) one.lag = std::max<std::int64_t>(0, high - static_cast<std::int64_t>(partition.next_offset));
    public_status.partitions.push_back(std::move(one));
  }
}

/// Messages of this topic, or of one partition of it, that were fetched but not appended.
void KafkaSource::State::drop_held_of(const std::string& topic, std::int32_t number) {
  const auto begin = held.begin() + static_cast<std::ptrdiff_t>(held_at);
  held.erase(std::remove_if(begin, held.end(),
                            [&](rd_kafka_message_t* message) {
                              if (message->rkt == nullptr || topic != rd_kafka_topic_name(message->rkt)) return false;
                              if (number != RD_KAFKA_PARTITION_UA && number != message->partition) return false;
                              rd_kafka_message_destroy(message);
                              return true;
                            }),
             held.end());
}

void KafkaSource::State::drop_held() {
  for (; held_at < held.size(); ++held_at) rd_kafka_message_destroy(held[held_at]);
  held.clear();
  held_at = 0;
  last_partition = nullptr;
  last_topic = nullptr;
}

void KafkaSource::State::on_error(rd_kafka_resp_err_t error, const char* text) {
  char fatal[512] = "";
  if (error == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_fatal_error(client.get(), fatal, sizeof fatal) != 0) {
    const auto cause = rd_kafka_fatal_error(client.get(), fatal, sizeof fatal);
    if (!fenced) log_line(Level::error, "kafka consumer cannot go on", {{"reason", fatal}});
    fenced = true;
    return set_state(SourceState::parked, kafka_error_text(cause, fatal));
  }
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) brokers_lost = true;
  const std::string reason = kafka_error_text(error, text);
  if (const bool alerted = is_tls_alert(error, text); alerted || is_refusal(error)) {
    refused_connection = alerted || is_connection_refusal(error);
    return set_state(SourceState::parked, reason);
  }
  log_line(Level::warn, "kafka", {{"reason", reason}});
  std::lock_guard lock(mutex);
  if (public_status.state != SourceState::parked) public_status.reason = reason;
}

/// The brokers answer us: whatever refused us before does so no more, unless it is a topic that we still may not read.
void KafkaSource::State::accepted() {
  {
    std::lock_guard lock(mutex);
    const bool trouble = public_status.state == SourceState::parked || !public_status.reason.empty();
    if (fenced || !trouble || !refused.empty()) return;
  }
  set_state(is_paused ? SourceState::paused : SourceState::running, "");
}

void KafkaSource::State::set_state(SourceState state, std::string reason) {
  std::lock_guard lock(mutex);
  if (public_status.state == state && public_status.reason == reason) return;
  if (public_status.state != state)
    log_line(state == SourceState::parked ? Level::error : Level::info, "kafka source",
             {{"state", source_state_name(state)}, {"reason", reason}});
  public_status.state = state;
  public_status.reason = std::move(reason);
}

/// Pausing drops what librdkafka has fetched ahead; it is fetched again on resume.
void KafkaSource::State::apply_pause() {
  const bool wanted = pause_wanted.load();
  if (wanted == is_paused) return;
  rd_kafka_topic_partition_list_t* raw = nullptr;
  if (rd_kafka_assignment(client.get(), &raw) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  PartitionListPtr list(raw);
  if (wanted)
    rd_kafka_pause_partitions(client.get(), list.get());
  else
    rd_kafka_resume_partitions(client.get(), list.get());
  is_paused = wanted;
  std::unique_lock lock(mutex);
  if (public_status.state == SourceState::parked) return;
  lock.unlock();
  set_state(wanted ? SourceState::paused : SourceState::running, "");
}

/// The batch that is full or whose time has come.
std::unique_ptr<Batch> KafkaSource::State::hand_over() {
  std::unique_ptr<Batch> batch;
  if (!pending.empty()) {
    batch = std::move(pending.front());
    pending.pop_front();
  } else if (builder.due(clock.now_ns())) {
    batch = builder.take();
  }
  const std::int64_t now_ns = clock.now_ns();
  if (batch || now_ns - last_publish_ns > publish_every_ns) {
    last_publish_ns = now_ns;
    std::lock_guard lock(mutex);
    publish_partitions();
    if (batch) {
      batch->generation = ledger.generation();
      for (const DurableOffset& end : ends_of(*batch))
        ledger.handed_over({end.origin, end.partition}, end.next_offset);
    }
  }
  if (batch) accepted();
  return batch;
}

std::size_t KafkaSource::claim(Batch& batch) {
  std::lock_guard lock(state_->mutex);
  auto gone = [&](const Record& record) {
    return record.origin != nullptr && !state_->ledger.is_current({record.origin, record.partition}, batch.generation);
  };
  std::erase_if(batch.gaps, [&](const OffsetGap& gap) {
    return !state_->ledger.is_current({gap.origin, gap.partition}, batch.generation);
  });
  const std::size_t removed = remove_records(batch, gone);
  for (const DurableOffset& end : ends_of(batch)) state_->writing.insert({end.origin, end.partition});
  return removed;
}

void KafkaSource::committed(const std::vector<DurableOffset>& durable) {
  {
    std::lock_guard lock(state_->mutex);
    for (const DurableOffset& end : durable) {
      const Lane lane{end.origin, end.partition};
      state_->ledger.durable(lane, end.next_offset, end.leader_epoch);
      if (const auto written = state_->writing.find(lane); written != state_->writing.end())
        state_->writing.erase(written);
    }
  }
  state_->settled.notify_all();
}

void KafkaSource::abandoned() {
  {
    std::lock_guard lock(state_->mutex);
    for (const Lane& lane : state_->writing) state_->ledger.forget_under_way(lane);
    state_->writing.clear();
  }
  state_->settled.notify_all();
}

Result<void> KafkaSource::restart() {
  abandoned();
  state_->apply_pause();  // a seek of a paused partition would not last
  state_->read_again();
  return {};
}

void KafkaSource::pause() { state_->pause_wanted.store(true); }
void KafkaSource::resume() { state_->pause_wanted.store(false); }

SourceStatus KafkaSource::status() const {
  std::lock_guard lock(state_->mutex);
  return state_->public_status;
}

}  // namespace tidewaiter::ingest
