#include "app/life.hpp"

#include <iterator>

#include "app/command_replay.hpp"
#include "core/check.hpp"
#include "core/log_line.hpp"
#include "core/sampling.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "core/thread_name.hpp"
#include "filter/filter.hpp"

namespace tidewaiter::app {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view policy_cursor = "policy";
constexpr std::string_view trust_cursor = "attestation_keys";
constexpr std::string_view table_cursor = "table/";  // and the name of the table: the hash of its newest control record
constexpr std::string_view access_cursor = "kept_access";  // SHA-256 of the last kept reads that were written down

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

template <class T>
void move_append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

OwnRecord table_record(const TableText& table, std::int64_t now_ns) {
  return control_record("{\"type\":\"table\",\"table\":\"" + table.name + "\",\"hash\":\"" + table.hash + "\",\"content\":" +
                            table.json + "}",
                        now_ns);
}

OwnRecord policy_record(const PolicyText& policy, std::int64_t now_ns) {
  return control_record("{\"type\":\"policy\",\"hash\":\"" + policy.hash + "\",\"content\":" + policy.json + "}", now_ns);
}

/// The keys that attestations are judged by from here on: who reads the log later can judge them again.
OwnRecord trust_record(const PolicyText& policy, std::int64_t now_ns) {
  const std::string content = policy.trust_json.empty() ? R"({"keys":[],"roots":[]})" : policy.trust_json;
  return control_record("{\"type\":\"attestation_keys\",\"hash\":\"" + policy.trust_hash + "\",\"content\":" + content + "}",
                        now_ns);
}

}  // namespace

Result<void> Life::open_store() {
  store::Options options = config_.store;
  if (config_.ask_group) {
    auto known = config_.ask_group();
    group_asked_ = known.has_value();
    if (known)
      options.known_heads = std::move(known->heads);
    else
      log_line(Level::warn, "kafka does not say now which head it knows of this store: it is asked again at assignment",
               {{"reason", known.error().message}});
  }
  TRY_ASSIGN(log_, store::Log::open(std::move(options), metrics_));
  TRY_ASSIGN(text_orders_, stored_text_orders(*log_));
  if (const auto heads = log_->newest_heads(); !heads.empty()) intake_->set_newest_head(heads.back().note);
  return {};
}

Result<void> Life::open(Intake& intake) {
  intake_ = &intake;
  TRY(open_store());
  TRY_ASSIGN(auto route, make_route(config_.routes, log_->logs(), clock_.now_ns()));
  if (route) log_->set_route(std::move(route));
  feed_ = std::make_unique<CommitFeed>(config_.tail_commits_max, log_->last_commit(),
                                       [this] { return store::Reader::open(*log_); });
  TRY(intake.open(policy_, tables_));
  writer_ = std::make_shared<Writer>(config_.writer, *log_, *feed_, intake.sources(), clock_);
  writer_->on_checkpoint([this](const std::vector<store::Head>& heads) {
    if (!heads.empty()) intake_->set_newest_head(heads.back().note);
  });
  DetectStageConfig detect = config_.detect;
  for (const store::LogInfo& log : log_->logs()) detect.engine.log_names[log.id] = log.name;
  detect_ = std::make_unique<DetectStage>(std::move(detect), *feed_, *writer_, clock_, metrics_);
  TRY_ASSIGN(auto reader, store::Reader::open(*log_));
  return detect_->restore(*reader);
}

Result<void> Life::take_over(KeptWork& kept) {
  WriterWork work;
  for (auto& [name, of] : kept.connectors) {
    // Another place than the one it began from: a commit that had failed is there after all. Then it is sent again.
    if (log_->cursor(forward::Connector::cursor_name(name)).value_or("") != of.cursor_before) continue;
    move_append(work.own, of.work.own);
    move_append(work.cursors, of.work.cursors);
    for (const auto& [counter, count] : of.work.connector_counts) work.connector_counts[counter] += count;
  }
  if (!kept.access.empty()) {
    Sha256 sha;
    std::string all;
    for (const OwnRecord& read : kept.access) all += read.body + "\n";
    const Hash hash = sha.digest(all);
    std::string mark = to_hex(as_view(hash));
    if (log_->cursor(std::string(access_cursor)).value_or("") != mark) {
      work.own.insert(work.own.end(), kept.access.begin(), kept.access.end());
      work.cursors.push_back({std::string(access_cursor), std::move(mark)});
    }
  }
  TRY_ASSIGN(CommitPtr commit, log_->commit(nullptr, {}, std::move(work.own), std::move(work.cursors),
                                            std::move(work.connector_counts)));
  if (commit->number != 0) feed_->append(std::move(commit));
  kept = {};
  TRY_ASSIGN(auto stages, make_connectors(connector_configs_));
  for (auto& stage : stages) connectors_.push_back({std::move(stage), {}});
  return {};
}

