#include "app/pipeline.hpp"

#include <malloc.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "app/feedback_records.hpp"
#include "app/intake.hpp"
#include "app/life.hpp"
#include "app/status_metrics.hpp"
#include "app/vigil.hpp"
#include "core/log_line.hpp"
#include "store/disk_probe.hpp"

namespace tidewaiter::app {

using std::chrono::milliseconds;

// Lives, one after the other: the supervisor ends one that has failed and begins the next. In between a vigil is kept.

namespace {

constexpr std::size_t kept_reads_max = 1'000;
constexpr std::int64_t backoff_max_ms = 10'000;
constexpr std::int64_t vigil_retry_ns = 2'000'000'000;
constexpr auto change_wait = std::chrono::seconds(10);  // until a verdict or a suppression is durable

/// glibc keeps what threads free in each other's arenas: after bursts more than is in use. Given back beyond 96 MiB,
/// looked at once a second; below that it is what the next batches want.
void give_back_free_memory() {
  constexpr std::size_t free_bytes_max = 96u << 20;
  if (::mallinfo2().fordblks > free_bytes_max) ::malloc_trim(0);
}

/// What one thread allocates another frees: a batch goes through four. With an arena for each, all of them keep the highest
/// they ever had: from a broker 567 to 666 MB in all, with three arenas 540 to 607.
void share_arenas() { ::mallopt(M_ARENA_MAX, 3); }

bool is_store(const std::string& directory) {
  std::error_code ignored;
  return std::filesystem::exists(directory + "/CURRENT", ignored);
}

}  // namespace

struct Pipeline::State {
  State(PipelineConfig c, const Clock& k, Metrics& m) : config(std::move(c)), clock(k), metrics(m) {}

  void supervise(std::stop_token stop);
  Result<void> begin_life();
  void end_life();
  void pause(const Error& reason);
  void keep_vigil();
  void end_vigil();
  void try_again();
  void export_now();
  bool keep_access(OwnRecord record);
  Result<std::uint64_t> write_change(OwnRecord control, OwnRecord access);
  void set(std::string state, std::string reason);
  bool sleep(std::stop_token stop, std::int64_t ms);
  PipelineStatus status() const;
  void watch_detection(const PipelineStatus& current, std::int64_t now_ns);

