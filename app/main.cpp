// The program: one subcommand each, wired here and nowhere else. Every subcommand is a function that takes its options
// and returns the exit code.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "app/command_backtest.hpp"
#include "app/command_generate.hpp"
#include "app/command_config.hpp"
#include "app/command_demo.hpp"
#include "app/command_feedback.hpp"
#include "app/command_forward.hpp"
#include "app/command_normalize.hpp"
#include "app/command_remap.hpp"
#include "app/command_replay.hpp"
#include "app/command_run.hpp"
#include "app/command_store.hpp"
#include "app/hec_receiver.hpp"
#include "core/failpoint.hpp"
#include "core/memory.hpp"

namespace tidewaiter::app {
namespace {

constexpr const char* exit_codes =
    "Exit status: 0 fine; 1 a finding, or nothing found; 2 wrong command line, filter or configuration; "
    "3 the environment (store, disk, network).";

/// A subcommand whose function runs after parsing; `code` receives its exit status.
CLI::App* command(CLI::App& cli, const char* name, const char* description, int& code, std::function<int()> run) {
  CLI::App* sub = cli.add_subcommand(name, description);
  sub->footer(exit_codes);
  sub->callback([run = std::move(run), &code] { code = run(); });
  return sub;
}

void add_store(CLI::App* sub, std::string& store) {
  sub->add_option("--store", store, "Store directory (of a running service, or a copy)")->required();
}

void add_run_commands(CLI::App& cli, int& code) {
  static RunOptions run;
  auto* sub = command(cli, "run", "Run the service: Kafka -> log -> detectors -> SIEMs", code, [] { return command_run(run); });
  sub->add_option("--config", run.config, "Configuration file")->capture_default_str();

  static IngestOptions ingest;
  sub = command(cli, "ingest", "Append NDJSON files (or stdin, '-') to a store; resumable, adds nothing twice", code,
                [] { return command_ingest(ingest); });
  sub->add_option("files", ingest.files, "Files, one JSON document a line; '-' is stdin")->required();
  sub->add_option("--store", ingest.store, "Store directory, made if missing")->required();
  sub->add_option("--config", ingest.config, "Take logs, limits, policy and detection from this configuration");
  sub->add_flag("--json", ingest.json, "Print the result as JSON");

  static RecoverOptions recover;
  sub = command(cli, "recover", "Begin a new generation of a store that does not fit its newest head", code,
                [] { return command_recover(recover); });
  sub->add_option("--store", recover.store, "Store directory")->required();
  sub->add_option("--config", recover.config, "Configuration with logs, signing key, and the Kafka that knows the newest head");
  sub->add_flag("--reread", recover.reread, "Take what is missing from Kafka again");
  sub->add_flag("--accept-loss", recover.accept_loss, "Go on behind the loss, which becomes a recorded gap");

  static DemoOptions demo;
  sub = command(cli, "demo", "Run the whole main job on this machine with a generated company and look around", code,
                [] { return command_demo(demo); });
  sub->add_option("--seed", demo.seed, "Which company and which incidents")->capture_default_str();
  sub->add_option("--events", demo.events, "How many events")->capture_default_str();
  sub->add_option("--store", demo.store, "Where to put the store (default: a new temporary directory)");
  sub->add_option("--api", demo.api_address, "Address of the API (port 0: any free one)")->capture_default_str();
  sub->add_option("--metrics", demo.metrics_address, "Address of metrics and health")->capture_default_str();
  sub->add_flag("--exit", demo.exit, "End after the summary; exit status 0 only if everything held");
}

void add_config_commands(CLI::App& cli, int& code) {
  static InitOptions init;
  auto* sub = command(cli, "init", "Write a commented tidewaiter.yaml and policy.yaml, and a signing key", code,
                      [] { return command_init(init); });
  sub->add_option("directory", init.directory, "Where to write them")->capture_default_str();
  sub->add_flag("--force", init.force, "Overwrite the two files (never the key)");

  static CheckConfigOptions check;
  sub = command(cli, "check-config", "Check a configuration and its policy", code, [] { return command_check_config(check); });
  sub->add_option("--config", check.config, "Configuration file")->capture_default_str();
  sub->add_flag("--json", check.json, "Print the findings as JSON");
}

void add_format_commands(CLI::App& cli, int& code) {
  static NormalizeOptions normalize;
  auto* sub = command(cli, "normalize", "Print the canonical events of messages, one a line; rejects go to stderr", code,
                      [] { return command_normalize(normalize); });
  sub->add_option("files", normalize.files, "Samples: JSON documents, NDJSON, or lines of a text format (default: stdin)");
  sub->add_option("--format", normalize.format, "auto, or one of 'tidewaiter formats'")->capture_default_str();
  sub->add_option("--mapping", normalize.mappings, "Mapping file beside the built-in ones; repeatable")
      ->allow_extra_args(false);
  sub->add_option("--header", normalize.headers, "NAME=VALUE, as Kafka would carry it; repeatable")
      ->allow_extra_args(false);
  sub->add_option("--received", normalize.received, "Time of reception, RFC 3339 (default: now)");
  sub->add_flag("--strict", normalize.strict, "Check the grammar of what no mapping reads, too");
  sub->add_flag("--unmask", normalize.unmask, "Show secrets in full");

  static FormatsOptions formats;
  sub = command(cli, "formats", "List the formats that are understood, or show one with an example", code,
                [] { return command_formats(formats); });
  sub->add_option("name", formats.name, "One format");
  sub->add_option("--mapping", formats.mappings, "Mapping file beside the built-in ones; repeatable")
      ->allow_extra_args(false);
  sub->add_flag("--json", formats.json, "Print as JSON");

  static ExplainMappingOptions explain;
  sub = command(cli, "explain-mapping", "Show where each column of a sample came from, and which keys nothing reads", code,
                [] { return command_explain_mapping(explain); });
  sub->add_option("mapping", explain.mapping, "Mapping file, or the name of a format")->required();
  sub->add_option("sample", explain.sample, "Sample file, '-' is stdin")->required();
  sub->add_option("--header", explain.headers, "NAME=VALUE, as Kafka would carry it; repeatable")
      ->allow_extra_args(false);
  sub->add_flag("--json", explain.json, "Print as JSON");
}

void add_query_commands(CLI::App& cli, int& code) {
  static QueryOptions query;
  auto* sub = command(cli, "query", "Search all logs with a filter", code, [] { return command_query(query); });
  add_store(sub, query.store);
  sub->add_option("--log", query.logs, "Only these logs")->delimiter(',');
  sub->add_option("--kind", query.kinds, "Only these kinds: event, unmapped, reject, tombstone, conflict, alert, "
                                         "receipt, access, control")->delimiter(',');
  sub->add_option("--where", query.where, "Filter, such as: risk_tier >= high and dst_ip in 10.0.0.0/8");
  sub->add_option("--text", query.texts, "Only messages that hold this text, whatever their shape, rejects too; upper and "
                                         "lower case alike; repeatable: all of them")->allow_extra_args(false);
  sub->add_option("--from", query.from, "Event time from: 2026-03-01, 2026-03-01T10:00:00Z, -7d");
  sub->add_option("--to", query.to, "Event time before");
  sub->add_flag("--count", query.count, "Only count");
  sub->add_option("--by", query.by, "Count by these columns")->delimiter(',');
  sub->add_option("--limit", query.limit, "At most so many rows (table: 100)");
  sub->add_flag("--newest", query.newest, "Newest first");
  sub->add_option("--format", query.format, "table, ndjson, csv or raw (the bytes as they came)")->capture_default_str();
  sub->add_option("--columns", query.columns, "Columns of table and csv")->delimiter(',');
  sub->add_flag("--unmask", query.unmask, "Show secrets in full");
  sub->add_flag("--as-scored", query.as_scored, "Columns as they were scored, not as a later remap reads them");

  static AlertsOptions alerts;
  sub = command(cli, "alerts", "List alerts, or show one with its explanation and evidence", code,
                [] { return command_alerts(alerts); });
  sub->add_option("id", alerts.id, "uid of one alert, or an unambiguous beginning of it");
  add_store(sub, alerts.store);
  sub->add_option("--where", alerts.where, "Filter of the list, such as: severity >= high (default: all but joins of artifacts, operation == attestation_join, and daily receipts of detection, operation == detection_receipt)");
  sub->add_option("--limit", alerts.limit, "At most so many (50)");
  sub->add_flag("--json", alerts.json, "Print as JSON");
  sub->add_flag("--unmask", alerts.unmask, "Show secrets in full");

  static StatsOptions stats;
  sub = command(cli, "stats", "Sizes, counters and heads of a store", code, [] { return command_stats(stats); });
  add_store(sub, stats.store);
  sub->add_flag("--json", stats.json, "Print as JSON");

  static CoverageOptions coverage;
  sub = command(cli, "coverage", "Which offsets of which partitions are held, and every gap with its reason", code,
                [] { return command_coverage(coverage); });
  add_store(sub, coverage.store);
  sub->add_flag("--json", coverage.json, "Print as JSON");
}

void add_change_options(CLI::App* sub, ChangeTarget& to) {
  add_store(sub, to.store);
  sub->add_option("--owner", to.owner, "Who answers for this");
  sub->add_option("--reason", to.reason, "Why, for whoever reads it later");
  sub->add_option("--config", to.config, "Configuration of the store's service: signing key, API address, token file");
  sub->add_option("--api", to.api, "HOST:PORT of the running service's API (default: of the configuration)");
  sub->add_option("--token-file", to.token_file, "Bearer token for it (default: of the configuration)");
  sub->add_flag("--json", to.json, "Print as JSON");
}

void add_feedback_commands(CLI::App& cli, int& code) {
  static VerdictOptions verdict;
  auto* sub = command(cli, "verdict", "Say of an alert that it was true, false, or benign and expected until a date", code,
                      [] { return command_verdict(verdict); });
  sub->add_option("alert", verdict.alert, "uid of the alert, or an unambiguous beginning of it")->required();
  sub->add_option("verdict", verdict.verdict, "true: worth it, such findings of this rule and entity may be weaker. false: they must be "
                                              "stranger. benign: silent, with this destination, until --until")->required();
  sub->add_option("--until", verdict.until, "End of what is benign: 14d, 2026-03-04, 2026-03-04T05:06:07Z");
  add_change_options(sub, verdict.to);

  static SuppressOptions suppress;
  sub = command(cli, "suppress", "Keep findings of statistical detectors about somebody silent until a date, counted", code,
                [] { return command_suppress(suppress); });
  sub->add_option("--entity", suppress.entity, "Id of the principal, app or source");
  sub->add_option("--tenant", suppress.tenant, "Only of this tenant");
  sub->add_option("--detector", suppress.detector, "Only of this detector, such as volume (default: all but policy)");
  sub->add_option("--rule", suppress.rule, "Only of this rule, such as volume.destination");
  sub->add_option("--dst", suppress.dst_host, "Only to this destination");
  sub->add_option("--until", suppress.until, "Its end: 14d, 2026-03-04, 2026-03-04T05:06:07Z; at most 366 days");
  sub->add_option("--end", suppress.end, "Lift the suppression with this uid instead");
  add_change_options(sub, suppress.to);

  static SuppressionsOptions suppressions;
  sub = command(cli, "suppressions", "List the suppressions in force: what is silent, until when, why, how often used", code,
                [] { return command_suppressions(suppressions); });
  add_store(sub, suppressions.store);
  sub->add_flag("--json", suppressions.json, "Print as JSON");
}

void add_proof_commands(CLI::App& cli, int& code) {
  static ProveOptions prove;
  auto* sub = command(cli, "prove", "Write a proof that a record is in the log, to be checked without the store", code,
                      [] { return command_prove(prove); });
  add_store(sub, prove.store);
  sub->add_option("--log", prove.log, "Log of the record")->required();
  sub->add_option("--seq", prove.seq, "Its sequence number")->required();
  sub->add_option("-o,--output", prove.output, "Proof file; the body goes to FILE.record")->required();
  sub->add_flag("--json", prove.json, "Print as JSON");

  static VerifyProofOptions verify_proof;
  sub = command(cli, "verify-proof", "Check a proof and its record with nothing but the public key", code,
                [] { return command_verify_proof(verify_proof); });
  sub->add_option("file", verify_proof.file, "Proof file")->required();
  sub->add_option("--record", verify_proof.record, "Body of the record (default: FILE.record, if it is there)");
  sub->add_option("--public-key", verify_proof.public_key_file, "Public key of the log (vkey)")->required();
  sub->add_flag("--json", verify_proof.json, "Print as JSON");

  static VerifyOptions verify;
  sub = command(cli, "verify", "Recompute a whole store from its raw bytes and name the first lie", code,
                [] { return command_verify(verify); });
  add_store(sub, verify.store);
  sub->add_option("--public-key", verify.public_key_file, "Public key: without it the verdict is 'consistent' at best");
  sub->add_option("--against", verify.against, "Checkpoints kept elsewhere that the store must extend: notes, or the head file outside the store");
  sub->add_option("--since", verify.since, "Trusted checkpoint files: what is older is not read again");
  sub->add_option("--threads", verify.threads, "Threads")->capture_default_str();
  sub->add_flag("--json", verify.json, "Print as JSON");

  static RemapOptions remap;
  sub = command(cli, "remap", "Read what is stored with the mappings of now, beside the columns that were scored", code,
                [] { return command_remap(remap); });
  add_store(sub, remap.store);
  sub->add_option("--config", remap.config, "Configuration with mappings, policy and signing key");
  sub->add_flag("--json", remap.json, "Print the result as JSON");

  static ReplayOptions replay;
  sub = command(cli, "replay", "Judge the stored log again and compare every alert with the stored one", code,
                [] { return command_replay(replay); });
  add_store(sub, replay.store);
  sub->add_flag("--from-snapshot", replay.from_snapshot, "Begin at a snapshot: of the first half of the log, else the oldest that is kept");
  sub->add_flag("--json", replay.json, "Print as JSON");
}

void add_backtest_command(CLI::App& cli, int& code) {
  static BacktestOptions backtest;
  auto* sub = command(cli, "backtest", "What another configuration or policy would have alerted on a stored log: new, gone and moved alerts",
                      code, [] { return command_backtest(backtest); });
  add_store(sub, backtest.store);
  sub->add_option("--config", backtest.config, "Configuration that is tried: its section detect, and its policy_file from the first event on "
                                               "(without one the policies of the log stay)")->required();
  sub->add_option("--against", backtest.against, "Configuration to compare with (default: the alerts that are stored)");
  sub->add_option("--from", backtest.from, "Compare alerts from this event time on: 2026-03-01, 2026-03-01T10:00:00Z, -7d. What is older is "
                                           "played to learn from and not compared");
  sub->add_option("--to", backtest.to, "Compare alerts before this event time");
  sub->add_option("--warm-up", backtest.warm_up, "With --from: play no more than this before it, such as 28d (default: all). Detectors that "
                                                 "learnt less alert differently");
  sub->add_option("--max-new", backtest.max_new, "So many new alerts are no difference")->capture_default_str();
  sub->add_option("--max-gone", backtest.max_gone, "So many alerts may be gone")->capture_default_str();
  sub->add_option("--max-moved", backtest.max_moved, "So many may be at another time within a day, or of another severity")->capture_default_str();
  sub->add_option("--examples", backtest.examples, "Alerts shown per rule and kind of change")->capture_default_str();
  sub->add_flag("--json", backtest.json, "Print as JSON");
  sub->footer("For example, before a stricter policy goes live, and in CI:\n"
              "  tidewaiter backtest --store DIR --config new.yaml                          against what the service alerted\n"
              "  tidewaiter backtest --store DIR --config new.yaml --against tidewaiter.yaml --from -28d --max-new 20\n"
              "Exit status: 0 no more differences than allowed; 1 more; 2 wrong command line or configuration, or nothing to compare; "
              "3 the environment (store, disk).");
}

void add_forward_commands(CLI::App& cli, int& code) {
  static ConnectorsOptions connectors;
  auto* sub = command(cli, "connectors", "List connectors: cursor, counters, lag", code,
                      [] { return command_connectors(connectors); });
  sub->add_option("--config", connectors.config, "Configuration file")->capture_default_str();
  sub->add_flag("--json", connectors.json, "Print as JSON");

  static TestConnectorOptions test;
  sub = command(cli, "test-connector", "Reach a connector's receiver with the configured credentials", code,
                [] { return command_test_connector(test); });
  sub->add_option("name", test.name, "Connector")->required();
  sub->add_option("--config", test.config, "Configuration file")->capture_default_str();

  static RedeliverOptions redeliver;
  sub = command(cli, "redeliver", "Send a range again, with the same ids, leaving the cursor alone", code,
                [] { return command_redeliver(redeliver); });
  sub->add_option("--connector", redeliver.name, "Connector")->required();
  sub->add_option("--from", redeliver.from, "First commit number, or receive time")->required();
  sub->add_option("--to", redeliver.to, "Last commit number, or receive time")->required();
  sub->add_option("--config", redeliver.config, "Configuration file")->capture_default_str();
  sub->add_flag("--json", redeliver.json, "Print as JSON");
}

/// A receiver for trials and tests, not part of the product's surface.
void add_hidden_commands(CLI::App& cli, int& code) {
  static HecReceiverCommandOptions receiver;
  auto* sub = command(cli, "hec-receiver", "A receiver that speaks Splunk HEC, with misbehaviour on demand", code,
                      [] { return command_hec_receiver(receiver); });
  sub->group("");
  HecIndexerOptions& indexer = receiver.receiver.indexer;
  sub->add_option("--port", receiver.receiver.port, "Port; 0: any free one");
  sub->add_option("--token", indexer.token, "Token")->required();
  sub->add_flag("--ack", indexer.ack, "Indexer acknowledgement");
  sub->add_option("--ack-delay-ms", indexer.ack_delay_ms, "Between answer and indexing");
  sub->add_option("--file", indexer.file, "Append every indexed event");
  sub->add_option("--poison", indexer.poison, "Refuse events that contain this");
  HecFaults& f = receiver.faults;
  sub->add_option("--lose-answer", f.lose_answer, "Percent of answers cut off");
  sub->add_option("--busy", f.busy, "Percent of 503 code 9");
  sub->add_option("--unavailable", f.unavailable, "Percent of plain 503");
  sub->add_option("--lose-ack", f.lose_ack, "Percent of acknowledgement answers cut off");
}

int main_function(int argc, char** argv) {
  keep_freed_memory();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of write(), not the end of us
  if (const char* text = std::getenv("TIDEWAITER_FAILPOINT"); text != nullptr)
    if (auto armed = arm_failpoint(text); !armed) {
      std::fprintf(stderr, "tidewaiter: %s\n", armed.error().message.c_str());
      return exit_usage;
    }
  CLI::App cli{"tidewaiter: an audit log for agents, CI and running apps that can prove itself.\n"
               "Try 'tidewaiter demo' first; 'tidewaiter COMMAND --help' explains each command."};
  cli.set_version_flag("--version", TIDEWAITER_VERSION);
  cli.require_subcommand(1);
  cli.failure_message(CLI::FailureMessage::help);
  int code = 0;
  add_run_commands(cli, code);
  add_config_commands(cli, code);
  add_format_commands(cli, code);
  add_query_commands(cli, code);
  add_feedback_commands(cli, code);
  add_proof_commands(cli, code);
  add_backtest_command(cli, code);
  add_forward_commands(cli, code);
  add_generate_command(cli, code);
  add_hidden_commands(cli, code);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? 0 : exit_usage;
  }
  return code;
}

}  // namespace
}  // namespace tidewaiter::app

int main(int argc, char** argv) { return tidewaiter::app::main_function(argc, argv); }
