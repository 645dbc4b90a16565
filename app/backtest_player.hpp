// BacktestPlayer: one run of a backtest. An engine on two threads of its own, fed with the commits of the log in order: one
// scores events, one judges what that found.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "app/backtest.hpp"
#include "app/policy_swap.hpp"
#include "core/bounded_queue.hpp"
#include "core/metrics.hpp"

namespace tidewaiter::app {

class BacktestPlayer {
 public:
  /// Called on a thread of the player, and by prepare() on its caller's, with each body that the engine writes.
  using Take = std::function<void(std::string_view body)>;

  static Result<std::unique_ptr<BacktestPlayer>> create(const BacktestRun& run, const store::Reader& reader, Take take);
  ~BacktestPlayer();

  /// What the control log says before `first_commit`: policies, and who is idle. Before start().
  Result<void> prepare(const store::Reader& reader, std::uint64_t first_commit);
  /// It is done when the feed ends, or with a commit from `last_commit` on that brings event time to `until_ns`.
  void start(std::uint64_t last_commit, std::optional<std::int64_t> until_ns);
  /// Waits while it is behind. False when it is done.
  bool feed(CommitPtr commit) { return queue_.push(std::move(commit)); }
  void end_feed() { queue_.close(); }
  void join();

  bool done() const { return done_.load(); }
  /// Of the last commit judged. Any thread.
  std::uint64_t commit() const { return commit_.load(); }
  std::uint64_t events() const { return events_.load(); }
  std::int64_t watermark_ns() const { return watermark_ns_.load(); }
  /// After join().
  std::int64_t cpu_ns() const { return score_cpu_ns_ + judge_cpu_ns_; }

 private:
  static constexpr std::size_t commits_ahead = 4;

  explicit BacktestPlayer(Take take) : take_(std::move(take)) {}
  struct Scored {
    CommitPtr commit;
    std::shared_ptr<detect::Engine::Scores> scores;
  };
  void score();
  void judge(std::uint64_t last_commit, std::optional<std::int64_t> until_ns);
  void play(const CommitPtr& commit);
  void take_found();

  const Take take_;
  Metrics metrics_;  // nobody reads them
  std::unique_ptr<detect::Engine> engine_;
  std::optional<PolicySwap> swap_;
  std::vector<OwnRecord> found_;
  BoundedQueue<CommitPtr> queue_{commits_ahead};
  BoundedQueue<Scored> scored_{commits_ahead};
  std::thread score_thread_, judge_thread_;
  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> commit_{0}, events_{0};
  std::atomic<std::int64_t> watermark_ns_{0};
  std::int64_t score_cpu_ns_ = 0, judge_cpu_ns_ = 0;
};

/// CPU of the calling thread so far.
std::int64_t thread_cpu_ns();

}  // namespace tidewaiter::app
