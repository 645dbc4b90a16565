#include "ingest/kafka_group.hpp"

#include "ingest/kafka_client.hpp"

namespace tidewaiter::ingest {
namespace {

using OptionsPtr = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>>;
using QuestionPtr = std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t,
                                    Destroy<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy>>;

Error refused(rd_kafka_resp_err_t error, const char* text) {
  return fail(is_refusal(error) ? Code::permission : Code::unavailable,
              "offsets of the group: " + kafka_error_text(error, text));
}

Result<std::vector<GroupOffset>> read_answer(rd_kafka_event_t* event) {
  if (const auto error = rd_kafka_event_error(event); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return refused(error, rd_kafka_event_error_string(event));
  const auto* result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
  std::size_t count = 0;
  const auto** groups = result ? rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count) : nullptr;
  if (count != 1) return fail(Code::unavailable, "offsets of the group: another answer than was asked for");
  if (const auto* error = rd_kafka_group_result_error(groups[0]); error != nullptr)
    return refused(rd_kafka_error_code(error), rd_kafka_error_string(error));
  std::vector<GroupOffset> offsets;
  const auto* list = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const auto& entry = list->elems[i];
    if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR || entry.offset < 0) continue;
    GroupOffset offset{entry.topic, static_cast<std::uint32_t>(entry.partition),
                       static_cast<std::uint64_t>(entry.offset), {}};
    if (entry.metadata != nullptr) offset.metadata.assign(static_cast<const char*>(entry.metadata), entry.metadata_size);
    offsets.push_back(std::move(offset));
  }
  return offsets;
}

}  // namespace

Result<GroupOffsets> ask_group_offsets(const std::map<std::string, std::string>& properties, int timeout_ms) {
  TRY_ASSIGN(ConfPtr conf, make_kafka_conf(kafka_consumer_defaults(), properties, {}));
  TRY_ASSIGN(const ClientPtr client, make_kafka_client(RD_KAFKA_CONSUMER, std::move(conf)));
  GroupOffsets answer;
  const auto named = properties.find("group.id");
  answer.group = named != properties.end() ? named->second : kafka_consumer_defaults().at("group.id");
  QuestionPtr question(rd_kafka_ListConsumerGroupOffsets_new(answer.group.c_str(), nullptr));
  OptionsPtr options(rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS));
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text, sizeof text);
  QueuePtr queue(rd_kafka_queue_new(client.get()));
  rd_kafka_ListConsumerGroupOffsets_t* questions[] = {question.get()};
  rd_kafka_ListConsumerGroupOffsets(client.get(), questions, 1, options.get(), queue.get());
  EventPtr event(rd_kafka_queue_poll(queue.get(), timeout_ms + 500));
  if (!event) return fail(Code::unavailable, "offsets of the group: no answer from the brokers");
  TRY_ASSIGN(answer.offsets, read_answer(event.get()));
  if (answer.offsets.empty()) return answer;
  char* id = rd_kafka_clusterid(client.get(), timeout_ms);
  answer.cluster = id == nullptr ? "unknown" : id;
  if (id != nullptr) rd_kafka_mem_free(client.get(), id);
  return answer;
}

}  // namespace tidewaiter::ingest
