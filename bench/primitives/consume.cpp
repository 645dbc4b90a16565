#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <string>
#include <utility>

namespace tidewaiter::bench::primitives {
namespace {

struct Seen {
  std::uint64_t messages = 0, bytes = 0, check = 0;
};

void on_message(rd_kafka_message_t* message, void* opaque) {
  auto* seen = static_cast<Seen*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  ++seen->messages;
  seen->bytes += message->len;
  if (message->len > 0) seen->check += *static_cast<const unsigned char*>(message->payload);
}

}  // namespace

std::uint64_t consume(const char* brokers, const char* topic, std::uint64_t count, std::uint64_t& bytes,
                      std::string& error) {
  char text[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::pair<const char*, const char*> settings[] = {{"bootstrap.servers", brokers},
                                                          {"group.id", "bench-primitive"},
                                                          {"auto.offset.reset", "earliest"},
                                                          {"enable.auto.commit", "false"},
                                                          {"queued.min.messages", "100000"}};
  for (const auto& [name, value] : settings)
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
      error = text;
      rd_kafka_conf_destroy(conf);
      return 0;
    }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
  if (consumer == nullptr) {
    error = text;
    rd_kafka_conf_destroy(conf);
    return 0;
  }
  rd_kafka_poll_set_consumer(consumer);
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_topic_t* handle = rd_kafka_topic_new(consumer, topic, nullptr);
  if (rd_kafka_metadata(consumer, 0, handle, &metadata, 15'000) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt == 0) {
    error = "no metadata of the topic";
    if (metadata != nullptr) rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(consumer);
    return 0;
  }
  rd_kafka_topic_partition_list_t* partitions = rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i)
    rd_kafka_topic_partition_list_add(partitions, topic, metadata->topics[0].partitions[i].id)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_assign(consumer, partitions);
  rd_kafka_topic_partition_list_destroy(partitions);

  Seen seen;
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer);
  for (int quiet_seconds = 0; seen.messages < count && quiet_seconds < 30;) {
    const std::uint64_t before = seen.messages;
    rd_kafka_consume_callback_queue(queue, 1000, on_message, &seen);
    quiet_seconds = seen.messages == before ? quiet_seconds + 1 : 0;
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(handle);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  bytes = seen.bytes;
  return seen.messages;
}

}  // namespace tidewaiter::bench::primitives
