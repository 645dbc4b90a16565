// A small Kafka client for tests: what a test needs to do to a broker, without starting a JVM for each call.
// Usage: kafka_tool [-X property=value]... produce | consume TOPIC | offsets TOPIC | committed GROUP |
//        create-topic TOPIC PARTITIONS [setting=value]... | delete-topic TOPIC |
//        delete-records TOPIC PARTITION BEFORE_OFFSET
// Records are JSON lines; tests/servers/kafka.py describes them.

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

constexpr int kTimeoutMs = 30'000;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << "kafka_tool: " << what << "\n";
  std::exit(1);
}

void Check(rd_kafka_resp_err_t error, const std::string& what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(what + ": " + rd_kafka_err2str(error));
}

void Check(rd_kafka_error_t* error, const std::string& what) {
  if (error != nullptr) Fail(what + ": " + rd_kafka_error_string(error));
}

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

std::string FromBase64(std::string_view text) {
  std::string bytes;
  unsigned group = 0;
  int bits = 0;
  for (const char c : text) {
    int digit = -1;
    if (c >= 'A' && c <= 'Z') digit = c - 'A';
    if (c >= 'a' && c <= 'z') digit = c - 'a' + 26;
    if (c >= '0' && c <= '9') digit = c - '0' + 52;
    if (c == '+') digit = 62;
    if (c == '/') digit = 63;
    if (digit < 0) continue;
    group = group << 6 | static_cast<unsigned>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(group >> bits & 255);
    }
  }
  return bytes;
}

// `name` as text or `name`_b64 as bytes; nothing when absent or null.
std::optional<std::string> Bytes(const Json& record, const std::string& name) {
  if (const auto it = record.find(name + "_b64"); it != record.end()) return FromBase64(it->get<std::string>());
  const auto it = record.find(name);
  if (it == record.end() || it->is_null()) return std::nullopt;
  return it->get<std::string>();
}

void PutBytes(Json& record, const std::string& name, const void* data, size_t size) {
  if (data == nullptr) {
    record[name] = nullptr;
    return;
  }
  const std::string bytes(static_cast<const char*>(data), size);
  try {
    (void)Json(bytes).dump();
    record[name] = bytes;
  } catch (const Json::type_error&) {  // not UTF-8
    record[name + "_b64"] = Base64(bytes);
  }
}

size_t delivered = 0;

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  // A record of an aborted transaction is purged: that is what the caller asked for.
  if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
  Check(message->err, "delivery");
  ++delivered;
}

rd_kafka_t* Connect(rd_kafka_type_t type, std::map<std::string, std::string> properties) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  for (const auto& [key, value] : properties) {
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) Fail(error);
  }
  if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, OnDelivery);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == nullptr) Fail(error);
  return client;
}

void ProduceOne(rd_kafka_t* producer, const Json& record) {
  const auto key = Bytes(record, "key");
  const auto value = Bytes(record, "value");
  // Plain variables: librdkafka's macros cast their arguments the way C does.
  const char* topic = record.at("topic").get_ref<const std::string&>().c_str();
  const int32_t partition = record.value("partition", RD_KAFKA_PARTITION_UA);
  const int64_t timestamp_ms = record.value("timestamp_ms", int64_t{0});
  const char* key_data = key ? key->data() : nullptr;
  const size_t key_size = key ? key->size() : 0;
  const char* value_data = value ? value->data() : nullptr;
  const size_t value_size = value ? value->size() : 0;
  rd_kafka_headers_t* headers = rd_kafka_headers_new(4);
  for (const auto& header : record.value("headers", Json::array())) {
    const auto name = header.at(0).get<std::string>();
    const auto text = header.at(1).is_null() ? std::nullopt : std::optional(header.at(1).get<std::string>());
    rd_kafka_header_add(headers, name.c_str(), -1, text ? text->data() : nullptr,
                        text ? static_cast<ssize_t>(text->size()) : 0);
  }
  for (;;) {
    const auto error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key_data, key_size), RD_KAFKA_V_VALUE(const_cast<char*>(value_data), value_size),
        RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      Check(error, "produce");
      break;
    }
    rd_kafka_poll(producer, 100);
  }
  rd_kafka_poll(producer, 0);
}

void Produce(std::map<std::string, std::string> properties) {
  rd_kafka_t* producer = Connect(RD_KAFKA_PRODUCER, properties);
  if (properties.contains("transactional.id")) {
    Check(rd_kafka_init_transactions(producer, kTimeoutMs), "init_transactions");
  }
  for (std::string line; std::getline(std::cin, line);) {
    const Json record = Json::parse(line);
    const auto step = record.value("transaction", "");
    if (step == "begin") {
      Check(rd_kafka_begin_transaction(producer), "begin");
    } else if (step == "commit") {
      Check(rd_kafka_commit_transaction(producer, kTimeoutMs), "commit");
    } else if (step == "abort") {
      // First let them reach the log: an abort would drop what is still queued here.
      Check(rd_kafka_flush(producer, kTimeoutMs), "flush");
      Check(rd_kafka_abort_transaction(producer, kTimeoutMs), "abort");
    } else {
      ProduceOne(producer, record);
    }
  }
  Check(rd_kafka_flush(producer, kTimeoutMs * 4), "flush");
  std::cout << Json{{"delivered", delivered}} << "\n";
  rd_kafka_destroy(producer);
}

