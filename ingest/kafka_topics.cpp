#include "ingest/kafka_topics.hpp"

#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

using OptionsPtr = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>>;
using TopicsPtr =
    std::unique_ptr<rd_kafka_TopicCollection_t, Destroy<rd_kafka_TopicCollection_t, rd_kafka_TopicCollection_destroy>>;

constexpr int background_timeout_ms = 5'000;

TopicId id_of(const rd_kafka_Uuid_t* uuid) {
  TopicId id{};
  if (uuid == nullptr) return id;
  put_be<std::int64_t>(reinterpret_cast<char*>(id.data()), rd_kafka_Uuid_most_significant_bits(uuid));
  put_be<std::int64_t>(reinterpret_cast<char*>(id.data()) + 8, rd_kafka_Uuid_least_significant_bits(uuid));
  return id;
}

Result<std::vector<TopicAnswer>> read_answers(rd_kafka_event_t* event) {
  if (const auto error = rd_kafka_event_error(event); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return fail(is_refusal(error) ? Code::permission : Code::unavailable,
                "topic ids: " + kafka_error_text(error, rd_kafka_event_error_string(event)));
  const auto* result = rd_kafka_event_DescribeTopics_result(event);
  if (result == nullptr) return fail(Code::unavailable, "topic ids: another answer than was asked for");
  std::size_t count = 0;
  const auto** topics = rd_kafka_DescribeTopics_result_topics(result, &count);
  std::vector<TopicAnswer> answers;
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* error = rd_kafka_TopicDescription_error(topics[i]);
    answers.push_back({rd_kafka_TopicDescription_name(topics[i]),
                       id_of(rd_kafka_TopicDescription_topic_id(topics[i])),
                       error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error)});
  }
  return answers;
}

}  // namespace

TopicWatch::TopicWatch(rd_kafka_t* client) : client_(client), queue_(rd_kafka_queue_new(client)) {}

void TopicWatch::send(const std::vector<std::string>& topics, int timeout_ms, rd_kafka_queue_t* queue) {
  std::vector<const char*> names;
  for (const std::string& topic : topics) names.push_back(topic.c_str());
  TopicsPtr collection(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  OptionsPtr options(rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS));
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text, sizeof text);
  rd_kafka_DescribeTopics(client_, collection.get(), options.get(), queue);
}

Result<std::vector<TopicAnswer>> TopicWatch::ask(const std::vector<std::string>& topics, int timeout_ms) {
  QueuePtr queue(rd_kafka_queue_new(client_));
  send(topics, timeout_ms, queue.get());
  EventPtr event(rd_kafka_queue_poll(queue.get(), timeout_ms + 500));
  if (!event) return fail(Code::unavailable, "topic ids: no answer from the brokers");
  return read_answers(event.get());
}

bool TopicWatch::ask_in_background(const std::vector<std::string>& topics) {
  if (under_way_ || topics.empty()) return false;
  send(topics, background_timeout_ms, queue_.get());
  under_way_ = true;
  return true;
}

std::optional<Result<std::vector<TopicAnswer>>> TopicWatch::answer() {
  if (!under_way_) return std::nullopt;
  EventPtr event(rd_kafka_queue_poll(queue_.get(), 0));
  if (!event) return std::nullopt;
  under_way_ = false;
  return read_answers(event.get());
}

}  // namespace tidewaiter::ingest
