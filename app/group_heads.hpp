// What a consumer group's commits in Kafka know of a store: each carries, as metadata, the id of the store that made it
// and that store's newest head of `control` (semantics 10). So an older copy put in the place of a store is seen before
// anything is read, as long as Kafka keeps the commits. Several stores may commit for one group: each knows its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "core/record.hpp"
#include "core/result.hpp"
#include "store/log.hpp"

namespace tidewaiter::app {

struct CommitMetadata {
  std::string store_id;
  TopicId topic_id{};
  std::string head;  // the note; empty before the first
};
std::string write_commit_metadata(const CommitMetadata& metadata);
/// Nothing when it is in another form: absent, or of another program.
std::optional<CommitMetadata> read_commit_metadata(std::string_view text);

struct GroupKnowledge {
  std::vector<store::KnownHead> heads;  // each once, of any store
  std::vector<store::KnownOffset> offsets;
};

/// Asks the brokers, for some seconds at most. Errors: unavailable, permission.
Result<GroupKnowledge> ask_group(const Config& config);

}  // namespace tidewaiter::app
