// EndWatch: asks the brokers in the background where partitions end now, for who has heard nothing of them for long.
// Owned by the thread that polls the consumer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingest/kafka_client.hpp"

namespace tidewaiter::ingest {

class EndWatch {
 public:
  using Name = std::pair<std::string, std::int32_t>;  // topic, partition
  struct End {
    Name name;
    std::uint64_t offset = 0;  // of the next message that a consumer of this isolation may see
  };

  EndWatch(rd_kafka_t* client, rd_kafka_IsolationLevel_t isolation);

  /// Sends a request; false when one is under way.
  bool ask(const std::vector<Name>& partitions);
  /// The answer when it has come. A partition whose leader did not say is left out; none when nobody answered.
  std::optional<std::vector<End>> answer();

 private:
  rd_kafka_t* client_;
  rd_kafka_IsolationLevel_t isolation_;
  QueuePtr queue_;
  bool under_way_ = false;
};

}  // namespace tidewaiter::ingest
