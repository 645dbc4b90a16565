// What a bench run measures: primitives, stages one after the other on one thread, and the whole service.
// All figures are per event; medians over the rounds are made by the report.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "app/config.hpp"
#include "bench/corpus.hpp"
#include "core/result.hpp"

namespace tidewaiter::bench {

struct Options {
  std::uint64_t events = 1'000'000, seed = 1;
  std::uint32_t days = 28;
  int rounds = 3;
  std::uint64_t commit_bytes = 0;  // 0 = the service's default
  std::string directory = "/tmp";  // of the corpus and of the stores, which are removed again
  std::string brokers, topic;      // a real broker that holds the corpus (tidewaiter generate)
  std::string json;                // report as JSON into this file, "-" = stdout
  bool service_only = false;
};

/// CPU ns per event of each primitive, and what the bytes are like.
struct PrimitiveFigures {
  double copy = 0, extract = 0, hash = 0, compress = 0, write = 0, slots = 0;
  double fields = 0, keys = 0;        // per event
  double body_bytes = 0;              // per event
  double ratio = 0;                   // raw : zstd-1 of 512 KiB blocks
  double sum() const { return copy + extract + hash + compress + write + slots; }
};
Result<PrimitiveFigures> measure_primitives(const Corpus& corpus, const Options& options);

/// Also measured with a broker: CPU ns per message of librdkafka alone.
Result<double> measure_consume(const Options& options);

/// CPU ns and allocator calls per event of one stage.
struct StageFigure {
  double cpu_ns = 0, allocations = 0;
};
/// By name, in flow order: "copy", "parse", "commit", "background", "detect", "select", "release".
using StageFigures = std::map<std::string, StageFigure>;
inline constexpr const char* stage_names[] = {"copy", "parse", "commit", "background", "detect", "select", "release"};
Result<StageFigures> measure_stages(const Corpus& corpus, const Options& options, const app::Config& config,
                                    const app::LoadedPolicy& policy);

struct ServiceFigures {
  double start_cpu_ms = 0;           // schemas and mappings compiled, the store made and opened; in no other figure
  double cpu_ns = 0;                 // all threads, with the stop
  double events_per_s = 0;           // from the first poll until everything is stored, synced and judged
  double allocations = 0, virtual_calls = 0;  // per event
  double anonymous_mb = 0, resident_mb = 0;   // highest seen; the second counts the mapped corpus too
  double stored_ratio = 0;           // bytes of the store's directory per raw byte, after a clean stop
  std::uint64_t events = 0, alerts = 0, commits = 0;
};
/// The real pipeline of app/: from memory, or from the brokers of the options.
Result<ServiceFigures> measure_service(const Corpus& corpus, const Options& options, const app::Config& config,
                                       const app::LoadedPolicy& policy);

}  // namespace tidewaiter::bench
