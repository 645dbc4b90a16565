#include <atomic>
#include <filesystem>
#include <thread>

#include "app/assemble.hpp"
#include "bench/measure.hpp"
#include "bench/memory_source.hpp"
#include "bench/meter.hpp"

namespace tidewaiter::bench {
namespace {

/// Counts reads of the clock: a virtual call, and one per batch or timer, never per event.
class CountingClock final : public Clock {
 public:
  explicit CountingClock(std::atomic<std::uint64_t>& calls) : calls_(calls) {}
  std::int64_t now_ns() const override {
    calls_.fetch_add(1, std::memory_order_relaxed);
    return system_.now_ns();
  }

 private:
  SystemClock system_;
  std::atomic<std::uint64_t>& calls_;
};

class CountingParse final : public app::Parse {
 public:
  CountingParse(std::unique_ptr<app::Parse> inner, std::atomic<std::uint64_t>& calls)
      : inner_(std::move(inner)), calls_(calls) {}
  void judge_by(const std::shared_ptr<const ingest::Trust>& trust) override { inner_->judge_by(trust); }
  void parse(Batch& batch) override {
    calls_.fetch_add(2, std::memory_order_relaxed);  // this one and the real one
    inner_->parse(batch);
  }
  void recall_orders_by(const ingest::RecallOrder& recall, bool for_each_record) override {
    inner_->recall_orders_by(recall, for_each_record);
  }
  void forget_orders() override { inner_->forget_orders(); }
  std::vector<ingest::TextOrder> take_orders() override { return inner_->take_orders(); }

 private:
  std::unique_ptr<app::Parse> inner_;
  std::atomic<std::uint64_t>& calls_;
};

/// Watches memory ten times a second while the service runs.
class MemoryWatch {
 public:
  MemoryWatch()
      : thread_([this](std::stop_token stop) {
          while (!stop.stop_requested()) {
            look();
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
          }
        }) {}
  void look() {
    anonymous_ = std::max(anonymous_.load(), anonymous_bytes());
    resident_ = std::max(resident_.load(), resident_bytes());
  }
  double anonymous_mb() const { return static_cast<double>(anonymous_) / 1e6; }
  double resident_mb() const { return static_cast<double>(resident_) / 1e6; }

 private:
  std::atomic<std::uint64_t> anonymous_{0}, resident_{0};
  std::jthread thread_;
};

std::uint64_t directory_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) bytes += entry.file_size();
  return bytes;
}

}  // namespace

Result<ServiceFigures> measure_service(const Corpus& corpus, const Options& options, const app::Config& config,
                                       const app::LoadedPolicy& policy) {
  std::filesystem::remove_all(config.store.directory);
  std::atomic<std::uint64_t> calls{0};
  CountingClock clock(calls);
  Metrics metrics;
  app::PipelineConfig parts = app::pipeline_config(config, policy);
  parts.make_parser = [make = std::move(parts.make_parser), &calls](Metrics& registry)
      -> Result<std::unique_ptr<app::Parse>> {
    TRY_ASSIGN(auto inner, make(registry));
    return std::unique_ptr<app::Parse>(std::make_unique<CountingParse>(std::move(inner), calls));
  };
  if (options.brokers.empty()) {
    parts.make_sources = [&](const app::SourceContext& context) -> Result<std::vector<std::unique_ptr<ingest::Source>>> {
      std::vector<std::unique_ptr<ingest::Source>> sources;
      sources.push_back(std::make_unique<MemorySource>(corpus, config.store.commit_bytes, *context.clock, calls));
      return sources;
    };
  } else {
    parts.make_sources = app::kafka_sources(config);
  }
  ServiceFigures figures;
  std::int64_t cpu_before = process_cpu_ns();
  std::uint64_t allocations_before = 0;
  {
    MemoryWatch memory;
    app::Pipeline pipeline(std::move(parts), clock, metrics);
    TRY(pipeline.start());
    // What a start costs (schemas and mappings are compiled, the store is opened) is no cost of an event.
    figures.start_cpu_ms = static_cast<double>(process_cpu_ns() - cpu_before) / 1e6;
    cpu_before = process_cpu_ns();
    allocations_before = allocations();
    const std::int64_t wall_before = wall_ns();
    const std::int64_t deadline = wall_before + 600'000'000'000;
    std::int64_t end = 0;
    for (app::PipelineStatus status; end == 0;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      status = pipeline.status();
      if (wall_ns() > deadline || status.state == "paused")
        return fail(Code::unavailable, "the service did not get through the corpus: " + status.state + " " + status.reason);
      if (status.counters.events >= options.events && status.judged >= status.last_commit) {
        end = wall_ns();
        figures.events = status.counters.events;
        figures.alerts = status.detect.alerts;
        figures.commits = status.last_commit;
      }
    }
    figures.events_per_s = static_cast<double>(figures.events) / (static_cast<double>(end - wall_before) / 1e9);
    pipeline.stop();
    memory.look();
    figures.anonymous_mb = memory.anonymous_mb();
    figures.resident_mb = memory.resident_mb();
  }
  const auto n = static_cast<double>(figures.events);
  figures.cpu_ns = static_cast<double>(process_cpu_ns() - cpu_before) / n;
  figures.allocations = static_cast<double>(allocations() - allocations_before) / n;
  figures.virtual_calls = static_cast<double>(calls.load()) / n;
  const auto raw = static_cast<double>(corpus.value_bytes());
  figures.stored_ratio = static_cast<double>(directory_bytes(config.store.directory)) / raw;
  std::filesystem::remove_all(config.store.directory);
  return figures;
}

}  // namespace tidewaiter::bench