std::vector<int32_t> Partitions(rd_kafka_t* client, const std::string& topic) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  Check(rd_kafka_metadata(client, 0, handle, &metadata, kTimeoutMs), "metadata");
  Check(metadata->topics[0].err, "topic " + topic);
  std::vector<int32_t> ids;
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) ids.push_back(metadata->topics[0].partitions[i].id);
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  return ids;
}

// The watermarks as the isolation level sees them.
std::map<int32_t, std::pair<int64_t, int64_t>> Watermarks(rd_kafka_t* client, const std::string& topic) {
  std::map<int32_t, std::pair<int64_t, int64_t>> result;
  for (const int32_t partition : Partitions(client, topic)) {
    int64_t low = 0;
    int64_t high = 0;
    Check(rd_kafka_query_watermark_offsets(client, topic.c_str(), partition, &low, &high, kTimeoutMs), "watermarks");
    result[partition] = {low, high};
  }
  return result;
}

void Offsets(std::map<std::string, std::string> properties, const std::string& topic) {
  rd_kafka_t* client = Connect(RD_KAFKA_CONSUMER, properties);
  for (const auto& [partition, marks] : Watermarks(client, topic)) {
    std::cout << Json{{"partition", partition}, {"low", marks.first}, {"high", marks.second}} << "\n";
  }
  rd_kafka_destroy(client);
}

void PrintMessage(const rd_kafka_message_t& message) {
  Json record{{"partition", message.partition},
              {"offset", message.offset},
              {"timestamp_ms", rd_kafka_message_timestamp(&message, nullptr)},
              {"headers", Json::array()}};
  PutBytes(record, "key", message.key, message.key_len);
  PutBytes(record, "value", message.payload, message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      Json text = value == nullptr ? Json() : Json(std::string(static_cast<const char*>(value), size));
      record["headers"].push_back(Json::array({name, std::move(text)}));
    }
  }
  std::cout << record.dump() << "\n";
}

void Consume(std::map<std::string, std::string> properties, const std::string& topic) {
  properties.try_emplace("group.id", "kafka-tool");
  properties.try_emplace("fetch.wait.max.ms", "10");  // do not sit waiting at the end of a partition
  properties["enable.auto.commit"] = "false";
  properties["enable.partition.eof"] = "true";
  rd_kafka_t* consumer = Connect(RD_KAFKA_CONSUMER, properties);
  rd_kafka_topic_partition_list_t* assigned = rd_kafka_topic_partition_list_new(8);
  for (const int32_t partition : Partitions(consumer, topic)) {
    rd_kafka_topic_partition_list_add(assigned, topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  int open = assigned->cnt;
  Check(rd_kafka_assign(consumer, assigned), "assign");
  rd_kafka_poll_set_consumer(consumer);
  while (open > 0) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, kTimeoutMs);
    if (message == nullptr) Fail("no message and no end of partition in time");
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      --open;
    } else {
      Check(message->err, "consume");
      PrintMessage(*message);
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_topic_partition_list_destroy(assigned);
  rd_kafka_destroy(consumer);
}

// Waits for the one answer of an admin call.
rd_kafka_event_t* Await(rd_kafka_queue_t* queue, const std::string& what) {
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kTimeoutMs);
  if (event == nullptr) Fail(what + ": no answer in time");
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(what + ": " + rd_kafka_event_error_string(event));
  return event;
}

void CheckTopics(const rd_kafka_topic_result_t** results, size_t count, const std::string& what) {
  for (size_t i = 0; i < count; ++i) Check(rd_kafka_topic_result_error(results[i]), what);
}

