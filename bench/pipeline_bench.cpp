// pipeline_bench: what the service costs per event beside the bare primitives on the same bytes, in one run.
// docs/benchmarks.md explains the figures.
#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "core/memory.hpp"
#include "app/config.hpp"
#include "app/config_template.hpp"
#include "bench/measure.hpp"
#include "bench/own_process.hpp"
#include "bench/report.hpp"
#include "core/log_line.hpp"

namespace tidewaiter::bench {
namespace {

/// The policy that `tidewaiter init` writes: all rules are on.
Result<app::LoadedPolicy> default_policy(const std::string& directory) {
  const std::string file = directory + "/tidewaiter-bench-policy.yaml";
  std::ofstream(file) << app::policy_template();
  auto policy = app::load_policy(file);
  std::filesystem::remove(file);
  return policy;
}

Result<void> run(const Options& options) {
  TRY_ASSIGN(const auto corpus, Corpus::make(options.directory, options.events, options.seed, options.days));
  TRY_ASSIGN(const auto policy, default_policy(options.directory));
  app::Config config = app::default_config(options.directory + "/tidewaiter-bench-store");
  if (options.commit_bytes != 0) config.store.commit_bytes = options.commit_bytes;
  if (!options.brokers.empty()) {
    config.kafka.enabled = true;
    config.kafka.properties = {{"bootstrap.servers", options.brokers}};
    config.kafka.topics = {options.topic};
  }
  std::vector<OwnProcess> services;
  for (int round = 0; round < options.rounds; ++round) {
    config.kafka.properties["group.id"] = "bench-" + std::to_string(round);
    TRY_ASSIGN(auto service, OwnProcess::prepare([&] {
      corpus->map_again();
      return measure_service(*corpus, options, config, policy);
    }));
    services.push_back(std::move(service));
  }
  Rounds rounds;
  for (int round = 0; round < options.rounds; ++round) {
    std::cerr << "round " << round + 1 << " of " << options.rounds << "\n";
    if (!options.service_only) {
      TRY_ASSIGN(auto primitives, measure_primitives(*corpus, options));
      rounds.primitives.push_back(primitives);
      if (!options.brokers.empty()) {
        TRY_ASSIGN(const double consume, measure_consume(options));
        rounds.consume.push_back(consume);
      }
      TRY_ASSIGN(auto stages, measure_stages(*corpus, options, config, policy));
      rounds.stages.push_back(std::move(stages));
    }
    TRY_ASSIGN(const ServiceFigures service, services[static_cast<std::size_t>(round)].run());
    rounds.services.push_back(service);
  }
  if (options.json != "-") std::cout << text_report(options, *corpus, rounds) << std::flush;
  if (options.json == "-") {
    std::cout << json_report(options, *corpus, rounds);
  } else if (!options.json.empty()) {
    std::ofstream file(options.json);
    file << json_report(options, *corpus, rounds);
    if (!file.flush()) return fail(Code::disk, "cannot write " + options.json);
  }
  return {};
}

int main_function(int argc, char** argv) {
  keep_freed_memory();
  CLI::App cli{"CPU per event of the service and of its stages beside bare primitives on the same bytes"};
  Options options;
  cli.add_option("--events", options.events, "Messages")->capture_default_str()->check(CLI::Range(20'000u, 100'000'000u));
  cli.add_option("--seed", options.seed, "Company")->capture_default_str();
  cli.add_option("--days", options.days, "Event time that they span: fewer days, denser windows")->capture_default_str();
  cli.add_option("--rounds", options.rounds, "Rounds, of which medians are reported")->capture_default_str();
  cli.add_option("--directory", options.directory, "Where corpus and stores go; both are removed")->capture_default_str();
  auto* brokers = cli.add_option("--brokers", options.brokers, "Read from this broker instead of memory");
  cli.add_option("--topic", options.topic, "Topic that holds the messages of `tidewaiter generate` with the same --events "
                                           "and --seed")->needs(brokers);
  cli.add_option("--commit-bytes", options.commit_bytes, "As store: commit_bytes; 0 is its default")
      ->transform(CLI::AsSizeValue(false));
  cli.add_option("--json", options.json, "Write the report as JSON to this file; '-' is stdout");
  cli.add_flag("--service-only", options.service_only, "Only the whole service: for a profiler");
  CLI11_PARSE(cli, argc, argv);
  set_log_level(Level::warn);
  if (auto done = run(options); !done) {
    std::cerr << "pipeline_bench: " << done.error().message << "\n";
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace tidewaiter::bench

int main(int argc, char** argv) { return tidewaiter::bench::main_function(argc, argv); }
