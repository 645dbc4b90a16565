// The stages, their threads and queues:
//
//   source 0 ──parse──┐                     ┌──▶ detect      (1 thread) ──┐ alerts, cursor, snapshot
//   source 1 ──parse──┼─▶ [queue, 4] ─▶ WRITER ═▶ feed ──▶ connector A (1 thread) ──┤ receipts, cursor
//   (1 thread each)   │      ▲              └──▶ connector B (1 thread) ──┤
//   HTTP reads ───────┘      └──────────────────────────────────────────────┘
//
// Invariants:
//   - only the writer appends; only it tells a source what is durable;
//   - the writer waits for nobody: followers pull from the feed, so no cycle of waiting exists;
//   - a full queue holds the sources back: they pause, and go on polling;
//   - a stage that fails ends the life of all of them but the sources, which wait (app/intake.hpp); the next life begins
//     from the store. In between nothing is written, and connectors go on over what is stored (app/vigil.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/forward_stage.hpp"
#include "app/intake.hpp"
#include "app/pipeline.hpp"
#include "app/vigil.hpp"

namespace tidewaiter::app {

/// Life: one life of the stages, from an open store to its close. All threads of the pipeline start here.
/// open(), start() and stop() belong to one thread; the rest may be called from any while it lives.
class Life {
 public:
  Life(const PipelineConfig& config, PolicyText policy, TablesInForce tables,
       std::vector<forward::ConnectorConfig> connectors, const Clock& clock, Metrics& metrics)
      : config_(config), policy_(std::move(policy)), tables_(std::move(tables)),
        connector_configs_(std::move(connectors)), clock_(clock), metrics_(metrics) {}

  /// Opens the store, and the intake if it is not open yet.
  Result<void> open(Intake& intake);
  /// Writes down what was kept while there was no life, and makes the connectors. After an error this life is over.
  Result<void> take_over(KeptWork& kept);
  void start();
  /// In flow order, once the intake has stopped or is disconnected. After it, failure() tells how the life ended.
  void stop();

  bool failed() const {
    std::lock_guard lock(failure_mutex_);
    return failure_.has_value();
  }
  Error failure() const {
    std::lock_guard lock(failure_mutex_);
    return failure_.value_or(Error{Code::internal, "no failure"});
  }

  bool settled() const;
  Result<void> reload_policy(PolicyText policy, TablesInForce tables);
  Result<void> reload_connectors(std::vector<forward::ConnectorConfig> connectors);
  void end_of_input() { writer_->end_of_input(); }
  void fill(PipelineStatus& status) const;
  Result<std::unique_ptr<store::Reader>> open_reader() const { return store::Reader::open(*log_); }
  std::vector<store::Position> positions() const { return writer_->positions(); }
  std::shared_ptr<Writer> writer() const { return writer_; }
  std::string store_id() const { return log_->store_id(); }
  const TextOrders& text_orders() const { return text_orders_; }
  bool submit(WriterWork work) { return writer_->submit_for(work, std::chrono::milliseconds(2'000)); }

 private:
  struct Connector {
    std::unique_ptr<ForwardStage> stage;
    std::jthread thread;
  };

  Result<std::vector<std::unique_ptr<ForwardStage>>> make_connectors(
      const std::vector<forward::ConnectorConfig>& configs);
  void stop_connectors(std::int64_t drain_ms);
  void fail_with(Error error);
  template <class Stage>
  void guard(Stage&& stage) {
    if (auto result = stage(); !result) fail_with(std::move(result).error());
  }
  Result<void> open_store();
  bool record_policy();
  /// A control record of the keys of attestations, if they are others than the ones recorded last.
  void add_trust_record(WriterWork& work);
  /// Control records of the tables that are others than the ones recorded last, with the cursors that remember them.
  WriterWork table_records() const;
  bool group_asked_ = true;  // false: Kafka did not say which head it knows before the store was opened

  const PipelineConfig& config_;
  PolicyText policy_;
  std::string trust_in_force_;  // hash of the keys that the log's last control record of them has
  TablesInForce tables_;
  std::vector<forward::ConnectorConfig> connector_configs_;
  const Clock& clock_;
  Metrics& metrics_;

  TextOrders text_orders_;
  std::unique_ptr<store::Log> log_;
  std::unique_ptr<CommitFeed> feed_;
  Intake* intake_ = nullptr;
  std::shared_ptr<Writer> writer_;  // the intake may still hold it for a moment after us
  std::unique_ptr<DetectStage> detect_;
  mutable std::mutex connectors_mutex_;
  std::vector<Connector> connectors_;

  std::jthread writer_thread_, detect_thread_;
  mutable std::mutex failure_mutex_;
  std::optional<Error> failure_;
};

}  // namespace tidewaiter::app
