// Cost of detection per event, all detectors on, from events that are parsed already. Three shapes of the same company of
// 300 principals: a dense hour (a live service under load), sparse weeks (most windows hold one event, so windows open and
// close at nearly every event) and days between the two (a backlog); and five minutes of a company that keeps four million keys in use.
// Reports ns per event of one thread.
#include <benchmark/benchmark.h>

#include <cmath>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "bench/large_company.hpp"
#include "core/metrics.hpp"
#include "detect/engine.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t start_ns = 1'756'684'800 * second_ns;
constexpr std::size_t events_count = 300'000, commit_events = 1000;
const std::string policy =
    R"({"type":"policy","content":{"version":1,"rules":[
      {"id":"flow","type":"forbidden_flow","risk_tiers":["high"],"data_classes":["pii","restricted"],"destinations":["public"]},
      {"id":"allow","type":"unapproved_destination","risk_tiers":["high"],"allow":{"categories":["internal"],"hosts":["saas.example"]}},
      {"id":"token","type":"capability","principal_types":["agent"]},
      {"id":"deploy","type":"approval","where":"action == deploy"},
      {"id":"cap","type":"egress_cap","window":"1h","bytes":"10GB"}]}})";

struct Log {
  std::deque<std::string> strings;
  std::vector<Commit> commits;
};

std::string_view keep(Log& log, std::string text) { return log.strings.emplace_back(std::move(text)); }

/// `events_count` events over `span_ns`, in order of time.
Log make_log(std::int64_t span_ns) {
  Log log;
  std::mt19937_64 random(1);
  std::vector<std::string_view> principals, apps, roles, hosts;
  for (int i = 0; i < 300; ++i) principals.push_back(keep(log, "agent:invoice-helper-" + std::to_string(i)));
  for (int i = 0; i < 120; ++i) apps.push_back(keep(log, "billing-desk-" + std::to_string(i)));
  for (int i = 0; i < 15; ++i) roles.push_back(keep(log, "role-" + std::to_string(i)));
  for (int i = 0; i < 90; ++i)
    hosts.push_back(keep(log, "api." + std::to_string(i) + (i % 3 ? ".acme.corp.example" : ".saas.example")));
  const auto word = [](const EnumTable& table, std::string_view text) { return table.find(text).value(); };
  const Origin* origin = intern_origin("bench", TopicId{1}, "events");
  std::uint64_t offsets[6] = {};
  for (std::size_t i = 0; i < events_count; ++i) {
    if (i % commit_events == 0) {
      Commit commit;
      commit.number = log.commits.size() + 1;
      if (i == 0) {
        Record record;
        record.kind = RecordKind::control;
        record.value = policy;
        commit.records.push_back(record);
      }
      log.commits.push_back(std::move(commit));
    }
    Commit& commit = log.commits.back();
    const std::size_t who = random() % principals.size();
    const std::size_t host = (who / 20 * 6 + random() % 6 * (random() % 2)) % hosts.size();
    const bool inside = host % 3 != 0;
    Event event;
    const auto time = start_ns + static_cast<std::int64_t>(i) * (span_ns / static_cast<std::int64_t>(events_count));
    event.set(Num::time, static_cast<std::uint64_t>(time));
    event.set(Str::principal, principals[who]);
    event.set(Str::app, apps[who * 2 / 5]);
    event.set(Str::role, roles[who / 20]);
    event.set(Str::tenant, "acme-eu");
    event.set(Str::dst_host, hosts[host]);
    event.set(Str::dst_category, inside ? "internal" : "public");
    event.set(Str::capability_scopes, "read send list update");
    event.set(Str::tool_name, "http.post");
    event.set(Num::principal_type, word(enums::principal_type, "agent"));
    event.set(Num::action, word(enums::action, "send"));
    event.set(Num::risk_tier, word(enums::risk_tier, who % 3 == 0 ? "high" : "medium"));
    event.set(Num::direction, word(enums::direction, inside ? "internal" : "egress"));
    event.set(Num::data_classes, 1u << word(enums::data_class, inside ? "financial" : "internal"));
    event.set(Num::bytes_out, 1000 + random() % 50'000);
    event.set(Num::outcome, word(enums::outcome, i % 40 == 17 ? "failure" : "success"));
    Record record;
    record.origin = origin;
    record.partition = static_cast<std::uint32_t>(who % 6);
    record.offset = offsets[who % 6]++;
    record.seq = i;
    record.first_event = static_cast<std::uint32_t>(commit.events.size());
    record.event_count = 1;
    event.record = static_cast<std::uint32_t>(commit.records.size());
    commit.events.push_back(event);
    commit.records.push_back(record);
  }
  return log;
}

void judge(benchmark::State& state, std::int64_t span_ns, EngineConfig config) {
  const Log log = make_log(span_ns);
  std::uint64_t alerts_seen = 0;
  for (auto unused : state) {
    (void)unused;
    state.PauseTiming();
    Metrics metrics;
    auto engine = Engine::create(config, metrics);
    std::vector<OwnRecord> alerts;
    state.ResumeTiming();
    for (const Commit& commit : log.commits) (*engine)->process(commit, alerts);
    alerts_seen += alerts.size();
    state.PauseTiming();
    engine->reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * events_count));
  state.counters["ns_per_event"] = benchmark::Counter(static_cast<double>(state.iterations() * events_count) / 1e9,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["alerts"] = static_cast<double>(alerts_seen) / static_cast<double>(state.iterations());
}

/// Policy, and the one detector that `on` names.
EngineConfig only(bool EngineConfig::*on) {
  EngineConfig config;
  for (bool EngineConfig::*detector : {&EngineConfig::flow, &EngineConfig::volume, &EngineConfig::silence, &EngineConfig::rhythm,
                                       &EngineConfig::burst, &EngineConfig::sequence, &EngineConfig::health})
    config.*detector = detector == on;
  return config;
}

constexpr std::int64_t hour_ns = 3600 * second_ns, weeks_ns = 28 * 24 * hour_ns;

BENCHMARK_CAPTURE(judge, dense_hour, hour_ns, EngineConfig())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_weeks, weeks_ns, EngineConfig())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, backlog_days, weeks_ns / 8, EngineConfig())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_only, hour_ns, only(nullptr))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_flow, hour_ns, only(&EngineConfig::flow))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_volume, hour_ns, only(&EngineConfig::volume))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_silence, hour_ns, only(&EngineConfig::silence))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_rhythm, hour_ns, only(&EngineConfig::rhythm))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_burst, hour_ns, only(&EngineConfig::burst))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_sequence, hour_ns, only(&EngineConfig::sequence))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, dense_policy_health, hour_ns, only(&EngineConfig::health))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_only, weeks_ns, only(nullptr))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_flow, weeks_ns, only(&EngineConfig::flow))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_volume, weeks_ns, only(&EngineConfig::volume))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_silence, weeks_ns, only(&EngineConfig::silence))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_rhythm, weeks_ns, only(&EngineConfig::rhythm))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_burst, weeks_ns, only(&EngineConfig::burst))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(judge, sparse_policy_sequence, weeks_ns, only(&EngineConfig::sequence))->Unit(benchmark::kMillisecond);

