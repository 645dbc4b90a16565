// KafkaSource: a consumer group's member as a Source. Offsets are committed to Kafka asynchronously and only when the
// store holds what is before them; a partition starts where the *store* says (semantics 10), so a redelivery adds nothing.
//
// Rebalance (range, cooperative-sticky, KIP-848; static membership): on revoke the batches under way are
// waited for within revoke_wait_ms, the rest is removed by claim(); then the offsets are committed, then the partition
// is given back. Topic ids are asked for at assignment, at least every topic_check_ms, and at once when an offset goes
// backwards; a topic made anew is another Origin and is read from its beginning (semantics 7).
//
// Parked: refused (password, certificate, missing right) or fenced off by a member of the same name. The reason is in
// status(); librdkafka goes on trying, and the source runs again by itself when the broker accepts it. A fenced member
// stays parked. poll() goes on serving the group while paused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "ingest/batch_builder.hpp"
#include "ingest/file_source.hpp"
#include "ingest/source.hpp"

namespace tidewaiter::ingest {

struct KafkaSourceOptions {
  /// Any librdkafka property: bootstrap.servers, group.id, security.protocol ...
  std::map<std::string, std::string> properties;
  std::vector<std::string> topics;  // names, or patterns that begin with '^'
  BatchLimits batch;
  int revoke_wait_ms = 5'000;
  int topic_check_ms = 1'000;
  int offset_commit_ms = 250;  // at most one commit request in this time
  int stall_ms = 15'000;  // how long a partition may give nothing of what there is before the group is joined anew
  int metadata_commit_ms = 1'000;  // new metadata alone is committed no more often

  // Called on the thread of poll().
  PositionFor position_for;                                     // what the store holds; must be up to date
  std::function<std::string(const Origin&)> commit_metadata;    // at most 4096 bytes: store id, topic id, newest head
  std::function<void(std::string json)> record_control;         // asks for a control record: "topic_changed"
  /// Name of the configured peer store that wrote this commit metadata; nothing when it is ours, absent or invalid.
  std::function<std::optional<std::string>(std::string_view metadata)> peer_of;
  /// The metadata of each partition's newest commit, at its assignment and before anything of it is read.
  std::function<void(std::string_view metadata)> committed_metadata;
};

class KafkaSource final : public Source {
 public:
  /// Joins the group. Errors: invalid_argument, naming the property that librdkafka does not take.
  static Result<std::unique_ptr<KafkaSource>> open(KafkaSourceOptions options, const Clock& clock);
  /// Commits what is durable (bounded) and leaves the group.
  ~KafkaSource() override;

  Result<std::unique_ptr<Batch>> poll(int timeout_ms) override;
  std::size_t claim(Batch& batch) override;
  void committed(const std::vector<DurableOffset>& durable) override;
  void abandoned() override;
  Result<void> restart() override;
  void pause() override;
  void resume() override;
  bool finished() const override { return false; }
  SourceStatus status() const override;

 private:
  struct State;
  explicit KafkaSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::ingest
