#include "ingest/kafka_client.hpp"

#include <string_view>

#include "core/log_line.hpp"

namespace tidewaiter::ingest {
namespace {

void forward_log(const rd_kafka_t*, int level, const char* facility, const char* message) {
  const Level ours = level <= 3 ? Level::error : level == 4 ? Level::warn : level <= 6 ? Level::info : Level::debug;
  log_line(ours, "kafka client", {{"facility", facility}, {"text", message}});
}

Result<void> set_property(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char text[512] = "";
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK) return {};
  return fail(Code::invalid_argument, "kafka property '" + name + "': " + text);
}

}  // namespace

const KafkaProperties& kafka_consumer_defaults() {
  static const KafkaProperties defaults = {
      {"group.id", "tidewaiter"},
      {"client.id", "tidewaiter"},
      {"fetch.queue.backoff.ms", "5"},  // with a bounded queue the default of 1 s starves the consumer
      {"queued.max.messages.kbytes", "2048"},  // of each partition
      {"allow.auto.create.topics", "false"},
  };
  return defaults;
}

Result<ConfPtr> make_kafka_conf(const KafkaProperties& defaults, const KafkaProperties& properties,
                                const KafkaProperties& fixed) {
  ConfPtr conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), forward_log);
  for (const auto& [name, value] : defaults) TRY(set_property(conf.get(), name, value));
  for (const auto& [name, value] : properties) {
    if (const auto found = fixed.find(name); found != fixed.end() && found->second != value)
      return fail(Code::invalid_argument, "kafka property '" + name + "' must stay '" + found->second +
                                              "': offsets are committed only after the durable write");
    TRY(set_property(conf.get(), name, value));
  }
  for (const auto& [name, value] : fixed) TRY(set_property(conf.get(), name, value));
  return conf;
}

Result<ClientPtr> make_kafka_client(rd_kafka_type_t type, ConfPtr conf) {
  char text[512] = "";
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), text, sizeof text);
  if (client == nullptr) return fail(Code::invalid_argument, std::string("kafka client: ") + text);
  static_cast<void>(conf.release());  // the client owns it now
  return ClientPtr(client);
}

bool is_connection_refusal(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL ||
         error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

bool is_tls_alert(rd_kafka_resp_err_t error, const char* text) {
  return error == RD_KAFKA_RESP_ERR__TRANSPORT && text != nullptr &&
         std::string_view(text).find("SSL alert number") != std::string_view::npos;
}

bool is_refusal(rd_kafka_resp_err_t error) {
  return is_connection_refusal(error) || error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

std::string kafka_error_text(rd_kafka_resp_err_t error, const char* message) {
  const std::string text = message != nullptr && *message != '\0' ? message : rd_kafka_err2str(error);
  return text + " (" + rd_kafka_err2name(error) + ")";
}

}  // namespace tidewaiter::ingest
