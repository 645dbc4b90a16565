// Writer: the one stage that appends to the log. It takes work from its queue, makes commits of it, publishes them to
// the feed, tells the sources what is durable, and keeps the timers of checkpoint, tick and sealing.
// run() is one thread's life; everything else may be called from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/commit_feed.hpp"
#include "app/ticker.hpp"
#include "app/writer_work.hpp"
#include "core/bounded_queue.hpp"
#include "core/clock.hpp"
#include "ingest/source.hpp"
#include "store/log.hpp"

namespace tidewaiter::app {

struct WriterConfig {
  std::int64_t checkpoint_interval_ms = 1'000;
  TickerConfig ticker;
  std::size_t queue_items_max = 4;
};

class Writer {
 public:
  Writer(WriterConfig config, store::Log& log, CommitFeed& feed, std::vector<ingest::Source*> sources,
         const Clock& clock);

  /// Blocks while the queue is full: this is the back-pressure. False once the writer has stopped.
  bool submit(WriterWork work) { return queue_.push(std::move(work)); }
  /// Like submit, but gives up after `timeout`; `work` stays with the caller then.
  bool submit_for(WriterWork& work, std::chrono::milliseconds timeout) { return queue_.push_for(work, timeout); }

  /// Until close() and the queue is drained, or an error of the store: then the log must be closed and reopened.
  Result<void> run();
  /// No more work is taken; run() drains what is there, publishes a last checkpoint and returns.
  void close() { queue_.close(); }
  /// The sources have ended: the next free moment writes a last tick.
  void end_of_input() { end_of_input_.store(true); }

  /// Everything submitted so far is committed.
  bool idle() const { return queue_.size() == 0 && !busy_.load(); }
  /// Next offset of each partition, as stored by the last commit.
  std::vector<store::Position> positions() const {
    std::lock_guard lock(positions_mutex_);
    return positions_;
  }
  std::uint64_t checkpoints() const { return checkpoints_.load(); }
  std::int64_t last_checkpoint_ns() const { return last_checkpoint_ns_.load(); }
  /// Why the newest heads are not in their files; empty when they are.
  std::string head_files_problem() const {
    std::lock_guard lock(positions_mutex_);
    return head_files_problem_;
  }
  std::int64_t last_commit_ns() const { return last_commit_ns_.load(); }
  /// Called after each checkpoint, on the writer's thread: other places keep heads too.
  void on_checkpoint(std::function<void(const std::vector<store::Head>&)> callback) {
    on_checkpoint_ = std::move(callback);
  }

 private:
  Result<void> commit(WriterWork work);
  Result<void> commit_records(WriterWork work);
  /// A commit that is being written while the next one is made.
  struct Flying {
    CommitPtr commit;
    ingest::Source* source = nullptr;
    std::vector<ingest::DurableOffset> ends;
    std::vector<std::promise<std::uint64_t>> waiting;
  };
  Result<void> append_commit(WriterWork work, Flying made);
  Result<void> settle();
  void finish(Flying made);
  void abandon(const Flying& made);
  void tell_ends();
  void announce_partitions(ingest::Source& source, WriterWork& work);
  Result<void> run_timers();
  Result<void> seal_a_little();
  Result<void> publish_checkpoint();
  void note_head_files();
  /// Own work that waits already rides along in the same commit: one sync for all.
  WriterWork gather(WriterWork first);

  const WriterConfig config_;
  store::Log& log_;
  CommitFeed& feed_;
  const std::vector<ingest::Source*> sources_;
  const Clock& clock_;
  BoundedQueue<WriterWork> queue_;
  std::optional<WriterWork> held_back_;  // popped while gathering, but a batch of its own commit
  std::optional<Flying> flying_;
  int busy_rounds_ = 0;
  Ticker ticker_;
  std::function<void(const std::vector<store::Head>&)> on_checkpoint_;
  mutable std::mutex positions_mutex_;
  std::vector<store::Position> positions_;
  std::string head_files_problem_;
  std::int64_t checkpoint_tried_ns_;
  std::atomic<bool> busy_{false}, end_of_input_{false};
  std::atomic<std::uint64_t> checkpoints_{0};
  std::atomic<std::int64_t> last_checkpoint_ns_{0}, last_commit_ns_{0};
};

/// A control record of ours, ready for WriterWork::control.
OwnRecord control_record(std::string json, std::int64_t time_ns);

}  // namespace tidewaiter::app
