#include "app/pipeline.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "app/life.hpp"
#include "app/status_metrics.hpp"
#include "core/log_line.hpp"

namespace tidewaiter::app {

using std::chrono::milliseconds;

// Lives, one after the other: the supervisor ends one that has failed and begins the next.

struct Pipeline::State {
  State(PipelineConfig c, const Clock& k, Metrics& m) : config(std::move(c)), clock(k), metrics(m) {}

  void supervise(std::stop_token stop);
  Result<void> begin_life();
  void end_life();
  void set(std::string state, std::string reason);
  bool sleep(std::stop_token stop, std::int64_t ms);
  PipelineStatus status() const;
  void watch_detection(const PipelineStatus& current, std::int64_t now_ns);

  const PipelineConfig config;
  StallWatch stall_watch;
  bool detect_stalled = false;
  const Clock& clock;
  Metrics& metrics;
  mutable std::shared_mutex mutex;  // shared: uses `life`; unique: begins or ends one
  std::unique_ptr<Life> life;
  PolicyText policy;
  std::vector<forward::ConnectorConfig> connectors;
  mutable std::mutex words_mutex;
  std::string state_word = "starting", reason;
  std::jthread supervisor;
};

void Pipeline::State::set(std::string new_state, std::string new_reason) {
  std::lock_guard lock(words_mutex);
  state_word = std::move(new_state);
  reason = std::move(new_reason);
  metrics.gauge("tidewaiter_up", "1 while ingestion runs, 0 while it is paused").set(state_word == "running" ? 1 : 0);
}

Result<void> Pipeline::State::begin_life() {
  auto next = std::make_unique<Life>(config, policy, connectors, clock, metrics);
  TRY(next->open());
  std::unique_lock lock(mutex);
  life = std::move(next);
  life->start();
  set("running", "");
  return {};
}

void Pipeline::State::end_life() {
  Life* current = nullptr;
  {
    std::shared_lock lock(mutex);
    current = life.get();
  }
  if (current != nullptr) current->stop();
  std::unique_lock lock(mutex);
  life.reset();
}

bool Pipeline::State::sleep(std::stop_token stop, std::int64_t ms) {
  std::mutex sleep_mutex;
  std::condition_variable_any never;
  std::unique_lock lock(sleep_mutex);
  never.wait_for(lock, stop, milliseconds(ms), [] { return false; });
  return !stop.stop_requested();
}

void Pipeline::State::watch_detection(const PipelineStatus& current, std::int64_t now_ns) {
  const bool stalled = stall_watch.stalled(current.judged, current.last_commit, now_ns);
  metrics.gauge("tidewaiter_detect_stalled", "1 when detection has stood still for a minute with commits to judge")
      .set(stalled ? 1 : 0);
  if (stalled && !detect_stalled)
    log_line(Level::error, "alarm: detection stands still", {{"judged", std::to_string(current.judged)},
                                                             {"last_commit", std::to_string(current.last_commit)}});
  detect_stalled = stalled;
}

void Pipeline::State::supervise(std::stop_token stop) {
  std::int64_t backoff_ms = config.reopen_backoff_ms, exported_ns = 0;
  while (sleep(stop, 20)) {
    bool broken = false;
    {
      std::shared_lock lock(mutex);
      broken = !life || life->failed();
      if (life && broken) set("paused", life->failure().message);
    }
    if (clock.now_ns() - exported_ns >= 1'000'000'000) {
      exported_ns = clock.now_ns();
      const PipelineStatus current = status();
      export_status(current, exported_ns, metrics);
      watch_detection(current, exported_ns);
    }
    if (!broken) continue;
    end_life();
    {
      std::lock_guard lock(words_mutex);
      log_line(Level::error, "ingestion is paused, the store will be reopened",
               {{"reason", reason}, {"retry_ms", std::to_string(backoff_ms)}});
    }
    if (!sleep(stop, backoff_ms)) return;
    if (auto begun = begin_life(); begun) {
      log_line(Level::info, "ingestion runs again");
      backoff_ms = config.reopen_backoff_ms;
    } else {
      set("paused", begun.error().message);
      backoff_ms = std::min<std::int64_t>(backoff_ms * 2, 30'000);
    }
  }
}

Pipeline::Pipeline(PipelineConfig config, const Clock& clock, Metrics& metrics)
    : state_(std::make_unique<State>(std::move(config), clock, metrics)) {
  state_->policy = state_->config.policy;
  state_->connectors = state_->config.connectors;
}

Pipeline::~Pipeline() { stop(); }

Result<void> Pipeline::start() {
  TRY(state_->begin_life());
  state_->supervisor = std::jthread([this](std::stop_token stop) { state_->supervise(stop); });
  return {};
}

void Pipeline::stop() {
  if (state_->supervisor.joinable()) {
    state_->supervisor.request_stop();
    state_->supervisor.join();
  }
  state_->set("stopping", "");
  state_->end_life();
  state_->set("stopped", "");
}

bool Pipeline::settled() const {
  std::shared_lock lock(state_->mutex);
  return state_->life && !state_->life->failed() && state_->life->settled();
}

void Pipeline::end_of_input() {
  std::shared_lock lock(state_->mutex);
  if (state_->life) state_->life->end_of_input();
}

bool Pipeline::wait_until_drained(const std::function<bool()>& give_up) {
  bool ended = false;
  while (!give_up()) {
    if (ended && settled()) return true;
    if (!ended && status().sources_finished && settled()) {
      end_of_input();
      ended = true;
      std::this_thread::sleep_for(milliseconds(100));  // the writer's next free moment takes the tick
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

Result<void> Pipeline::reload_policy(PolicyText policy) {
  std::shared_lock lock(state_->mutex);
  if (state_->life) TRY(state_->life->reload_policy(policy));
  state_->policy = std::move(policy);
  return {};
}

Result<void> Pipeline::reload_connectors(std::vector<forward::ConnectorConfig> connectors) {
  std::shared_lock lock(state_->mutex);
  if (state_->life) TRY(state_->life->reload_connectors(connectors));
  state_->connectors = std::move(connectors);
  return {};
}

PipelineStatus Pipeline::State::status() const {
  PipelineStatus status;
  {
    std::lock_guard lock(words_mutex);
    status.state = state_word;
    status.reason = reason;
  }
  std::shared_lock lock(mutex);
  if (life) life->fill(status);
  return status;
}

PipelineStatus Pipeline::status() const { return state_->status(); }

std::vector<store::Position> Pipeline::positions() const {
  std::shared_lock lock(state_->mutex);
  return state_->life ? state_->life->positions() : std::vector<store::Position>();
}

serve::Health Pipeline::health() const {
  const PipelineStatus status = this->status();
  serve::Health health;
  const bool running = status.state == "running";
  health.ready = running;
  health.parts.push_back({"store", running ? "ok" : status.state, status.reason});
  for (const ingest::SourceStatus& source : status.sources)
    health.parts.push_back({"source", source.state == ingest::SourceState::parked ? "parked" : "ok", source.reason});
  health.parts.push_back({"detect", "ok", "judged commit " + std::to_string(status.judged) + " of " +
                                              std::to_string(status.last_commit)});
  for (const forward::Status& connector : status.connectors)
    health.parts.push_back({"forward/" + connector.name,
                            connector.state == forward::Status::State::parked ? "parked" : "ok", connector.reason});
  return health;
}

serve::Backend Pipeline::backend() {
  serve::Backend backend;
  backend.open_reader = [this]() -> Result<std::unique_ptr<store::Reader>> {
    std::shared_lock lock(state_->mutex);
    if (state_->life) return state_->life->open_reader();
    return store::Reader::open(state_->config.store.directory);
  };
  backend.health = [this] { return health(); };
  backend.record_access = [this](OwnRecord record) -> Result<void> {
    std::shared_lock lock(state_->mutex);
    WriterWork work;
    work.own.push_back(std::move(record));
    if (!state_->life || !state_->life->submit(std::move(work)))
      return fail(Code::unavailable, "the store takes no records right now: reads cannot be written down");
    return {};
  };
  backend.metrics = &state_->metrics;
  backend.clock = &state_->clock;
  backend.checkpoint_interval_ns = state_->config.writer.checkpoint_interval_ms * 1'000'000;
  return backend;
}

}  // namespace tidewaiter::app