// A company whose detector state is large, at a steady rate from its first event on. An iteration judges the next 1.2 million.
class LargeRun {
 public:
  static constexpr std::size_t period_events = 1'200'000, chunk_commits = 40;

  explicit LargeRun(std::int64_t step_ns) : step_ns_(step_ns) {
    EngineConfig config;
    config.memory_bytes = std::uint64_t{1} << 30;
    engine_ = std::move(*Engine::create(config, metrics_));
    Commit first;
    Record record;
    record.kind = RecordKind::control;
    record.value = policy;
    first.records.push_back(record);
    engine_->process(first, alerts_);
    constexpr std::size_t history_events = 7'400'000;
    for (std::size_t done = 0; done < history_events; done += chunk_commits * commit_events)
      for (const Commit& commit : fill_chunk()) judge(commit);
  }

  /// Events that were just written, too many for a cache.
  const std::vector<Commit>& fill_chunk() {
    for (Commit& commit : chunk_) company_.fill(commit, commit_events, step_ns_);
    return chunk_;
  }
  void judge(const Commit& commit) {
    alerts_.clear();
    engine_->process(commit, alerts_);
  }
  Status status() const { return engine_->status(); }

 private:
  const std::int64_t step_ns_;
  bench::LargeCompany company_;
  Metrics metrics_;
  std::unique_ptr<Engine> engine_;
  std::vector<Commit> chunk_{chunk_commits};
  std::vector<OwnRecord> alerts_;
};

void four_million_keys(benchmark::State& state, LargeRun& run) {
  const std::uint64_t evictions = run.status().evictions;
  for (auto unused : state) {
    (void)unused;
    for (std::size_t done = 0; done < LargeRun::period_events; done += LargeRun::chunk_commits * commit_events) {
      state.PauseTiming();
      const std::vector<Commit>& chunk = run.fill_chunk();
      state.ResumeTiming();
      for (const Commit& commit : chunk) run.judge(commit);
    }
  }
  const auto events = static_cast<double>(state.iterations() * LargeRun::period_events);
  state.counters["ns_per_event"] = benchmark::Counter(events / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  const Status status = run.status();
  state.counters["slots_used"] = static_cast<double>(status.slots_used);
  state.counters["evictions_per_event"] = static_cast<double>(status.evictions - evictions) / events;
  state.counters["open_windows"] = static_cast<double>(status.open_windows);
  state.counters["alerts"] = static_cast<double>(status.alerts);
  state.counters["memory_bytes"] = static_cast<double>(status.memory_bytes);
}

// 4,000 events a second, as of a service under load: a window of five minutes holds most of its series' traffic.
void four_million_keys_dense(benchmark::State& state) {
  static LargeRun run(second_ns / 4000);  // repetitions go on where the last one ended
  four_million_keys(state, run);
}
// Four weeks of history and more, as of a backlog: most windows hold one event.
void four_million_keys_sparse(benchmark::State& state) {
  static LargeRun run(weeks_ns / 7'400'000);
  four_million_keys(state, run);
}
BENCHMARK(four_million_keys_dense)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(four_million_keys_sparse)->Unit(benchmark::kMillisecond)->Iterations(1);

void snapshot(benchmark::State& state) {
  const Log log = make_log(weeks_ns);
  Metrics metrics;
  auto engine = Engine::create({}, metrics);
  std::vector<OwnRecord> alerts;
  for (const Commit& commit : log.commits) (*engine)->process(commit, alerts);
  std::size_t bytes = 0;
  for (auto unused : state) {
    (void)unused;
    bytes = (*engine)->snapshot().size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(snapshot)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewaiter::detect
