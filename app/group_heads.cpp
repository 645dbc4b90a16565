#include "app/group_heads.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "ingest/kafka_group.hpp"

namespace tidewaiter::app {
namespace {

constexpr int ask_timeout_ms = 3'000;

}  // namespace

std::string write_commit_metadata(const CommitMetadata& metadata) {
  std::string out = "{\"store\":\"" + metadata.store_id + "\",\"topic_id\":\"" +
                    to_hex({reinterpret_cast<const char*>(metadata.topic_id.data()), metadata.topic_id.size()}) +
                    "\",\"head\":";
  append_json_string(out, metadata.head);
  return out += '}';
}

std::optional<CommitMetadata> read_commit_metadata(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto text_of = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  CommitMetadata metadata{text_of("store"), {}, text_of("head")};
  const auto id = from_hex(text_of("topic_id"));
  if (metadata.store_id.empty() || !id || id->size() != metadata.topic_id.size()) return std::nullopt;
  std::memcpy(metadata.topic_id.data(), id->data(), id->size());
  return metadata;
}

Result<GroupKnowledge> ask_group(const Config& config) {
  TRY_ASSIGN(const ingest::GroupOffsets answer, ingest::ask_group_offsets(config.kafka.properties, ask_timeout_ms));
  GroupKnowledge known;
  for (const ingest::GroupOffset& offset : answer.offsets) {
    auto metadata = read_commit_metadata(offset.metadata);
    if (!metadata) continue;
    known.offsets.push_back({metadata->store_id, intern_origin(answer.cluster, metadata->topic_id, offset.topic),
                             offset.partition, offset.next_offset});
    const bool again = std::any_of(known.heads.begin(), known.heads.end(),
                                   [&](const store::KnownHead& head) { return head.note == metadata->head; });
    if (metadata->head.empty() || again) continue;
    known.heads.push_back({"the commit of the group " + answer.group + " for " + offset.topic + " partition " +
                               std::to_string(offset.partition) + " in Kafka",
                           std::move(metadata->head)});
  }
  return known;
}

}  // namespace tidewaiter::app
