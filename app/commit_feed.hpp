// CommitFeed: the tail of the log that followers read. The newest commits come from memory, older ones are read back
// from the store; a follower sees one gapless sequence of commit numbers and cannot tell which is which.
// The writer appends and never waits; any number of followers pull, each from its own number. What every follower has
// passed leaves memory at once: its pages are warm, and the next batch wants them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {

class CommitFeed {
 public:
  /// The tail in memory holds at most so many bytes of bodies and events, and always the newest commit.
  static constexpr std::size_t tail_bytes_max = 64u << 20;

  using OpenReader = std::function<Result<std::unique_ptr<store::Reader>>()>;

  /// Keeps at most `commits_max` commits in memory, and only those that a follower has still to take. `last_commit` = newest commit of the store at open.
  CommitFeed(std::size_t commits_max, std::uint64_t last_commit, OpenReader open_reader);

  /// Writer only: the next commit, in order of number.
  void append(CommitPtr commit);
  /// Wakes everybody; next() then says that there is nothing more.
  void close();
  std::uint64_t last_commit() const { return last_.load(std::memory_order_acquire); }

  /// One follower's place in the feed. Owned by one thread; the feed outlives it.
  class Follower {
   public:
    /// `bodies`: whether commits read back from the store bring their raw bytes.
    Follower(CommitFeed& feed, bool bodies);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    /// Commit `number`, or null when it is not written yet after `timeout` (or the feed is closed). Asking for a number
    /// says that those below it are done with.
    Result<CommitPtr> next(std::uint64_t number, std::chrono::milliseconds timeout);
    bool from_memory() const { return from_memory_; }

   private:
    CommitFeed& feed_;
    friend class CommitFeed;
    const bool bodies_;
    std::uint64_t wants_ = 0;  // guarded by the feed's mutex
    bool from_memory_ = true;
    std::unique_ptr<store::Reader> reader_;
  };

 private:
  /// The commit if memory has it; waits until it is written at all.
  CommitPtr wait_for(Follower& follower, std::uint64_t number, std::chrono::milliseconds timeout);
  /// Takes out what nobody wants any more; the caller frees it outside the lock, for it may be megabytes.
  void prune(std::vector<CommitPtr>& dropped);

  const std::size_t commits_max_;
  const OpenReader open_reader_;
  std::mutex mutex_;
  std::condition_variable appended_;
  struct Kept {
    CommitPtr commit;
    std::size_t bytes;
  };
  std::deque<Kept> tail_;
  std::size_t tail_bytes_ = 0;
  std::vector<Follower*> followers_;
  std::atomic<std::uint64_t> last_;
  bool closed_ = false;
};

}  // namespace tidewaiter::app
