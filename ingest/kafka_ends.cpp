#include "ingest/kafka_ends.hpp"

namespace tidewaiter::ingest {
namespace {

using OptionsPtr = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>>;

constexpr int ask_timeout_ms = 5'000;

}  // namespace

EndWatch::EndWatch(rd_kafka_t* client, rd_kafka_IsolationLevel_t isolation)
    : client_(client), isolation_(isolation), queue_(rd_kafka_queue_new(client)) {}

bool EndWatch::ask(const std::vector<Name>& partitions) {
  if (under_way_ || partitions.empty()) return false;
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& [topic, number] : partitions)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), number)->offset = RD_KAFKA_OFFSET_SPEC_LATEST;
  OptionsPtr options(rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_LISTOFFSETS));
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), ask_timeout_ms, text, sizeof text);
  if (ErrorPtr error(rd_kafka_AdminOptions_set_isolation_level(options.get(), isolation_)); error) return false;
  rd_kafka_ListOffsets(client_, list.get(), options.get(), queue_.get());
  under_way_ = true;
  return true;
}

std::optional<std::vector<EndWatch::End>> EndWatch::answer() {
  if (!under_way_) return std::nullopt;
  EventPtr event(rd_kafka_queue_poll(queue_.get(), 0));
  if (!event) return std::nullopt;
  under_way_ = false;
  std::vector<End> ends;
  const auto* result = rd_kafka_event_ListOffsets_result(event.get());
  std::size_t count = 0;
  const auto** infos = result == nullptr ? nullptr : rd_kafka_ListOffsets_result_infos(result, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* one = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    if (one->err != RD_KAFKA_RESP_ERR_NO_ERROR || one->offset < 0) continue;
    ends.push_back({{one->topic, one->partition}, static_cast<std::uint64_t>(one->offset)});
  }
  return ends;
}

}  // namespace tidewaiter::ingest
