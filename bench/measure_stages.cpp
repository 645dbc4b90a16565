#include <filesystem>

#include "app/assemble.hpp"
#include "bench/measure.hpp"
#include "bench/meter.hpp"
#include "detect/engine.hpp"
#include "filter/filter.hpp"
#include "store/log.hpp"

namespace tidewaiter::bench {
namespace {

/// What a connector's choice of events costs: a filter over every event.
constexpr const char* selection = "risk_tier >= high and direction == egress and outcome == success";

/// Adds up CPU of this thread and allocator calls of the process between marks.
class Marks {
 public:
  void begin() {
    cpu_ = thread_cpu_ns();
    calls_ = allocations();
  }
  void end(StageFigure& figure) {
    const std::int64_t cpu = thread_cpu_ns();
    const std::uint64_t calls = allocations();
    figure.cpu_ns += static_cast<double>(cpu - cpu_);
    figure.allocations += static_cast<double>(calls - calls_);
    cpu_ = cpu;
    calls_ = calls;
  }

 private:
  std::int64_t cpu_ = 0;
  std::uint64_t calls_ = 0;
};

std::vector<OwnRecord> first_records(const app::LoadedPolicy& policy, std::int64_t now_ns) {
  OwnRecord record;
  record.body = "{\"type\":\"policy\",\"hash\":\"" + policy.hash + "\",\"content\":" + policy.json + "}";
  record.time_ns = now_ns;
  std::vector<OwnRecord> records;
  records.push_back(std::move(record));
  return records;
}

}  // namespace

Result<StageFigures> measure_stages(const Corpus& corpus, const Options&, const app::Config& config,
                                    const app::LoadedPolicy& policy) {
  std::filesystem::remove_all(config.store.directory);
  SystemClock clock;
  Metrics metrics;
  StageFigures figures;
  const app::PipelineConfig parts = app::pipeline_config(config, policy);
  TRY_ASSIGN(auto parser, parts.make_parser(metrics));
  TRY_ASSIGN(auto enrich, parts.make_enrichment({policy.json, policy.hash}, {}, metrics));
  TRY_ASSIGN(auto log, store::Log::open(parts.store, metrics));
  TRY_ASSIGN(auto engine, detect::Engine::create(parts.detect.engine, metrics));
  TRY_ASSIGN(const auto filter, filter::Filter::compile(selection, clock.now_ns()));
  Corpus::Reader reader(corpus);
  std::vector<OwnRecord> control = first_records(policy, clock.now_ns()), alerts;
  std::uint64_t selected = 0;
  const std::int64_t process_before = process_cpu_ns(), thread_before = thread_cpu_ns();
  Marks marks;
  for (;;) {
    marks.begin();
    auto batch = Corpus::next_batch(reader, config.store.commit_bytes, clock.now_ns());
    marks.end(figures["copy"]);
    if (!batch) break;
    parser->parse(*batch);
    enrich->apply(*batch);
    marks.end(figures["parse"]);
    TRY_ASSIGN(CommitPtr commit, log->commit(std::move(batch), std::move(control), {}, {}));
    control.clear();
    marks.end(figures["commit"]);
    engine->process(*commit, alerts);
    marks.end(figures["detect"]);
    for (const Event& event : commit->events) selected += filter.matches(event);
    marks.end(figures["select"]);
    commit.reset();
    marks.end(figures["release"]);
    // Sealing belongs to the store's work, as the service does it between commits.
    TRY(log->seal_one_segment());
    marks.end(figures["commit"]);
  }
  const std::int64_t others = (process_cpu_ns() - process_before) - (thread_cpu_ns() - thread_before);
  figures["background"].cpu_ns = static_cast<double>(others);
  log.reset();
  std::filesystem::remove_all(config.store.directory);
  if (selected == 0) return fail(Code::internal, "the selection matched no event of the corpus");
  for (auto& [name, figure] : figures) {
    figure.cpu_ns /= static_cast<double>(corpus.events());
    figure.allocations /= static_cast<double>(corpus.events());
  }
  return figures;
}

}  // namespace tidewaiter::bench
