#include "app/command_remap.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/assemble.hpp"
#include "app/command_store.hpp"
#include "app/offline_store.hpp"
#include "app/text_orders.hpp"
#include "app/text_table.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::app {
namespace {

std::string hash_text(std::string_view text) {
  Sha256 sha;
  return to_hex(as_view(sha.digest(text)));
}

/// What reads the records: each mapping by its name and digest.
Result<std::string> mappings_json(const Config& config) {
  nlohmann::ordered_json list = nlohmann::ordered_json::object();
  for (const ingest::MappingFile& file : ingest::embedded_mappings()) list[file.name] = hash_text(file.json);
  for (const std::string& name : config.formats.mapping_files) {
    TRY_ASSIGN(const std::string text, read_text_file(name));
    list[name] = hash_text(text);
  }
  return list.dump();
}

void show_progress(std::uint64_t done, std::uint64_t total) {
  const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  fmt::print(stderr, "\r[{:<30}] {:5.1f} %  {} of {} records{}", std::string(static_cast<std::size_t>(share * 30), '#'),
             share * 100, done, total, done == total ? "\n" : "");
}

Result<int> remap(const RemapOptions& options) {
  Config config = default_config(options.store);
  if (!options.config.empty()) {
    TRY_ASSIGN(config, load_config(options.config));
    config.store.directory = options.store;
  }
  TRY_ASSIGN(const LoadedPolicy policy, load_policy(config.policy_file));
  TRY_ASSIGN(const LoadedTrust trust, load_trust(config));
  TRY_ASSIGN(const LoadedTables tables, load_tables(config.enrichment));
  const PipelineConfig parts = pipeline_config(config, policy, trust, tables);
  Metrics metrics;
  TRY_ASSIGN(const auto parser, parts.make_parser(metrics));
  TRY_ASSIGN(const auto enrich, parts.make_enrichment(parts.policy, parts.tables, metrics));
  parser->judge_by(enrich->trust());
  TRY_ASSIGN(auto log, open_offline(config, metrics));
  TRY_ASSIGN(auto scout, parts.make_parser(metrics));
  HeaderLines headers(*log, std::move(scout), parts.text_columns);
  parser->recall_orders_by([&](const ingest::TextOrder& asked) { return headers.before(asked); }, true);
  store::RemapRequest request;
  request.parse = [&](Batch& batch) {
    parser->parse(batch);
    enrich->apply(batch);
  };
  TRY_ASSIGN(request.mappings, mappings_json(config));
  if (isatty(STDERR_FILENO) == 1) request.progress = show_progress;
  TRY_ASSIGN(const store::RemapReport report, log->remap(request));
  if (headers.error()) return *headers.error();
  TRY(log->publish_checkpoint());
  if (log->head_files_error()) return *log->head_files_error();
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"column_version", report.version}, {"records", report.records},
                                              {"changed", report.changed}, {"kept", report.kept},
                                              {"events_before", report.events_before}, {"events", report.events}}.dump());
    return exit_ok;
  }
  fmt::print("columns version {}: {} records read again, {} of them differ from what was scored ({} events, before {})\n",
             report.version, grouped(report.records), grouped(report.changed), grouped(report.events),
             grouped(report.events_before));
  if (report.kept > 0)
    fmt::print("{} records are no events to the mappings of now, or lines whose order of columns is not known without "
               "`formats.text_columns`: they keep the columns that they had\n", grouped(report.kept));
  fmt::print("queries show the new columns, `tidewaiter query --as-scored` those of then; leaves, proofs and replay are as before\n");
  return exit_ok;
}

}  // namespace

int command_remap(const RemapOptions& options) {
  const auto result = remap(options);
  if (result) return *result;
  if (options.json) return report_error(result.error(), true);
  fmt::print(stderr, "tidewaiter remap: {}\n", result.error().message);
  return exit_code(result.error());
}

}  // namespace tidewaiter::app
