// Pipeline: the running service. It wires sources, writer, detection and connectors around one store and starts every
// thread of the process but HTTP's. After an error of the store everything that writes is torn down and built again from
// the store, with back-off: the same code as at start, so there is no second recovery path. Meanwhile ingestion is paused:
// the sources stay in their group, queries and connectors go on over what is stored.
// start(), stop() and reload are called from the main thread; status() from any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/detect_stage.hpp"
#include "app/group_heads.hpp"
#include "app/writer.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "forward/connector.hpp"
#include "ingest/source.hpp"
#include "ingest/table_set.hpp"
#include "ingest/text_order.hpp"
#include "ingest/trust.hpp"
#include "serve/server.hpp"
#include "store/log.hpp"

namespace tidewaiter::app {

/// What is in force from a commit on: a validated policy, and the keys by which attestations are judged (empty = none).
/// Canonical JSON and its SHA-256 in hex, each.
struct PolicyText {
  std::string json;
  std::string hash;
  std::string trust_json{};
  std::string trust_hash{};
};

/// User tables as the control log keeps them, and compiled.
struct TableText {
  std::string name;
  std::string json;  // an object
  std::string hash;  // hex SHA-256; "" = no such table
};
struct TablesInForce {
  std::vector<TableText> texts;
  std::shared_ptr<const ingest::TableSet> set;  // null = none
};

/// What a source needs to know of the store; valid until the source is destroyed.
struct SourceContext {
  std::function<std::optional<std::uint64_t>(const Origin&, std::uint32_t partition)> position_for;
  std::function<std::string(const Origin&)> commit_metadata;  // for the offset commit: store id, topic id, head
  std::function<void(std::string json)> record_control;  // asks for a control record
  std::function<void(std::string_view metadata)> committed_metadata;  // of the newest offset commit, at an assignment
  const Clock* clock = nullptr;
  Metrics* metrics = nullptr;
};

/// Fills the events of a batch on the source's thread.
class Parse {
 public:
  virtual ~Parse() = default;
  /// Signatures of attestations are judged by it from here on; null: not at all.
  virtual void judge_by(const std::shared_ptr<const ingest::Trust>& trust) = 0;
  virtual void parse(Batch& batch) = 0;
  /// As ingest::Parser's.
  virtual void recall_orders_by(const ingest::RecallOrder& recall, bool for_each_record) = 0;
  virtual void forget_orders() = 0;
  virtual std::vector<ingest::TextOrder> take_orders() = 0;
};

/// Adds to parsed events what policy and tables know. Owned by the source's thread, replaced between batches.
class Enrich {
 public:
  virtual ~Enrich() = default;
  virtual const std::shared_ptr<const ingest::Trust>& trust() const = 0;
  virtual void apply(Batch& batch) = 0;
};

struct PipelineConfig {
  store::Options store;
  /// Filter and log name per retention class, in order; the record goes to the longest retention that matches.
  std::vector<std::pair<std::string, std::string>> routes;  // (filter text, log name)
  WriterConfig writer;
  DetectStageConfig detect;
  std::vector<forward::ConnectorConfig> connectors;
  PolicyText policy;
  TablesInForce tables;
  std::map<std::string, std::vector<std::string>> text_columns;  // configured order of columns, by format
  std::size_t tail_commits_max = 24;
  std::int64_t drain_ms = 5'000;        // how long a clean stop waits for connectors
  std::int64_t reopen_backoff_ms = 1'000;
  /// What Kafka knows of the store, asked for before each opening. None: there is no Kafka.
  std::function<Result<GroupKnowledge>()> ask_group;
  /// Makes the sources anew each time the store is opened.
  std::function<Result<std::vector<std::unique_ptr<ingest::Source>>>(const SourceContext&)> make_sources;
  /// One parser per source; it lives as long as the source, for it remembers header lines.
  std::function<Result<std::unique_ptr<Parse>>(Metrics&)> make_parser;
  /// One per source, made anew with the policy (destination categories, keys of attestations) and the tables in force.
  std::function<Result<std::unique_ptr<Enrich>>(const PolicyText&, const TablesInForce&, Metrics&)> make_enrichment;
};

struct PipelineStatus {
  std::string state = "starting";  // starting, running, paused (store error), stopping, stopped
  std::string reason;
  std::uint64_t last_commit = 0, judged = 0;
  std::int64_t last_checkpoint_ns = 0;
  std::string head_files_problem;  // why the newest heads are not in their files; empty when they are
  store::Counters counters;
  std::vector<ingest::SourceStatus> sources;
  std::vector<forward::Status> connectors;
  detect::Status detect;
  bool sources_finished = false;
};

class Pipeline {
 public:
  Pipeline(PipelineConfig config, const Clock& clock, Metrics& metrics);
  ~Pipeline();

  /// Opens the store and starts. Errors that no retry can mend (another owner, a forked head, wrong settings) come
  /// back at once; those of a store that is there and whose disk is full or failing pause and retry, as later ones do.
  Result<void> start();
  /// Stops in flow order: sources, writer, detection, connectors, last checkpoint. Loses nothing.
  void stop();

  /// Blocks until all sources have ended and everything read is stored, judged and forwarded (or `give_up` says stop).
  /// False when it was given up.
  bool wait_until_drained(const std::function<bool()>& give_up);

  /// Everything handed over by the sources so far is stored, judged and settled with every connector.
  bool settled() const;
  /// The sources have said all that they will say: a last tick lets event time reach the newest event.
  void end_of_input();

  /// The policy takes effect at a commit; the tables with the first batch that is enriched by them, in whose commit, or
  /// before it, the control log says so. The old ones stay in force when this fails.
  Result<void> reload_policy(PolicyText policy, TablesInForce tables);
  /// Replaces all connectors; those that stay go on from their cursors.
  Result<void> reload_connectors(std::vector<forward::ConnectorConfig> connectors);

  PipelineStatus status() const;
  /// Next offset of each partition, as stored.
  std::vector<store::Position> positions() const;
  serve::Health health() const;
  /// What the HTTP server needs of us.
  serve::Backend backend();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::app
