#include "ingest/kafka_producer.hpp"

#include <chrono>
#include <thread>

#include "ingest/kafka_client.hpp"

namespace tidewaiter::ingest {
namespace {

const KafkaProperties defaults = {
    {"client.id", "tidewaiter-producer"}, {"enable.idempotence", "true"}, {"compression.type", "lz4"},
    {"linger.ms", "20"},                  {"batch.num.messages", "10000"}, {"partitioner", "murmur2_random"},
};

/// Headers handed to librdkafka, or to be freed when it did not take them.
using HeadersPtr = std::unique_ptr<rd_kafka_headers_t, Destroy<rd_kafka_headers_t, rd_kafka_headers_destroy>>;

HeadersPtr make_headers(const OutMessage& message) {
  if (message.headers.empty()) return nullptr;
  HeadersPtr headers(rd_kafka_headers_new(message.headers.size()));
  for (const auto& [name, value] : message.headers)
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  return headers;
}

}  // namespace

struct KafkaProducer::State {
  KafkaProducerOptions options;
  ClientPtr client;
  std::uint64_t sent = 0, delivered = 0, failed = 0;
  std::string first_failure;

  void on_delivery(const rd_kafka_message_t* message) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++delivered;
      return;
    }
    ++failed;
    if (first_failure.empty()) first_failure = kafka_error_text(message->err);
  }

  Result<void> fatal() const {
    char text[512] = "";
    const auto error = rd_kafka_fatal_error(client.get(), text, sizeof text);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    return fail(Code::unavailable, "kafka producer: " + kafka_error_text(error, text));
  }

  void pace() {
    rd_kafka_poll(client.get(), 0);
    if (!options.too_fast || sent % options.pace_every != 0) return;
    while (options.too_fast(delivered)) rd_kafka_poll(client.get(), 2);
  }

  rd_kafka_resp_err_t produce(const OutMessage& message) const {
    HeadersPtr headers = make_headers(message);
    const std::string_view key = message.key.value_or(std::string_view());
    const std::string_view value = message.value.value_or(std::string_view());
    // An empty value must not become a null one: the pointer decides.
    void* const value_at = message.value ? const_cast<char*>(value.empty() ? "" : value.data()) : nullptr;
    const void* const key_at = message.key ? (key.empty() ? "" : key.data()) : nullptr;
    const auto error = rd_kafka_producev(
        client.get(), RD_KAFKA_V_TOPIC(options.topic.c_str()), RD_KAFKA_V_PARTITION(message.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key_at, key.size()),
        RD_KAFKA_V_VALUE(value_at, value.size()), RD_KAFKA_V_TIMESTAMP(message.time_ms),
        RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) static_cast<void>(headers.release());
    return error;
  }
};

KafkaProducer::KafkaProducer(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaProducer::~KafkaProducer() = default;

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(KafkaProducerOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  TRY_ASSIGN(ConfPtr conf, make_kafka_conf(defaults, state->options.properties, {}));
  rd_kafka_conf_set_opaque(conf.get(), state.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    static_cast<State*>(opaque)->on_delivery(message);
  });
  TRY_ASSIGN(state->client, make_kafka_client(RD_KAFKA_PRODUCER, std::move(conf)));
  return std::unique_ptr<KafkaProducer>(new KafkaProducer(std::move(state)));
}

Result<void> KafkaProducer::send(const OutMessage& message) {
  State& s = *state_;
  for (;;) {
    const auto error = s.produce(message);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      TRY(s.fatal());
      return fail(Code::invalid_argument, "kafka producer: " + kafka_error_text(error));
    }
    rd_kafka_poll(s.client.get(), 10);
  }
  ++s.sent;
  s.pace();
  return {};
}

Result<void> KafkaProducer::flush(int timeout_ms) {
  State& s = *state_;
  const auto error = rd_kafka_flush(s.client.get(), timeout_ms);
  TRY(s.fatal());
  if (s.failed > 0)
    return fail(Code::unavailable, "kafka producer: " + std::to_string(s.failed) + " messages were not delivered: " +
                                       s.first_failure);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return fail(Code::unavailable, "kafka producer: " + std::to_string(s.sent - s.delivered) +
                                       " messages are not delivered yet: " + kafka_error_text(error));
  return {};
}

std::uint64_t KafkaProducer::sent() const { return state_->sent; }
std::uint64_t KafkaProducer::delivered() const { return state_->delivered; }
std::uint64_t KafkaProducer::failed() const { return state_->failed; }

}  // namespace tidewaiter::ingest
