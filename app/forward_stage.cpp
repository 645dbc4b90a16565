#include "app/forward_stage.hpp"

#include <algorithm>
#include <thread>

namespace tidewaiter::app {

std::vector<std::string> names_of(const std::vector<store::LogInfo>& logs) {
  std::vector<std::string> names;
  for (const store::LogInfo& log : logs) {
    if (names.size() <= log.id) names.resize(log.id + 1u);
    names[log.id] = log.name;
  }
  return names;
}

Result<std::unique_ptr<forward::Connector>> restore_connector(const forward::ConnectorConfig& config,
                                                              std::vector<std::string> log_names,
                                                              const Result<std::string>& cursor,
                                                              const store::Counters& counters, const Clock& clock,
                                                              Metrics& metrics) {
  TRY_ASSIGN(auto connector, forward::Connector::create(config, std::move(log_names), clock, metrics));
  if (cursor) {
    TRY(connector->restore(*cursor, counters.connector));
  } else if (cursor.error().code != Code::not_found) {
    return cursor.error();
  }
  return connector;
}

ForwardStage::ForwardStage(std::unique_ptr<forward::Connector> connector, CommitFeed& feed,
                           store::PublishedHeads heads, HandOver hand_over, const Clock& clock)
    : connector_(std::move(connector)), feed_(feed), heads_(std::move(heads)), hand_over_(std::move(hand_over)), clock_(clock) {
  status_ = connector_->status();
  next_commit_ = connector_->next_commit();
}

Result<void> ForwardStage::run(std::stop_token stop) {
  CommitFeed::Follower follower(feed_, connector_->needs_bodies());
  std::int64_t call_again_ns = 0;
  while (!stop.stop_requested()) {
    const std::int64_t wait_ms =
        std::clamp<std::int64_t>((call_again_ns - clock_.now_ns()) / 1'000'000, 0, 50);
    TRY_ASSIGN(const bool took, fill(follower, std::chrono::milliseconds(wait_ms)));
    if (!took && !connector_->wants_more() && wait_ms > 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    if (took || call_again_ns <= clock_.now_ns()) {
      forward::StepResult result = connector_->step();
      call_again_ns = result.call_again_ns;
      hand_over(std::move(result));
    }
    std::lock_guard lock(mutex_);
    status_ = connector_->status();
    next_commit_ = connector_->next_commit();
    drained_ = connector_->drained();
  }
  if (auto rest = connector_->take_rest()) hand_over(std::move(*rest));
  return {};
}

Result<bool> ForwardStage::fill(CommitFeed::Follower& follower, std::chrono::milliseconds patience) {
  bool took = false;
  while (connector_->wants_more()) {
    TRY_ASSIGN(CommitPtr commit, follower.next(connector_->next_commit(), took ? std::chrono::milliseconds(0) : patience));
    if (!commit) break;
    const bool head_is_public = commit->head.empty() || heads_.holds(commit->head);
    connector_->offer(std::move(commit), head_is_public);
    took = true;
  }
  return took;
}

void ForwardStage::hand_over(forward::StepResult result) {
  if (result.receipts.empty() && result.counts.empty() && !result.cursor) return;
  WriterWork work;
  work.own = std::move(result.receipts);
  work.connector_counts = std::move(result.counts);
  if (result.cursor) work.cursors.push_back(std::move(*result.cursor));
  hand_over_(std::move(work));
}

forward::Status ForwardStage::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

bool ForwardStage::settled(std::uint64_t commit) const {
  std::lock_guard lock(mutex_);
  return drained_ && next_commit_ > commit;
}

}  // namespace tidewaiter::app
