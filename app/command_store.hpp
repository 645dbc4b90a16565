// The commands that read a store: query, alerts, stats, coverage, prove, verify-proof, verify. Each opens a view of its
// own beside a running service (or of a copy), needs no write permission, prints to stdout and returns an exit code:
//   0 fine   1 a finding, nothing found where something was asked for by name, or nothing proven
//   2 the command line, a filter or a file given is wrong   3 the environment (no store, disk, corruption on the way)
// Errors go to stderr as one sentence with the remedy; with `json` also as {"error":{...}} on stdout.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {

inline constexpr int exit_ok = 0, exit_finding = 1, exit_usage = 2, exit_environment = 3;

struct QueryOptions {
  std::string store;
  std::vector<std::string> logs;   // --log, repeatable or comma-separated; empty = all
  std::vector<std::string> kinds;  // --kind event,reject,...
  std::string where;
  std::vector<std::string> texts;  // --text, repeatable: all of them
  std::string from, to;            // RFC 3339, a date, or relative: now, -7d, now-1h
  bool count = false;
  std::vector<std::string> by;
  std::optional<std::uint64_t> limit;  // default: 100 for table, else none
  bool newest = false;             // newest event time first instead of stored order
  std::string format = "table";    // table, ndjson, csv, raw
  std::vector<std::string> columns;  // of table and csv; empty = a fitting choice
  bool unmask = false;
  bool as_scored = false;          // columns of version 0, not of the newest remap
};
int command_query(const QueryOptions& options);

struct StatsOptions {
  std::string store;
  bool json = false;
};
int command_stats(const StatsOptions& options);

struct AlertsOptions {
  std::string store;
  std::string id;     // uid or an unambiguous beginning of it; empty = list
  std::string where;  // of the list
  std::optional<std::uint64_t> limit;  // default 50, newest first
  bool json = false;
  bool unmask = false;
};
int command_alerts(const AlertsOptions& options);

struct CoverageOptions {
  std::string store;
  bool json = false;
};
int command_coverage(const CoverageOptions& options);

struct ProveOptions {
  std::string store;
  std::string log;
  std::uint64_t seq = 0;
  std::string output;  // the proof; the body goes to OUTPUT.record
  std::int64_t checkpoint_interval_ms = 0;  // of the service, if known: lets it say when the next head is due
  bool json = false;
};
int command_prove(const ProveOptions& options);

struct VerifyProofOptions {
  std::string file;
  std::string record;  // default: FILE.record if it exists
  std::string public_key_file;
  bool json = false;
};
int command_verify_proof(const VerifyProofOptions& options);

struct VerifyOptions {
  std::string store;
  std::string public_key_file;
  std::vector<std::string> against;  // checkpoint files: the store must extend them
  std::vector<std::string> since;    // checkpoint files that are trusted: what is older is not read again
  unsigned threads = 2;
  bool json = false;
};
int command_verify(const VerifyOptions& options);

// --- shared by these commands ---

/// The exit code that an error means.
int exit_code(const Error& error);
/// Says the error on stderr (and as JSON on stdout) and returns its exit code.
int report_error(const Error& error, bool json);
Result<std::unique_ptr<store::Reader>> open_store(const std::string& directory);
/// Error: invalid_argument, naming the nearest log.
Result<std::uint16_t> find_log(const store::Reader& reader, const std::string& name);
/// RFC 3339, a date, "now", or an age such as "-7d" or "now-90m"; nothing for "". Error: invalid_argument.
Result<std::optional<std::int64_t>> parse_time(const std::string& text, const char* option, std::int64_t now_ns);
/// "90m", "7d": ns.
std::optional<std::int64_t> parse_span(std::string_view text);
std::string shell_quoted(const std::string& text);
Result<std::string> read_text_file(const std::string& path);

}  // namespace tidewaiter::app
