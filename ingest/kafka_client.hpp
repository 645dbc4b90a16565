// What the users of librdkafka share: owning pointers, configuration by property names, which errors mean "refused".
// For ingest/kafka_*.cpp and embedded_broker.cpp only.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>

#include "core/result.hpp"

namespace tidewaiter::ingest {

template <class T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* object) const { destroy(object); }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_t, rd_kafka_conf_destroy>>;
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_t, rd_kafka_queue_destroy>>;
using EventPtr = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_t, rd_kafka_event_destroy>>;
using ErrorPtr = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_t, rd_kafka_error_destroy>>;
using PartitionListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                         Destroy<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>>;
using ClientPtr = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_t, rd_kafka_destroy>>;

using KafkaProperties = std::map<std::string, std::string>;

/// Under the user's properties of the consumer.
const KafkaProperties& kafka_consumer_defaults();

/// `defaults` under `properties` under `fixed`. A property that librdkafka does not know or does not accept, or that
/// contradicts `fixed`, is an error (invalid_argument) naming it. Its log goes to ours.
Result<ConfPtr> make_kafka_conf(const KafkaProperties& defaults, const KafkaProperties& properties,
                                const KafkaProperties& fixed);

/// The client made from the configuration. Error: invalid_argument with librdkafka's words.
Result<ClientPtr> make_kafka_client(rd_kafka_type_t type, ConfPtr conf);

/// Wrong password, certificate or missing right: no retry will help until somebody changes something.
bool is_refusal(rd_kafka_resp_err_t error);
/// Refused before anything could be asked.
bool is_connection_refusal(rd_kafka_resp_err_t error);

/// With TLS 1.3 a broker refuses our certificate only after the handshake, which looks like a lost connection.
bool is_tls_alert(rd_kafka_resp_err_t error, const char* text);

/// "message (NAME)"
std::string kafka_error_text(rd_kafka_resp_err_t error, const char* message = nullptr);

}  // namespace tidewaiter::ingest
