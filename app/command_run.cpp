#include "app/command_run.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "app/assemble.hpp"
#include "app/command_store.hpp"
#include "app/signals.hpp"
#include "core/log_line.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {
namespace {

using std::chrono::milliseconds;

void reload(Pipeline& pipeline, const std::string& file) {
  auto config = load_config(file);
  auto policy = config ? load_policy(config->policy_file) : Result<LoadedPolicy>(config.error());
  auto trust = policy ? load_trust(*config) : Result<LoadedTrust>(policy.error());
  auto tables = trust ? load_tables(config->enrichment) : Result<LoadedTables>(trust.error());
  if (!tables) {
    log_line(Level::error, "reload refused, the old configuration stays in force: " + tables.error().message);
    return;
  }
  if (auto ok = pipeline.reload_policy({policy->json, policy->hash, trust->json, trust->hash}, tables_in_force(*tables)); !ok)
    return log_line(Level::error, "policy and tables not reloaded: " + ok.error().message);
  if (auto ok = pipeline.reload_connectors(connector_configs(*config)); !ok)
    return log_line(Level::error, "connectors not reloaded: " + ok.error().message);
  set_log_level(config->log_level);
  std::size_t rows = 0;
  for (std::size_t i = 0; i < ingest::table_kinds; ++i) rows += tables->set->rows(static_cast<ingest::TableKind>(i));
  log_line(Level::info, "policy and connectors reloaded",
           {{"policy", policy->hash}, {"attestation_keys", trust->hash}, {"table_rows", std::to_string(rows)}});
}

Result<int> run_service(const RunOptions& options) {
  TRY_ASSIGN(const Config config, load_config(options.config));
  TRY_ASSIGN(const LoadedPolicy policy, load_policy(config.policy_file));
  TRY_ASSIGN(const LoadedTrust trust, load_trust(config));
  TRY_ASSIGN(const LoadedTables tables, load_tables(config.enrichment));
  set_log_level(config.log_level);
  if (!config.kafka.enabled)
    return fail(Code::invalid_argument, options.config + ": kafka: the service needs a Kafka section; for files use "
                                                         "'tidewaiter ingest'");
  Signals signals{SIGTERM, SIGINT, SIGHUP};
  SystemClock clock;
  Metrics metrics;
  PipelineConfig parts = pipeline_config(config, policy, trust, tables);
  parts.make_sources = kafka_sources(config);
  parts.ask_group = [config] { return ask_group(config); };
  parts.store.recover_command =
      "tidewaiter recover --store " + config.store.directory + " --config " + options.config;
  Pipeline pipeline(std::move(parts), clock, metrics);
  TRY(pipeline.start());
  TRY_ASSIGN(auto server, serve::Server::start(serve_config(config), pipeline.backend()));
  log_line(Level::info, "tidewaiter runs",
           {{"store", config.store.directory}, {"api_port", std::to_string(server->api_port())},
            {"metrics_port", std::to_string(server->operations_port())}});
  while (true) {
    const auto signal = signals.wait(milliseconds(1'000));
    if (!signal) continue;
    if (*signal != SIGHUP) break;
    reload(pipeline, options.config);
  }
  log_line(Level::info, "stopping: sources, log, detection, connectors, last checkpoint");
  server->stop();
  pipeline.stop();
  log_line(Level::info, "stopped");
  return exit_ok;
}

void show_progress(const PipelineStatus& status, bool last) {
  std::uint64_t done = 0, total = 0;
  for (const ingest::SourceStatus& source : status.sources) {
    done += source.bytes_done;
    total += source.bytes_total;
  }
  const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(share * 30);
  fmt::print(stderr, "\r[{:<30}] {:5.1f} %  {} records read, {} alerts{}", std::string(filled, '#'), share * 100,
             status.counters.read, status.detect.alerts, last ? "\n" : "");
}

/// By reason, those of this run.
std::map<std::string, std::uint64_t> new_rejects(const store::Counters& before, const store::Counters& after) {
  std::map<std::string, std::uint64_t> made;
  for (const auto& [reason, count] : after.rejects_by_reason) {
    const auto known = before.rejects_by_reason.find(reason);
    const std::uint64_t old = known == before.rejects_by_reason.end() ? 0 : known->second;
    if (count > old) made[reason] = count - old;
  }
  return made;
}

/// "3 of them rejected (not_json 2, truncated 1): ..."; "" when none was.
std::string rejects_text(const std::map<std::string, std::uint64_t>& rejects, const std::string& store) {
  std::uint64_t total = 0;
  std::string reasons;
  for (const auto& [reason, count] : rejects) {
    total += count;
    reasons += (reasons.empty() ? "" : ", ") + reason + " " + std::to_string(count);
  }
  if (total == 0) return "";
  return fmt::format("{} of them rejected ({}), for each line of a file is one message; `tidewaiter query --store {} --kind reject` "
                     "shows them, offset 0 is the first line\n", total, reasons, shell_quoted(store));
}

Result<int> ingest_files(const IngestOptions& options) {
  Config config = default_config(options.store);
  LoadedPolicy policy;
  if (!options.config.empty()) {
    TRY_ASSIGN(config, load_config(options.config));
    config.store.directory = options.store;
  }
  TRY_ASSIGN(policy, load_policy(config.policy_file));
  TRY_ASSIGN(const LoadedTrust trust, load_trust(config));
  TRY_ASSIGN(const LoadedTables tables, load_tables(config.enrichment));
  Signals signals{SIGTERM, SIGINT};
  SystemClock clock;
  Metrics metrics;
  PipelineConfig parts = pipeline_config(config, policy, trust, tables);
  parts.connectors.clear();  // a file is not news: nothing is forwarded
  parts.make_sources = file_sources(config, options.files);
  if (!options.config.empty())
    parts.store.recover_command = "tidewaiter recover --store " + options.store + " --config " + options.config;
  Pipeline pipeline(std::move(parts), clock, metrics);
  TRY(pipeline.start());
  const store::Counters before = pipeline.status().counters;
  const bool progress = isatty(STDERR_FILENO) == 1;
  std::int64_t shown_ns = 0;
  bool interrupted = false;
  const bool drained = pipeline.wait_until_drained([&] {
    if (progress && clock.now_ns() - shown_ns > 200'000'000) {
      show_progress(pipeline.status(), false);
      shown_ns = clock.now_ns();
    }
    interrupted = interrupted || signals.wait(milliseconds(0)).has_value();
    return interrupted || pipeline.status().state == "paused";
  });
  const PipelineStatus status = pipeline.status();
  if (progress) show_progress(status, true);
  pipeline.stop();
  if (!drained && !interrupted) return fail(Code::disk, status.reason);
  const std::uint64_t read = status.counters.read - before.read;
  const std::uint64_t duplicates = status.counters.duplicates - before.duplicates;
  const auto rejects = new_rejects(before, status.counters);
  if (options.json)
    fmt::print("{}\n", nlohmann::json{{"read", read}, {"duplicates", duplicates}, {"stored", read - duplicates},
                                      {"rejects_by_reason", rejects}, {"alerts", status.detect.alerts},
                                      {"interrupted", interrupted}}.dump());
  else
    fmt::print("{} records stored, {} were there already; {} alerts in the store{}\n{}", read - duplicates, duplicates,
               status.detect.alerts, interrupted ? "; interrupted: the same command goes on from here" : "",
               rejects_text(rejects, options.store));
  return exit_ok;
}

Result<void> tell_accepted_losses(const store::Log& log) {
  TRY_ASSIGN(const auto reader, store::Reader::open(log));
  TRY_ASSIGN(const auto partitions, reader->coverage());
  for (const auto& part : partitions)
    for (const auto& gap : part.gaps)
      if (gap.reason == "accepted loss")
        fmt::print("accepted as lost: {} partition {}, offsets {} to {}\n", part.topic, part.partition, gap.from,
                   gap.to - 1);
  return {};
}

Result<int> begin_generation(const RecoverOptions& options) {
  if (options.reread == options.accept_loss)
    return fail(Code::invalid_argument, "give either --reread (take what is missing from Kafka again) or --accept-loss "
                                        "(go on behind it; the loss becomes a recorded gap)");
  Config config = default_config(options.store);
  if (!options.config.empty()) {
    TRY_ASSIGN(config, load_config(options.config));
    config.store.directory = options.store;
  }
  store::Options open = store_options(config);
  open.create_if_missing = false;
  open.recover = options.reread ? store::Recover::reread : store::Recover::accept_loss;
  if (config.kafka.enabled) {
    TRY_ASSIGN(GroupKnowledge group, ask_group(config));
    open.known_heads = std::move(group.heads);
    open.known_offsets = std::move(group.offsets);
  }
  Metrics metrics;
  TRY_ASSIGN(auto log, store::Log::open(std::move(open), metrics));
  const bool begun_before = log->generation() > 1 && log->generation_is_unpublished();  // and not brought to its end
  if (!log->has_recovered() && !begun_before) {
    if (log->head_files_error()) return *log->head_files_error();
    if (options.accept_loss) TRY(tell_accepted_losses(*log));
    fmt::print("the store is of generation {} and fits every head that it is known by{}: nothing was changed\n",
               log->generation(), config.kafka.enabled ? "" : ", here; with --config Kafka is asked as well");
    return exit_ok;
  }
  TRY(log->publish_checkpoint());
  if (log->head_files_error()) return *log->head_files_error();
  TRY(tell_accepted_losses(*log));
  fmt::print("the store goes on as generation {}; older heads are kept in its control log\n", log->generation());
  return exit_ok;
}

int finish(const char* command, Result<int> result, bool json) {
  if (result) return *result;
  if (json) return report_error(result.error(), true);
  fmt::print(stderr, "tidewaiter {}: {}\n", command, result.error().message);
  return exit_code(result.error());
}

}  // namespace

int command_run(const RunOptions& options) { return finish("run", run_service(options), false); }
int command_recover(const RecoverOptions& options) { return finish("recover", begin_generation(options), false); }
int command_ingest(const IngestOptions& options) { return finish("ingest", ingest_files(options), options.json); }

}  // namespace tidewaiter::app
