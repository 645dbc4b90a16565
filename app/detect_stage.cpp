#include "app/detect_stage.hpp"

#include <cstring>

#include "core/body.hpp"
#include "core/failpoint.hpp"
#include "core/log_line.hpp"
#include "core/text.hpp"

namespace tidewaiter::app {

namespace {
constexpr char cursor_version = 1;
constexpr std::size_t cursor_size = 1 + 8 + 8 + 32;
}  // namespace

std::string DetectCursor::encode() const {
  std::string out(cursor_size, '\0');
  out[0] = cursor_version;
  put_be(out.data() + 1, commit);
  put_be(out.data() + 9, alerts);
  std::memcpy(out.data() + 17, chain.data(), chain.size());
  return out;
}

Result<DetectCursor> DetectCursor::decode(std::string_view text) {
  if (text.size() != cursor_size || text[0] != cursor_version)
    return fail(Code::corruption, "the cursor 'detect' is not readable");
  DetectCursor cursor;
  cursor.commit = get_be<std::uint64_t>(text.data() + 1);
  cursor.alerts = get_be<std::uint64_t>(text.data() + 9);
  std::memcpy(cursor.chain.data(), text.data() + 17, cursor.chain.size());
  return cursor;
}

void DetectCursor::extend(std::string_view body) {
  chain = Sha256().digest(as_view(chain), body);
  ++alerts;
}

DetectStage::DetectStage(DetectStageConfig config, CommitFeed& feed, Writer& writer, const Clock& clock,
                         Metrics& metrics)
    : config_(config), feed_(feed), writer_(writer), clock_(clock), metrics_(metrics) {}

namespace {

// A snapshot in the store: the cursor it belongs to, then the engine's own bytes.
std::string pack_snapshot(const DetectCursor& cursor, std::string_view engine) {
  return cursor.encode().append(engine);
}

}  // namespace

Result<void> DetectStage::restore(const store::Reader& reader) {
  TRY_ASSIGN(engine_, detect::Engine::create(config_.engine, metrics_));
  DetectCursor stored;
  if (auto text = reader.cursor(std::string(detect_cursor_name))) {
    TRY_ASSIGN(stored, DetectCursor::decode(*text));
  } else if (text.error().code != Code::not_found) {
    return std::move(text).error();
  }
  if (auto snapshot = reader.snapshot(std::string(detect_snapshot_name), stored.commit)) {
    const std::string_view state = snapshot->second;
    TRY_ASSIGN(cursor_, DetectCursor::decode(state.substr(0, cursor_size)));
    if (auto restored = engine_->restore(state.substr(cursor_size)); !restored) {
      if (restored.error().code != Code::conflict) return restored;
      // Made with another memory size or by another version: the log itself has all that is needed.
      log_line(Level::warn, "detection judges the whole log again: " + restored.error().message);
      TRY_ASSIGN(engine_, detect::Engine::create(config_.engine, metrics_));
      cursor_ = {};
    }
  } else if (snapshot.error().code != Code::not_found) {
    return std::move(snapshot).error();
  }
  snapshot_events_ = engine_->status().events;
  std::vector<OwnRecord> alerts;
  while (cursor_.commit < stored.commit) {
    TRY_ASSIGN(CommitPtr commit, reader.commit(cursor_.commit + 1, false));
    engine_->process(*commit, alerts);
    for (const OwnRecord& alert : alerts) cursor_.extend(alert.body);
    alerts.clear();
    cursor_.commit = commit->number;
  }
  if (cursor_.alerts != stored.alerts || cursor_.chain != stored.chain) {
    log_line(Level::error, "alarm: replaying detection gave other alerts than the stored ones",
             {{"commit", std::to_string(stored.commit)}, {"stored", std::to_string(stored.alerts)},
              {"replayed", std::to_string(cursor_.alerts)}});
    metrics_.counter("tidewaiter_replay_differences_total", "Restarts after which a replay gave other alerts").add();
    cursor_ = stored;
  }
  judged_.store(cursor_.commit);
  status_ = engine_->status();
  cursor_handed_over_ = cursor_.commit;
  cursor_time_ns_ = snapshot_time_ns_ = clock_.now_ns();
  return {};
}

Result<void> DetectStage::run(std::stop_token stop) {
  CommitFeed::Follower follower(feed_, false);
  while (!stop.stop_requested()) {
    TRY_ASSIGN(const CommitPtr commit, follower.next(cursor_.commit + 1, std::chrono::milliseconds(50)));
    if (commit) TRY(judge(*commit));
    hand_over_cursor(false);
    hand_over_snapshot(false);
  }
  hand_over_cursor(true);
  hand_over_snapshot(true);
  return {};
}

Result<void> DetectStage::judge(const Commit& commit) {
  WriterWork work;
  engine_->process(commit, work.own);
  cursor_.commit = commit.number;
  failpoint(Failpoint::alerts_before_handover);
  if (!work.own.empty()) {
    for (const OwnRecord& alert : work.own) cursor_.extend(alert.body);
    work.cursors.push_back({std::string(detect_cursor_name), cursor_.encode()});
    if (!writer_.submit(std::move(work))) return fail(Code::unavailable, "the writer has stopped");
    cursor_handed_over_ = commit.number;
  }
  judged_.store(cursor_.commit);
  std::lock_guard lock(status_mutex_);
  status_ = engine_->status();
  return {};
}

void DetectStage::hand_over_cursor(bool force) {
  if (cursor_handed_over_ == cursor_.commit) return;
  const std::int64_t now = clock_.now_ns();
  if (!force && now - cursor_time_ns_ < config_.cursor_interval_ms * 1'000'000) return;
  WriterWork work;
  work.cursors.push_back({std::string(detect_cursor_name), cursor_.encode()});
  writer_.submit(std::move(work));
  cursor_handed_over_ = cursor_.commit;
  cursor_time_ns_ = now;
}

void DetectStage::hand_over_snapshot(bool force) {
  const std::uint64_t events = engine_->status().events;
  if (events == snapshot_events_) return;  // commits without events are cheap to judge again
  const std::int64_t now = clock_.now_ns();
  if (!force && now - snapshot_time_ns_ < config_.snapshot_interval_ms * 1'000'000) return;
  WriterWork work;
  work.cursors.push_back({std::string(detect_cursor_name), cursor_.encode()});
  work.snapshot = SnapshotPut{std::string(detect_snapshot_name), cursor_.commit,
                              pack_snapshot(cursor_, engine_->snapshot())};
  writer_.submit(std::move(work));
  cursor_handed_over_ = cursor_.commit;
  snapshot_events_ = events;
  snapshot_time_ns_ = now;
}

detect::Status DetectStage::engine_status() const {
  std::lock_guard lock(status_mutex_);
  return status_;
}

}  // namespace tidewaiter::app