  const PipelineConfig config;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<Vigil> vigil;  // guarded by `mutex`, as `life`; there is never both
  KeptWork kept;                 // access: guarded by words_mutex; connectors: the supervisor's
  PipelineStatus last_status;    // of the life before; guarded by `mutex`
  std::int64_t backoff_ms = 0, next_try_ns = 0, next_vigil_ns = 0, exported_ns = 0;
  StallWatch stall_watch;
  bool detect_stalled = false;
  const Clock& clock;
  Metrics& metrics;
  mutable std::shared_mutex mutex;  // shared: uses `life`; unique: begins or ends one
  std::unique_ptr<Life> life;
  PolicyText policy;
  TablesInForce tables;
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
  if (!intake) intake = std::make_unique<Intake>(config, clock, metrics);
  if (is_store(config.store.directory))
    TRY(store::probe_disk(config.store.directory, config.store.block_bytes_max * 16));
  auto next = std::make_unique<Life>(config, policy, tables, connectors, clock, metrics);
  TRY(next->open(*intake));
  end_vigil();
  KeptWork taken;
  {
    std::lock_guard lock(words_mutex);
    taken = {std::exchange(kept.connectors, {}), kept.access};
  }
  const std::size_t reads = taken.access.size();
  TRY(next->take_over(taken));  // what connectors settled is sent again when this fails
  {
    std::lock_guard lock(words_mutex);
    kept.access.erase(kept.access.begin(), kept.access.begin() + static_cast<std::ptrdiff_t>(reads));
  }
  std::unique_lock lock(mutex);
  life = std::move(next);
  life->start();
  intake->connect(life->writer(), life->store_id(), life->text_orders());
  set("running", "");
  return {};
}

void Pipeline::State::end_life() {
  Life* current = nullptr;
  {
    std::shared_lock lock(mutex);
    current = life.get();
  }
  if (current == nullptr) return;
  intake->disconnect();
  current->stop();
  std::unique_lock lock(mutex);
  last_status = {};
  life->fill(last_status);
  last_status.connectors.clear();
  life.reset();
}

void Pipeline::State::pause(const Error& error) {
  set("paused", error.message);
  metrics.counter("tidewaiter_pauses_total", "Times that ingestion was paused by an error of the store").add();
  log_line(Level::error, "ingestion is paused, the store will be reopened",
           {{"reason", error.message}, {"retry_ms", std::to_string(backoff_ms)}});
  next_try_ns = clock.now_ns() + backoff_ms * 1'000'000;
}

void Pipeline::State::keep_vigil() {
  if (vigil || clock.now_ns() < next_vigil_ns) return;
  auto begun = Vigil::begin(config.store, connectors, clock, metrics);
  if (!begun) {
    next_vigil_ns = clock.now_ns() + vigil_retry_ns;
    return log_line(Level::warn, "the paused store cannot be read", {{"reason", begun.error().message}});
  }
  std::unique_lock lock(mutex);
  vigil = std::move(*begun);
}

void Pipeline::State::end_vigil() {
  if (!vigil) return;
  auto settled = vigil->end();
  {
    std::lock_guard lock(words_mutex);
    kept.connectors = std::move(settled);
  }
  std::unique_lock lock(mutex);
  vigil.reset();
}

/// Reads go on while the store takes nothing: each is in the service's own log at once, and in the store later.
bool Pipeline::State::keep_access(OwnRecord record) {
  std::lock_guard lock(words_mutex);
  if (kept.access.size() >= kept_reads_max) return false;
  log_line(Level::warn, "read while ingestion is paused", {{"access", record.body}});
  kept.access.push_back(std::move(record));
  return true;
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
  while (sleep(stop, 20)) {
    export_now();
    if (life && !life->failed()) continue;
    if (life) {
      pause(life->failure());
      end_life();
    }
    keep_vigil();
    if (clock.now_ns() >= next_try_ns) try_again();
  }
}

void Pipeline::State::export_now() {
  if (clock.now_ns() - exported_ns < 1'000'000'000) return;
  exported_ns = clock.now_ns();
  give_back_free_memory();
  const PipelineStatus current = status();
  export_status(current, exported_ns, metrics);
  watch_detection(current, exported_ns);
  if (current.state == "running" && exported_ns - next_try_ns > 60'000'000'000) backoff_ms = config.reopen_backoff_ms;
}

void Pipeline::State::try_again() {
  backoff_ms = std::min(backoff_ms * 2, backoff_max_ms);
  if (auto begun = begin_life(); begun) {
    log_line(Level::info, "ingestion runs again");
  } else {
    set("paused", begun.error().message);
    log_line(Level::warn, "the store cannot be opened yet",
             {{"reason", begun.error().message}, {"retry_ms", std::to_string(backoff_ms)}});
  }
  next_try_ns = clock.now_ns() + backoff_ms * 1'000'000;
}

Pipeline::Pipeline(PipelineConfig config, const Clock& clock, Metrics& metrics)
    : state_(std::make_unique<State>(std::move(config), clock, metrics)) {
  state_->backoff_ms = state_->config.reopen_backoff_ms;
  state_->policy = state_->config.policy;
  state_->tables = state_->config.tables;
  state_->connectors = state_->config.connectors;
}

Pipeline::~Pipeline() { stop(); }

Result<void> Pipeline::start() {
  share_arenas();
  if (auto begun = state_->begin_life(); !begun) {
    if (begun.error().code != Code::disk || !is_store(state_->config.store.directory)) return begun;
    state_->pause(begun.error());
  }
  state_->supervisor = std::jthread([this](std::stop_token stop) { state_->supervise(stop); });
  return {};
}

void Pipeline::stop() {
  if (state_->supervisor.joinable()) {
    state_->supervisor.request_stop();
    state_->supervisor.join();
  }
  state_->set("stopping", "");
  if (state_->intake) state_->intake->stop();
  state_->end_life();
  state_->end_vigil();
  state_->intake.reset();  // leaves the group after the last offset commit
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

Result<void> Pipeline::reload_policy(PolicyText policy, TablesInForce tables) {
  std::shared_lock lock(state_->mutex);
  if (state_->life) TRY(state_->life->reload_policy(policy, tables));
  state_->policy = std::move(policy);
  state_->tables = std::move(tables);
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
  if (life) {
    life->fill(status);
  } else {
    const std::string state = std::exchange(status.state, {}), why = std::exchange(status.reason, {});
    status = last_status;
    status.state = state;
    status.reason = why;
    if (vigil) status.connectors = vigil->connectors();
  }
  if (intake) intake->fill(status);
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
  health.parts.push_back({"checkpoint", status.head_files_problem.empty() ? "ok" : "failing", status.head_files_problem});
  for (const ingest::SourceStatus& source : status.sources)
    health.parts.push_back({"source", source.state == ingest::SourceState::parked ? "parked" : "ok", source.reason});
  health.parts.push_back({"detect", "ok", "judged commit " + std::to_string(status.judged) + " of " +
                                              std::to_string(status.last_commit)});
  for (const forward::Status& connector : status.connectors)
    health.parts.push_back({"forward/" + connector.name,
                            connector.state == forward::Status::State::parked ? "parked" : "ok", connector.reason});
  return health;
}

namespace {

Result<OwnRecord> record_of_change(const store::Reader& reader, const serve::Change& change, std::int64_t now_ns) {
  const auto request = nlohmann::json::parse(change.body, nullptr, false);
  const Asked asked{change.who, now_ns};
  switch (change.kind) {
    case serve::Change::Kind::verdict: return verdict_record(reader, change.uid, request, asked);
    case serve::Change::Kind::suppression: return suppression_record(reader, request, asked);
    case serve::Change::Kind::suppression_end: break;
  }
  return suppression_end_record(reader, change.uid, request, asked);
}

Result<std::string> list_suppressions(const store::Reader& reader, std::int64_t now_ns) {
  TRY_ASSIGN(const auto in_force, suppressions_in_force(reader, now_ns));
  auto list = nlohmann::ordered_json::array();
  for (const SuppressionInForce& one : in_force) list.push_back(suppression_json(one));
  return list.dump();
}

}  // namespace

/// Both in one commit; the number of it once it is durable.
Result<std::uint64_t> Pipeline::State::write_change(OwnRecord control, OwnRecord access) {
  std::future<std::uint64_t> commit;
  {
    std::shared_lock lock(mutex);
    WriterWork work;
    commit = work.durable.emplace_back().get_future();
    work.control.push_back(std::move(control));
    work.own.push_back(std::move(access));
    if (!life || life->failed() || !life->submit(std::move(work)))
      return fail(Code::unavailable, "the store takes no records right now: nothing was written");
  }
  if (commit.wait_for(change_wait) != std::future_status::ready)
    return fail(Code::unavailable, "the store has not answered yet: look whether it was written before asking again");
  try {
    return commit.get();
  } catch (const std::future_error&) {
    return fail(Code::unavailable, "the store failed: nothing was written");
  }
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
    if (!state_->life || state_->life->failed()) {
      if (state_->keep_access(std::move(record))) return {};
      return fail(Code::unavailable, "the store has taken no records for too many reads: no more can be written down");
    }
    WriterWork work;
    work.own.push_back(std::move(record));
    if (!state_->life->submit(std::move(work)))
      return fail(Code::unavailable, "the store takes no records right now: reads cannot be written down");
    return {};
  };
  backend.make_change = [this](const store::Reader& reader, const serve::Change& change) {
    return record_of_change(reader, change, state_->clock.now_ns());
  };
  backend.record_change = [this](OwnRecord control, OwnRecord access) {
    return state_->write_change(std::move(control), std::move(access));
  };
  backend.suppressions = [this](const store::Reader& reader) { return list_suppressions(reader, state_->clock.now_ns()); };
  backend.metrics = &state_->metrics;
  backend.clock = &state_->clock;
  backend.checkpoint_interval_ns = state_->config.writer.checkpoint_interval_ms * 1'000'000;
  return backend;
}

}  // namespace tidewaiter::app
