// Backtest: the engine of the service over the columns of a stored log with other settings, and how its alerts differ from
// those of other settings or from those that are stored. One thread reads commits, one judges per run; memory is bounded
// by the engines, a few commits and the alerts that wait to be paired (alert_diff.hpp), however long the log is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "app/alert_diff.hpp"
#include "core/result.hpp"
#include "detect/engine.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {

/// The settings of one run.
struct BacktestRun {
  std::string name;                        // for people: the configuration file
  detect::EngineConfig engine;
  std::optional<std::string> policy_json;  // in force from the start; none: the log's own, where they stand in it
};

struct BacktestPlan {
  BacktestRun after;
  std::optional<BacktestRun> before;                 // none: the alerts that are stored
  std::optional<std::int64_t> from_ns, to_ns;        // alerts of [from, to) are compared
  std::optional<std::int64_t> warm_up_ns;            // events so much older than `from` are played, too; none: all
  std::size_t examples_max = 3;                      // per rule and kind of change
};

/// One side of the comparison, alerts of the range alone.
struct BacktestSide {
  std::uint64_t alerts = 0;
  std::uint64_t held_back = 0;                   // told in digests: repeats, what is over the budget or like others called false
  std::map<std::string, std::uint64_t> notes;    // other records of the log `alerts` by kind
  std::uint64_t events = 0;                      // judged, warm-up included; 0 when nothing was played
  std::int64_t cpu_ns = 0;                       // of the judging thread
};

struct BacktestReport {
  std::uint64_t first_commit = 0, last_commit = 0;   // played
  std::uint64_t unjudged_commits = 0;                // with events, at the end of the log: detection has not come there yet
  std::uint64_t events = 0;                          // in the range that was compared
  std::int64_t begin_ns = 0, end_ns = 0;             // event time of it
  std::int64_t wall_ns = 0, read_cpu_ns = 0;
  BacktestSide before, after;
  AlertDiff diff{{}};
  /// At least one: a rate of a shorter time says nothing.
  double days() const;
};

struct BacktestProgress {
  std::uint64_t commit = 0, last_commit = 0, events = 0;
  std::int64_t watermark_ns = 0, wall_ns = 0;
};

/// Errors: invalid_argument (nothing to compare, bad policy), and those of the store.
Result<BacktestReport> backtest(const store::Reader& reader, const BacktestPlan& plan,
                                const std::function<void(const BacktestProgress&)>& progress);

}  // namespace tidewaiter::app
