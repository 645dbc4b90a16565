// TopicWatch: asks the brokers which topic id a name has now, in the background and on demand. Messages carry no topic
// id, so this is the only way to see that a topic was deleted and made anew (semantics 7).
// Owned by the thread that polls the consumer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "ingest/kafka_client.hpp"

namespace tidewaiter::ingest {

struct TopicAnswer {
  std::string topic;
  TopicId id{};          // zero: a broker without topic ids
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

class TopicWatch {
 public:
  explicit TopicWatch(rd_kafka_t* client);

  /// Asks and waits for the answer, at most `timeout_ms`. Error: unavailable, permission.
  Result<std::vector<TopicAnswer>> ask(const std::vector<std::string>& topics, int timeout_ms);

  /// Sends a request unless one is under way (false). The answer comes through answer().
  bool ask_in_background(const std::vector<std::string>& topics);
  /// The answer to the request in the background, when it has come.
  std::optional<Result<std::vector<TopicAnswer>>> answer();

 private:
  void send(const std::vector<std::string>& topics, int timeout_ms, rd_kafka_queue_t* queue);
  rd_kafka_t* client_;
  QueuePtr queue_;
  bool under_way_ = false;
};

}  // namespace tidewaiter::ingest
