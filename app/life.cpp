#include "app/life.hpp"

#include "app/command_replay.hpp"
#include "core/check.hpp"
#include "core/log_line.hpp"
#include "core/text.hpp"
#include "core/thread_name.hpp"
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
    TRY_ASSIGN(auto parser, config_.make_parser(policy_, metrics_));
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
    name_thread("writer");
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
  detect_thread_ = std::jthread([this](std::stop_token stop) {
    name_thread("detect");
    guard([&] { return detect_->run(stop); });
  });
  {
    std::lock_guard lock(connectors_mutex_);
    for (Connector& connector : connectors_)
      connector.thread = std::jthread([this, stage = connector.stage.get()](std::stop_token stop) {
        name_thread(stage->status().name);
        guard([&] { return stage->run(stop); });
      });
  }
  sources_running_.store(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i)
    source_threads_.emplace_back([this, i](std::stop_token stop) {
      name_thread("source " + std::to_string(i));
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
    TRY_ASSIGN(auto parser, config_.make_parser(policy, metrics_));
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
                             name_thread(borrowed->status().name);
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

}  // namespace tidewaiter::app