void Life::start() {
  if (!group_asked_)
    intake_->on_unchecked_head([this] {
      fail_with(fail(Code::unavailable, "kafka answers now: the store is opened again, to hold it against the head that "
                                        "the group's commits carry"));
    });
  const auto stored = log_->cursor(std::string(policy_cursor));
  const auto stored_trust = log_->cursor(std::string(trust_cursor));
  trust_in_force_ = stored_trust ? *stored_trust : std::string();
  const auto stored_detect = log_->cursor(detect_config_cursor);
  WriterWork changed = table_records();
  for (CursorUpdate& columns : text_columns_cursors(config_.text_columns)) changed.cursors.push_back(std::move(columns));
  writer_thread_ = std::jthread([this] {
    name_thread("writer");
    guard([this] { return writer_->run(); });
    feed_->close();
  });
  if ((!stored || *stored != policy_.hash) && !record_policy())
    fail_with(fail(Code::unavailable, "the writer has stopped"));
  add_trust_record(changed);
  if (!changed.control.empty() || !changed.cursors.empty()) writer_->submit(std::move(changed));
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
    TRY_ASSIGN(auto connector,
               restore_connector(config, names_of(log_->logs()), log_->cursor(forward::Connector::cursor_name(config.name)),
                                 counters, clock_, metrics_));
    stages.push_back(std::make_unique<ForwardStage>(
        std::move(connector), *feed_, store::PublishedHeads(config_.store.directory, config_.store.head_file), [this](WriterWork work) { return writer_->submit(std::move(work)); }, clock_));
  }
  return stages;
}

bool Life::record_policy() {
  WriterWork work;
  work.control.push_back(policy_record(policy_, clock_.now_ns()));
  work.cursors.push_back({std::string(policy_cursor), policy_.hash});
  if (auto sampling = Sampling::of_record(work.control.back().body))
    work.cursors.push_back({std::string(sampling_cursor), sampling->text()});
  return writer_->submit(std::move(work));
}

WriterWork Life::table_records() const {
  WriterWork work;
  work.fence = true;
  for (const TableText& table : tables_.texts) {
    const std::string name = std::string(table_cursor) + table.name;
    if (log_->cursor(name).value_or("") == table.hash) continue;
    work.control.push_back(table_record(table, clock_.now_ns()));
    work.cursors.push_back({name, table.hash});
  }
  return work;
}

void Life::add_trust_record(WriterWork& work) {
  if (policy_.trust_hash == trust_in_force_) return;
  work.control.push_back(trust_record(policy_, clock_.now_ns()));
  work.cursors.push_back({std::string(trust_cursor), policy_.trust_hash});
  trust_in_force_ = policy_.trust_hash;
}

Result<void> Life::reload_policy(PolicyText policy, TablesInForce tables) {
  TRY_ASSIGN(auto enrichments, intake_->make_enrichments(policy, tables));
  std::swap(policy_, policy);
  if (!record_policy()) {
    std::swap(policy_, policy);
    return fail(Code::unavailable, "the writer has stopped");
  }
  // By their hashes: the cursors are the writer's and may be behind a reload just before this one.
  WriterWork work;
  work.fence = true;
  for (const TableText& table : tables.texts) {
    const auto same = [&](const TableText& old) { return old.name == table.name && old.hash == table.hash; };
    if (std::any_of(tables_.texts.begin(), tables_.texts.end(), same)) continue;
    work.control.push_back(table_record(table, clock_.now_ns()));
    work.cursors.push_back({std::string(table_cursor) + table.name, table.hash});
  }
  add_trust_record(work);
  tables_ = std::move(tables);
  intake_->use(std::move(enrichments), policy_, tables_, std::move(work));
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

void Life::fill(PipelineStatus& status) const {
  status.last_commit = feed_->last_commit();
  status.judged = detect_->judged();
  status.detect = detect_->engine_status();
  status.last_checkpoint_ns = writer_->last_checkpoint_ns();
  status.head_files_problem = writer_->head_files_problem();
  status.counters = log_->counters();
  std::lock_guard lock(connectors_mutex_);
  for (const Connector& connector : connectors_) status.connectors.push_back(connector.stage->status());
}

}  // namespace tidewaiter::app
