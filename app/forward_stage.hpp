// ForwardStage: runs one connector over the feed. What it settles (receipts, counters, cursor) goes back through the
// writer in one commit (or is kept while there is none: app/vigil.hpp). run() is one thread's life; status() may be read by any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "app/commit_feed.hpp"
#include "app/writer_work.hpp"
#include "core/clock.hpp"
#include "forward/connector.hpp"
#include "store/head_files.hpp"

namespace tidewaiter::app {

/// Log names by id, for output.
std::vector<std::string> names_of(const std::vector<store::LogInfo>& logs);

/// A connector that goes on where its stored cursor says; `cursor` is what the store answered, not_found included.
Result<std::unique_ptr<forward::Connector>> restore_connector(const forward::ConnectorConfig& config,
                                                              std::vector<std::string> log_names,
                                                              const Result<std::string>& cursor,
                                                              const store::Counters& counters, const Clock& clock,
                                                              Metrics& metrics);

class ForwardStage {
 public:
  /// Takes what is settled, to be written in one commit. May block; false once nothing is written any more.
  using HandOver = std::function<bool(WriterWork)>;

  ForwardStage(std::unique_ptr<forward::Connector> connector, CommitFeed& feed, store::PublishedHeads heads,
               HandOver hand_over, const Clock& clock);

  Result<void> run(std::stop_token stop);
  /// Makes a network call that is under way fail at once; for the shutdown. Any thread.
  void cancel() { connector_->cancel(); }
  forward::Status status() const;
  /// Nothing is pending and everything up to `commit` is settled.
  bool settled(std::uint64_t commit) const;

 private:
  Result<bool> fill(CommitFeed::Follower& follower, std::chrono::milliseconds patience);
  void hand_over(forward::StepResult result);

  std::unique_ptr<forward::Connector> connector_;
  CommitFeed& feed_;
  store::PublishedHeads heads_;
  const HandOver hand_over_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  forward::Status status_;
  std::uint64_t next_commit_ = 1;
  bool drained_ = true;
};

}  // namespace tidewaiter::app
