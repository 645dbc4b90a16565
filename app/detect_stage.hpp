// DetectStage: runs the detection engine over the feed. Its cursor carries the number of the last judged commit and a
// hash chain over all alert bodies so far; alerts and cursor go back through the writer in one commit, so a kill can
// neither lose nor double an alert. At start the engine is restored from a snapshot and replays up to the cursor in
// silence; a chain that differs then is an alarm (semantics 18).
// run() is one thread's life; progress() may be read by any thread.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>

#include "app/commit_feed.hpp"
#include "app/writer.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/sha256.hpp"
#include "detect/engine.hpp"

namespace tidewaiter::app {

/// Where detection stands, as stored under the cursor name "detect".
struct DetectCursor {
  std::uint64_t commit = 0;
  std::uint64_t alerts = 0;
  Hash chain{};  // SHA-256(previous chain || body) over all alert bodies
  std::string encode() const;
  static Result<DetectCursor> decode(std::string_view text);
  void extend(std::string_view body);
};
inline constexpr std::string_view detect_cursor_name = "detect";
inline constexpr std::string_view detect_snapshot_name = "detect";

struct DetectStageConfig {
  detect::EngineConfig engine;
  std::int64_t snapshot_interval_ms = 60'000;
  std::int64_t cursor_interval_ms = 1'000;
};

class DetectStage {
 public:
  DetectStage(DetectStageConfig config, CommitFeed& feed, Writer& writer, const Clock& clock, Metrics& metrics);

  /// Loads the newest snapshot and replays up to the cursor. Before run(), on the same thread.
  Result<void> restore(const store::Reader& reader);
  Result<void> run(std::stop_token stop);

  /// Last commit judged, and whether everything it produced has been handed to the writer.
  std::uint64_t judged() const { return judged_.load(); }
  detect::Status engine_status() const;

 private:
  Result<void> judge(const Commit& commit);
  void hand_over_cursor(bool force);
  void hand_over_snapshot(bool force);

  const DetectStageConfig config_;
  CommitFeed& feed_;
  Writer& writer_;
  const Clock& clock_;
  Metrics& metrics_;
  std::unique_ptr<detect::Engine> engine_;
  DetectCursor cursor_;
  std::uint64_t cursor_handed_over_ = 0, snapshot_events_ = 0;
  std::int64_t cursor_time_ns_ = 0, snapshot_time_ns_ = 0;
  std::atomic<std::uint64_t> judged_{0};
  mutable std::mutex status_mutex_;
  detect::Status status_;
};

}  // namespace tidewaiter::app
