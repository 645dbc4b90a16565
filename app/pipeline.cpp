// The stages, their threads and queues:
//
//   source 0 ──parse──┐                     ┌──▶ detect      (1 thread) ──┐ alerts, cursor, snapshot
//   source 1 ──parse──┼─▶ [queue, 4] ─▶ WRITER ═▶ feed ──▶ connector A (1 thread) ──┤ receipts, cursor
//   (1 thread each)   │      ▲              └──▶ connector B (1 thread) ──┤
//   HTTP reads ───────┘      └──────────────────────────────────────────────┘
//
// Invariants:
//   - only the writer appends; only it tells a source what is durable;
//   - the writer waits for nobody: followers pull from the feed, so no cycle of waiting exists;
//   - a full queue holds the sources back: they pause, and go on polling;
//   - a stage that fails ends the life of all of them; the next life begins from the store.
#include "app/pipeline.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "app/command_replay.hpp"
#include "app/forward_stage.hpp"
#include "app/status_metrics.hpp"
#include "core/check.hpp"
#include "core/log_line.hpp"
#include "core/text.hpp"
#include "filter/filter.hpp"

namespace tidewaiter::app {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view policy_cursor = "policy";

/// The record goes to the log with the longest retention that any of its events asks for (semantics 4).
Result<store::Log::Route> make_route(const std::vector<std::pair<std::string, std::string>>& routes,
                                     const std::vector<store::LogInfo>& logs, std::int64_t now_ns) {
  struct Class {
    filter::Filter filter;
    std::uint16_t log;
    std::uint32_t rank;  // higher wins; 0 days means for ever
  };
  std::vector<Class> classes;
  for (const auto& [where, name] : routes) {
    auto log = std::find_if(logs.begin(), logs.end(), [&](const store::LogInfo& l) { return l.name == name; });
    if (log == logs.end()) return fail(Code::invalid_argument, "logs: no log is named '" + name + "'");
    auto compiled = filter::Filter::compile(where, now_ns);
    if (!compiled) return fail(Code::invalid_argument, "logs: " + name + ": " + compiled.error().message);
    const std::uint32_t rank = log->retention_days == 0 ? UINT32_MAX : log->retention_days;
    classes.push_back({std::move(*compiled), log->id, rank});
  }
  if (classes.empty()) return store::Log::Route();
  return store::Log::Route([classes](const Record&, const Event* events, std::size_t count) {
    const Class* chosen = nullptr;
    for (std::size_t i = 0; i < count; ++i)
      for (const Class& c : classes) {
        if (!c.filter.matches(events[i])) continue;
        if (chosen == nullptr || c.rank > chosen->rank) chosen = &c;
        break;  // an event belongs to the first class that matches, its record to the longest of theirs
      }
    return chosen != nullptr ? chosen->log : classes.back().log;
  });
}

std::vector<std::string> names_of(const std::vector<store::LogInfo>& logs) {
  std::vector<std::string> names;
  for (const store::LogInfo& log : logs) {
    if (names.size() <= log.id) names.resize(log.id + 1u);
    names[log.id] = log.name;
  }
  return names;
}

OwnRecord policy_record(const PolicyText& policy, std::int64_t now_ns) {
  return control_record("{\"type\":\"policy\",\"hash\":\"" + policy.hash + "\",\"content\":" + policy.json + "}", now_ns);
}

}  // namespace

/// One life of the stages, from an open store to its close.
class Life {
 public:
  Life(const PipelineConfig& config, PolicyText policy, std::vector<forward::ConnectorConfig> connectors,
       const Clock& clock, Metrics& metrics)
      : config_(config), policy_(std::move(policy)), connector_configs_(std::move(connectors)), clock_(clock),
        metrics_(metrics) {}

  Result<void> open();
  void start();
  /// In flow order. After it, failure() tells how the life ended.
  void stop();

  bool failed() const {
    std::lock_guard lock(failure_mutex_);
    return failure_.has_value();
  }
  Error failure() const {
    std::lock_guard lock(failure_mutex_);
    return failure_.value_or(Error{Code::internal, "no failure"});
  }