// One attempt, with a bound of its own: a request that is lost while a broker starts is made again.
rd_kafka_resp_err_t TryToCreate(rd_kafka_t* client, rd_kafka_NewTopic_t* topic) {
  constexpr int kAttemptMs = 5'000;
  char error[512];
  rd_kafka_AdminOptions_t* options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  Check(rd_kafka_AdminOptions_set_request_timeout(options, kAttemptMs, error, sizeof error), error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_CreateTopics(client, &topic, 1, options, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 2 * kAttemptMs);
  if (event == nullptr) Fail("create-topic: no answer in time");
  rd_kafka_resp_err_t result = rd_kafka_event_error(event);
  if (result == RD_KAFKA_RESP_ERR_NO_ERROR) {
    size_t count = 0;
    const auto results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    result = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
  }
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_AdminOptions_destroy(options);
  return result;
}

// What a broker says, or does not say, before it is registered with its controller: no broker yet to hold a replica.
bool MayPass(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR || error == RD_KAFKA_RESP_ERR_NOT_CONTROLLER ||
         error == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT || error == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
         error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT;
}

void CreateTopic(std::map<std::string, std::string> properties, const Strings& arguments) {
  rd_kafka_t* client = Connect(RD_KAFKA_PRODUCER, properties);
  char error[512];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(arguments.at(0).c_str(), std::stoi(arguments.at(1)), 1, error, sizeof error);
  if (topic == nullptr) Fail(error);
  for (size_t i = 2; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    rd_kafka_NewTopic_set_config(topic, arguments[i].substr(0, equals).c_str(), arguments[i].substr(equals + 1).c_str());
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(2 * kTimeoutMs);
  bool again = false;
  rd_kafka_resp_err_t error_code;
  while (true) {
    error_code = TryToCreate(client, topic);
    // An attempt whose answer was lost may have made it.
    if (again && error_code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) error_code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!MayPass(error_code) || std::chrono::steady_clock::now() > deadline) break;
    again = true;
    rd_kafka_poll(client, 200);
  }
  Check(error_code, "create-topic");
  rd_kafka_NewTopic_destroy(topic);
  // The answer comes before every partition has its leader.
  while (true) {
    rd_kafka_topic_t* handle = rd_kafka_topic_new(client, arguments.at(0).c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    Check(rd_kafka_metadata(client, 0, handle, &metadata, kTimeoutMs), "metadata");
    bool ready = metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt == std::stoi(arguments.at(1));
    for (int i = 0; ready && i < metadata->topics[0].partition_cnt; ++i) {
      ready = metadata->topics[0].partitions[i].leader >= 0;
    }
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    if (ready) break;
    rd_kafka_poll(client, 20);
  }
  rd_kafka_destroy(client);
}

void DeleteTopic(std::map<std::string, std::string> properties, const Strings& arguments) {
  rd_kafka_t* client = Connect(RD_KAFKA_PRODUCER, properties);
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(arguments.at(0).c_str());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_DeleteTopics(client, &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = Await(queue, "delete-topic");
  size_t count = 0;
  const auto results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
  CheckTopics(results, count, "delete-topic");
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_DeleteTopic_destroy(topic);
  rd_kafka_destroy(client);
}

// Takes away what lies before an offset, as retention does.
void DeleteRecords(std::map<std::string, std::string> properties, const Strings& arguments) {
  rd_kafka_t* client = Connect(RD_KAFKA_PRODUCER, properties);
  rd_kafka_topic_partition_list_t* before = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(before, arguments.at(0).c_str(), std::stoi(arguments.at(1)))->offset =
      std::stoll(arguments.at(2));
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(before);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_DeleteRecords(client, &request, 1, nullptr, queue);
  rd_kafka_event_t* event = Await(queue, "delete-records");
  const auto* done = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
  for (int i = 0; i < done->cnt; ++i) Check(done->elems[i].err, "delete-records");
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_DeleteRecords_destroy(request);
  rd_kafka_topic_partition_list_destroy(before);
  rd_kafka_destroy(client);
}

void Committed(std::map<std::string, std::string> properties, const std::string& group) {
  rd_kafka_t* client = Connect(RD_KAFKA_PRODUCER, properties);
  rd_kafka_ListConsumerGroupOffsets_t* request = rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), nullptr);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_ListConsumerGroupOffsets(client, &request, 1, nullptr, queue);
  rd_kafka_event_t* event = Await(queue, "committed");
  size_t count = 0;
  const auto groups =
      rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
  for (size_t i = 0; i < count; ++i) {
    if (const auto* error = rd_kafka_group_result_error(groups[i])) Fail(rd_kafka_error_string(error));
    const auto* list = rd_kafka_group_result_partitions(groups[i]);
    for (int k = 0; k < list->cnt; ++k) {
      const auto& part = list->elems[k];
      std::cout << Json{{"topic", part.topic}, {"partition", part.partition}, {"offset", part.offset}} << "\n";
    }
  }
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_ListConsumerGroupOffsets_destroy(request);
  rd_kafka_destroy(client);
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::map<std::string, std::string> properties;
  Strings words(argv + 1, argv + argc);
  while (words.size() >= 2 && words[0] == "-X") {
    const size_t equals = words[1].find('=');
    properties[words[1].substr(0, equals)] = words[1].substr(equals + 1);
    words.erase(words.begin(), words.begin() + 2);
  }
  if (words.empty()) Fail("no command");
  const Strings arguments(words.begin() + 1, words.end());
  if (words[0] == "produce") Produce(properties);
  else if (words[0] == "consume") Consume(properties, arguments.at(0));
  else if (words[0] == "offsets") Offsets(properties, arguments.at(0));
  else if (words[0] == "committed") Committed(properties, arguments.at(0));
  else if (words[0] == "create-topic") CreateTopic(properties, arguments);
  else if (words[0] == "delete-topic") DeleteTopic(properties, arguments);
  else if (words[0] == "delete-records") DeleteRecords(properties, arguments);
  else Fail("unknown command " + words[0]);
}
