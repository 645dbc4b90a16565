// EmbeddedBroker: a Kafka cluster inside the process (librdkafka's mock cluster), for the demo and for tests. It is
// reached over TCP on loopback by the same consumer code as a real one.
// It keeps only the newest 5 MiB or 100,000 messages per partition: a producer must not run ahead of the consumer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/result.hpp"

namespace tidewaiter::ingest {

class EmbeddedBroker {
 public:
  static Result<std::unique_ptr<EmbeddedBroker>> start(int brokers = 1);
  ~EmbeddedBroker();

  /// For the property bootstrap.servers.
  const std::string& bootstrap() const;
  Result<void> create_topic(const std::string& topic, int partitions);

  // For tests.
  Result<void> delete_topic(const std::string& topic);
  /// Everything before `offset` is gone, as when retention has overtaken the consumer.
  Result<void> delete_records(const std::string& topic, std::int32_t partition, std::int64_t offset);
  /// The broker stops answering, until set_up().
  void set_down();
  void set_up();
  /// The next `count` answers to requests of this kind (ApiKey number) are this error.
  void fail_requests(std::int16_t api_key, int error, std::size_t count);
  /// No more of them.
  void answer_requests(std::int16_t api_key);

 private:
  struct State;
  explicit EmbeddedBroker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::ingest