  bool sources_finished() const {
    return std::all_of(sources_.begin(), sources_.end(), [](const auto& s) { return s->finished(); }) &&
           sources_running_.load() == 0;
  }
  bool settled() const;
  Result<void> reload_policy(PolicyText policy);
  Result<void> reload_connectors(std::vector<forward::ConnectorConfig> connectors);
  void end_of_input() { writer_->end_of_input(); }
  void fill(PipelineStatus& status) const;
  Result<std::unique_ptr<store::Reader>> open_reader() const { return store::Reader::open(*log_); }
  std::vector<store::Position> positions() const { return writer_->positions(); }
  bool submit(WriterWork work) { return writer_->submit_for(work, milliseconds(2'000)); }

 private:
  struct Connector {
    std::unique_ptr<ForwardStage> stage;
    std::jthread thread;
  };

  Result<std::vector<std::unique_ptr<ForwardStage>>> make_connectors(
      const std::vector<forward::ConnectorConfig>& configs);
  void stop_connectors(std::int64_t drain_ms);
  void run_source(std::size_t index, std::stop_token stop);
  void hand_over_control();
  bool hand_to_writer(std::size_t index, std::unique_ptr<Batch> batch, std::stop_token stop);
  std::shared_ptr<Parse> parser(std::size_t index) const;
  void fail_with(Error error);
  template <class Stage>
  void guard(Stage&& stage) {
    if (auto result = stage(); !result) fail_with(std::move(result).error());
  }
  std::string commit_metadata(const Origin& origin) const;

  const PipelineConfig& config_;
  PolicyText policy_;
  std::vector<forward::ConnectorConfig> connector_configs_;
  const Clock& clock_;
  Metrics& metrics_;

  std::unique_ptr<store::Log> log_;
  std::unique_ptr<CommitFeed> feed_;
  std::vector<std::unique_ptr<ingest::Source>> sources_;
  mutable std::mutex parsers_mutex_;
  std::vector<std::shared_ptr<Parse>> parsers_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<DetectStage> detect_;
  mutable std::mutex connectors_mutex_;
  std::vector<Connector> connectors_;
  std::mutex asked_mutex_;
  std::vector<OwnRecord> asked_control_;
  mutable std::mutex head_mutex_;
  std::string newest_head_;

  std::jthread writer_thread_, detect_thread_;
  std::vector<std::jthread> source_threads_;
  std::atomic<std::size_t> sources_running_{0};
  mutable std::mutex failure_mutex_;
  std::optional<Error> failure_;
};

Result<void> Life::open() {
  TRY_ASSIGN(log_, store::Log::open(config_.store, metrics_));
  TRY_ASSIGN(auto route, make_route(config_.routes, log_->logs(), clock_.now_ns()));
  if (route) log_->set_route(std::move(route));
  feed_ = std::make_unique<CommitFeed>(config_.tail_commits_max, log_->last_commit(),
                                       [this] { return store::Reader::open(*log_); });
  SourceContext context;
  context.position_for = [this](const Origin& origin, std::uint32_t partition) -> std::optional<std::uint64_t> {
    for (const store::Position& p : writer_->positions())
      if (p.cluster == origin.cluster && p.topic_id == origin.topic_id && p.partition == partition &&
          (p.topic == origin.topic || origin.topic_id != TopicId{}))
        return p.next_offset;
    return std::nullopt;
  };
  context.commit_metadata = [this](const Origin& origin) { return commit_metadata(origin); };
  context.record_control = [this](std::string json) {
    std::lock_guard lock(asked_mutex_);
    asked_control_.push_back(control_record(std::move(json), clock_.now_ns()));
  };
  context.clock = &clock_;
  context.metrics = &metrics_;
  TRY_ASSIGN(sources_, config_.make_sources(context));
  std::vector<ingest::Source*> borrowed;
  for (const auto& source : sources_) {
    borrowed.push_back(source.get());
    TRY_ASSIGN(auto parser, config_.make_parser(policy_));
    parsers_.push_back(std::move(parser));
  }
  writer_ = std::make_unique<Writer>(config_.writer, *log_, *feed_, std::move(borrowed), clock_);
  writer_->on_checkpoint([this](const std::vector<store::Head>& heads) {
    std::lock_guard lock(head_mutex_);
    if (!heads.empty()) newest_head_ = heads.back().note;
  });
  DetectStageConfig detect = config_.detect;
  for (const store::LogInfo& log : log_->logs()) detect.engine.log_names[log.id] = log.name;
  detect_ = std::make_unique<DetectStage>(std::move(detect), *feed_, *writer_, clock_, metrics_);
  TRY_ASSIGN(auto reader, store::Reader::open(*log_));
  TRY(detect_->restore(*reader));
  TRY_ASSIGN(auto stages, make_connectors(connector_configs_));
  for (auto& stage : stages) connectors_.push_back({std::move(stage), {}});
  return {};
}

void Life::start() {
  const auto stored = log_->cursor(std::string(policy_cursor));
  const auto stored_detect = log_->cursor(detect_config_cursor);
  writer_thread_ = std::jthread([this] {
    guard([this] { return writer_->run(); });
    feed_->close();
  });
  if (!stored || *stored != policy_.hash) {
    if (auto ok = reload_policy(policy_); !ok) fail_with(std::move(ok).error());
  }
  if (const std::string text = encode_detect_config(config_.detect.engine); !stored_detect || *stored_detect != text) {
    WriterWork work;
    work.control.push_back(control_record("{\"type\":\"detect_config\",\"content\":" + text + "}", clock_.now_ns()));
    work.cursors.push_back({detect_config_cursor, text});
    writer_->submit(std::move(work));
  }
  detect_thread_ = std::jthread([this](std::stop_token stop) { guard([&] { return detect_->run(stop); }); });
  {
    std::lock_guard lock(connectors_mutex_);
    for (Connector& connector : connectors_)
      connector.thread = std::jthread([this, stage = connector.stage.get()](std::stop_token stop) {
        guard([&] { return stage->run(stop); });
      });
  }
  sources_running_.store(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i)
    source_threads_.emplace_back([this, i](std::stop_token stop) {
      run_source(i, stop);
      sources_running_.fetch_sub(1);
    });
}

std::shared_ptr<Parse> Life::parser(std::size_t index) const {
  std::lock_guard lock(parsers_mutex_);
  return parsers_[index];
}

void Life::run_source(std::size_t index, std::stop_token stop) {
  ingest::Source& source = *sources_[index];
  bool complained = false;
  while (!stop.stop_requested() && !source.finished()) {
    auto polled = source.poll(100);
    if (!polled) {
      if (!complained)
        log_line(Level::warn, "source: " + polled.error().message, {{"code", code_name(polled.error().code)}});
      complained = true;
      std::this_thread::sleep_for(milliseconds(100));
      continue;
    }
    complained = false;
    hand_over_control();
    if (!*polled) continue;
    parser(index)->parse(**polled);
    if (!hand_to_writer(index, std::move(*polled), stop)) return;
  }
}

// A source asks for control records in the middle of poll(), where it must not wait for the writer.
void Life::hand_over_control() {
  WriterWork work;
  {
    std::lock_guard lock(asked_mutex_);
    work.control = std::exchange(asked_control_, {});
  }
  if (!work.control.empty()) writer_->submit(std::move(work));
}

// A full queue pauses the source; polling goes on, so the broker does not think that we are dead.
bool Life::hand_to_writer(std::size_t index, std::unique_ptr<Batch> batch, std::stop_token) {
  ingest::Source& source = *sources_[index];
  WriterWork work;
  work.batch = std::move(batch);
  work.source = index;
  if (writer_->submit_for(work, milliseconds(50))) return true;
  source.pause();
  std::vector<WriterWork> waiting;
  waiting.push_back(std::move(work));
  bool alive = true;
  while (alive && !waiting.empty()) {
    if (writer_->submit_for(waiting.front(), milliseconds(50))) {
      waiting.erase(waiting.begin());
      continue;
    }
    alive = !failed();
    // What was under way before the pause took effect: at most a few batches.
    if (auto more = source.poll(0); more && *more) {
      parser(index)->parse(**more);
      WriterWork next;
      next.batch = std::move(*more);
      next.source = index;
      waiting.push_back(std::move(next));
    }
  }
  source.resume();
  return alive;
}

bool Life::settled() const {
  const std::uint64_t last = feed_->last_commit();
  if (!writer_->idle() || detect_->judged() < last) return false;
  std::lock_guard lock(connectors_mutex_);
  for (const Connector& connector : connectors_)
    if (!connector.stage->settled(last)) return false;
  return writer_->idle() && feed_->last_commit() == last;
}

void Life::stop() {
  for (auto& thread : source_threads_) thread.request_stop();
  source_threads_.clear();  // joins; what they handed over is in the writer's queue
  const auto wait = [&](auto done, std::int64_t limit_ms) {
    for (std::int64_t waited = 0; waited < limit_ms && !failed() && !done(); waited += 5)
      std::this_thread::sleep_for(milliseconds(5));
  };
  wait([&] { return writer_->idle() && detect_->judged() == feed_->last_commit() && writer_->idle(); }, 600'000);
  stop_connectors(failed() ? 0 : config_.drain_ms);
  detect_thread_.request_stop();
  if (detect_thread_.joinable()) detect_thread_.join();
  writer_->close();
  if (writer_thread_.joinable()) writer_thread_.join();
  feed_->close();
  sources_.clear();  // leaves the group after the last offset commit
}

void Life::stop_connectors(std::int64_t drain_ms) {
  std::lock_guard lock(connectors_mutex_);
  const std::uint64_t last = feed_->last_commit();
  for (std::int64_t waited = 0; waited < drain_ms && !failed(); waited += 10) {
    if (std::all_of(connectors_.begin(), connectors_.end(),
                    [&](const Connector& c) { return c.stage->settled(last) || c.stage->status().state ==
                                                                                   forward::Status::State::parked; }))
      break;
    std::this_thread::sleep_for(milliseconds(10));
  }
  for (Connector& connector : connectors_) {
    connector.thread.request_stop();
    connector.stage->cancel();
  }
  connectors_.clear();
}

Result<std::vector<std::unique_ptr<ForwardStage>>> Life::make_connectors(
    const std::vector<forward::ConnectorConfig>& configs) {
  std::vector<std::unique_ptr<ForwardStage>> stages;
  const store::Counters counters = log_->counters();
  for (const forward::ConnectorConfig& config : configs) {
    TRY_ASSIGN(auto connector, forward::Connector::create(config, names_of(log_->logs()), clock_, metrics_));
    if (auto cursor = log_->cursor(forward::Connector::cursor_name(config.name))) {
      TRY(connector->restore(*cursor, counters.connector));
    } else if (cursor.error().code != Code::not_found) {
      return std::move(cursor).error();
    }
    stages.push_back(std::make_unique<ForwardStage>(std::move(connector), *feed_, *writer_, clock_));
  }
  return stages;
}

Result<void> Life::reload_policy(PolicyText policy) {
  std::vector<std::shared_ptr<Parse>> parsers;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    TRY_ASSIGN(auto parser, config_.make_parser(policy));
    parsers.push_back(std::move(parser));
  }
  WriterWork work;
  work.control.push_back(policy_record(policy, clock_.now_ns()));
  work.cursors.push_back({std::string(policy_cursor), policy.hash});
  if (!writer_->submit(std::move(work))) return fail(Code::unavailable, "the writer has stopped");
  std::lock_guard lock(parsers_mutex_);
  parsers_ = std::move(parsers);
  policy_ = std::move(policy);
  return {};
}

Result<void> Life::reload_connectors(std::vector<forward::ConnectorConfig> configs) {
  // Settings are tried first: a wrong one leaves the old connectors at work.
  for (const forward::ConnectorConfig& config : configs)
    TRY(forward::Connector::create(config, names_of(log_->logs()), clock_, metrics_));
  stop_connectors(1'000);
  while (!writer_->idle() && !failed()) std::this_thread::sleep_for(milliseconds(5));  // their cursors are in
  TRY_ASSIGN(auto stages, make_connectors(configs));
  std::lock_guard lock(connectors_mutex_);
  for (auto& stage : stages) {
    ForwardStage* borrowed = stage.get();
    connectors_.push_back({std::move(stage), std::jthread([this, borrowed](std::stop_token stop) {
                             guard([&] { return borrowed->run(stop); });
                           })});
  }
  return {};
}

void Life::fail_with(Error error) {
  {
    std::lock_guard lock(failure_mutex_);
    if (failure_) return;
    failure_ = std::move(error);
  }
  writer_->close();
  feed_->close();
}

std::string Life::commit_metadata(const Origin& origin) const {
  std::string head;
  {
    std::lock_guard lock(head_mutex_);
    head = newest_head_;
  }
  std::string out = "{\"store\":\"" + log_->store_id() + "\",\"topic_id\":\"" +
                    to_hex({reinterpret_cast<const char*>(origin.topic_id.data()), origin.topic_id.size()}) +
                    "\",\"head\":";
  append_json_string(out, head);
  return out += '}';
}

void Life::fill(PipelineStatus& status) const {
  status.last_commit = feed_->last_commit();
  status.judged = detect_->judged();
  status.alerts = detect_->alerts();
  status.detect = detect_->engine_status();
  status.last_checkpoint_ns = writer_->last_checkpoint_ns();
  status.counters = log_->counters();
  for (const auto& source : sources_) status.sources.push_back(source->status());
  status.sources_finished = sources_finished();
  std::lock_guard lock(connectors_mutex_);
  for (const Connector& connector : connectors_) status.connectors.push_back(connector.stage->status());
}

// --- Pipeline: lives, one after the other ---

struct Pipeline::State {
  State(PipelineConfig c, const Clock& k, Metrics& m) : config(std::move(c)), clock(k), metrics(m) {}

  void supervise(std::stop_token stop);
  Result<void> begin_life();
  void end_life();
  void set(std::string state, std::string reason);
  bool sleep(std::stop_token stop, std::int64_t ms);
  PipelineStatus status() const;

  const PipelineConfig config;
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
      export_status(status(), exported_ns, metrics);
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
