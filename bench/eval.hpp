// The evaluation tool: scores data of other people with the service's detectors, one configuration for every set.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace tidewaiter::bench {

struct EvalOptions {
  std::vector<std::string> files;
  std::string out;                   // scores go here; "" = nowhere, "-" = stdout
  std::string train;                 // sessions: what is normal
  std::string json;                  // report; "" = none, "-" = stdout
  std::string detector = "service";  // or a baseline; scenarios: or "all"
  std::vector<std::string> without;  // detectors of the service (scenarios), or parts of them, that are left out
  double budget_per_day = 10;        // scenarios: alerts of the service a day, at most
  double false_alerts_per_day = 0;   // scenarios: false ones it may make on clean data; 0 = half of the budget
  std::string unit;                  // of times; "" = guessed
  std::uint64_t memory_bytes = 512ull << 20;
  double figures_from = 0;           // share of the rows before which nothing is counted in the figures
};

/// Scores rows in file order, each before it is learnt. The report; figures of quality only where there are labels.
/// Errors: not_found, invalid_argument (file, line and what is wrong), disk.
Result<nlohmann::ordered_json> eval_edges(const EvalOptions& options);

/// Learns the sessions of `train`, a line of tokens each, and scores those of the file without learning from them.
/// Errors: not_found, invalid_argument, disk.
Result<nlohmann::ordered_json> eval_sessions(const EvalOptions& options);

/// Scores a series of values in order. Errors: not_found, invalid_argument (line and what is wrong), disk.
Result<nlohmann::ordered_json> eval_series(const EvalOptions& options);

/// Plays the folder's events.ndjson, as `tidewaiter generate` writes them, through parser and engine with the service's
/// default configuration and policy, and holds the alerts against its truth.json; with detector "all" also the baselines.
/// Errors: not_found, invalid_argument.
Result<nlohmann::ordered_json> eval_scenarios(const EvalOptions& options);

/// The detectors that --detector knows for edges and for series, besides "service".
std::vector<std::string_view> edge_baselines();
std::vector<std::string_view> series_baselines();

}  // namespace tidewaiter::bench
