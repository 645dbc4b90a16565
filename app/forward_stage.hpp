// ForwardStage: runs one connector over the feed. What it settles (receipts, counters, cursor) goes back through the
// writer in one commit. run() is one thread's life; status() may be read by any thread.
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>

#include "app/commit_feed.hpp"
#include "app/writer.hpp"
#include "core/clock.hpp"
#include "forward/connector.hpp"

namespace tidewaiter::app {

class ForwardStage {
 public:
  ForwardStage(std::unique_ptr<forward::Connector> connector, CommitFeed& feed, Writer& writer, const Clock& clock);

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
  Writer& writer_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  forward::Status status_;
  std::uint64_t next_commit_ = 1;
  bool drained_ = true;
};

}  // namespace tidewaiter::app
