// KafkaProducer: messages into a topic, idempotent and in order per partition; for `generate --brokers`, the demo and
// tests. Owned by one thread. Delivery is counted: a message is either delivered or failed once flush() has returned.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace tidewaiter::ingest {

struct OutMessage {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // nothing = tombstone
  std::vector<std::pair<std::string, std::string>> headers;
  std::int32_t partition = -1;            // -1 = by key
  std::int64_t time_ms = 0;               // 0 = now
};

struct KafkaProducerOptions {
  std::map<std::string, std::string> properties;  // any librdkafka property; bootstrap.servers at least
  std::string topic;
  /// Asked every `pace_every` messages with the number delivered so far; true = wait a little and ask again.
  std::function<bool(std::uint64_t delivered)> too_fast;
  std::uint64_t pace_every = 1'000;
};

class KafkaProducer {
 public:
  /// Error: invalid_argument, naming the property that librdkafka does not take.
  static Result<std::unique_ptr<KafkaProducer>> open(KafkaProducerOptions options);
  ~KafkaProducer();

  /// Copies the message into the queue; waits while the queue is full. Errors: unavailable (fatal), invalid_argument.
  Result<void> send(const OutMessage& message);
  /// Waits until all is delivered or failed. Error: unavailable, when messages failed or time has run out.
  Result<void> flush(int timeout_ms);

  std::uint64_t sent() const;
  std::uint64_t delivered() const;
  std::uint64_t failed() const;

 private:
  struct State;
  explicit KafkaProducer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::ingest
