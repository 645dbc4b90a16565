#include "ingest/embedded_broker.hpp"

#include <vector>

#include "ingest/kafka_client.hpp"

#include <librdkafka/rdkafka_mock.h>  // wants rdkafka.h before it

namespace tidewaiter::ingest {

using ClusterPtr =
    std::unique_ptr<rd_kafka_mock_cluster_t, Destroy<rd_kafka_mock_cluster_t, rd_kafka_mock_cluster_destroy>>;

struct EmbeddedBroker::State {
  ClientPtr host;  // the cluster runs in this client's thread
  ClusterPtr cluster;
  std::string bootstrap;
};

namespace {

Result<void> checked(rd_kafka_resp_err_t error, const std::string& what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail(Code::invalid_argument, "embedded broker: " + what + ": " + kafka_error_text(error));
}

}  // namespace

EmbeddedBroker::EmbeddedBroker(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddedBroker::~EmbeddedBroker() = default;

Result<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::start(int brokers) {
  auto state = std::make_unique<State>();
  TRY_ASSIGN(ConfPtr conf, make_kafka_conf({{"client.id", "embedded-broker"}, {"log_level", "3"}}, {}, {}));
  TRY_ASSIGN(state->host, make_kafka_client(RD_KAFKA_PRODUCER, std::move(conf)));
  state->cluster.reset(rd_kafka_mock_cluster_new(state->host.get(), brokers));
  if (!state->cluster) return fail(Code::internal, "embedded broker: the mock cluster does not start");
  state->bootstrap = rd_kafka_mock_cluster_bootstraps(state->cluster.get());
  // A real cluster waits 3 s for more members; here there are none to wait for.
  rd_kafka_mock_group_initial_rebalance_delay_ms(state->cluster.get(), 0);
  rd_kafka_mock_set_controller_id(state->cluster.get(), 1);  // who answers questions about topics
  return std::unique_ptr<EmbeddedBroker>(new EmbeddedBroker(std::move(state)));
}

const std::string& EmbeddedBroker::bootstrap() const { return state_->bootstrap; }

Result<void> EmbeddedBroker::create_topic(const std::string& topic, int partitions) {
  return checked(rd_kafka_mock_topic_create(state_->cluster.get(), topic.c_str(), partitions, 1), topic);
}

Result<void> EmbeddedBroker::delete_topic(const std::string& topic) {
  return checked(rd_kafka_mock_topic_delete(state_->cluster.get(), topic.c_str()), topic);
}

Result<void> EmbeddedBroker::delete_records(const std::string& topic, std::int32_t partition, std::int64_t offset) {
  return checked(rd_kafka_mock_partition_delete_records(state_->cluster.get(), topic.c_str(), partition, offset),
                 topic);
}

void EmbeddedBroker::set_down() { rd_kafka_mock_broker_set_down(state_->cluster.get(), -1); }
void EmbeddedBroker::set_up() { rd_kafka_mock_broker_set_up(state_->cluster.get(), -1); }

void EmbeddedBroker::fail_requests(std::int16_t api_key, int error, std::size_t count) {
  const std::vector<rd_kafka_resp_err_t> errors(count, static_cast<rd_kafka_resp_err_t>(error));
  rd_kafka_mock_push_request_errors_array(state_->cluster.get(), api_key, errors.size(), errors.data());
}

void EmbeddedBroker::answer_requests(std::int16_t api_key) {
  rd_kafka_mock_clear_request_errors(state_->cluster.get(), api_key);
}

}  // namespace tidewaiter::ingest
