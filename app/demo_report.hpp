// What the demo says at its end, and whether all of it held. Pure printing over numbers gathered by command_demo.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/hec_indexer.hpp"
#include "app/pipeline.hpp"
#include "app/scoring.hpp"
#include "store/verify.hpp"

namespace tidewaiter::app {

/// More false alerts than this fail the demo: four weeks of a company of some 300 principals.
inline constexpr std::size_t demo_false_alerts_max = 3;

struct DemoFacts {
  std::uint64_t produced = 0, produced_bytes = 0;
  double seconds = 0, cpu_seconds = 0, generator_cpu_seconds = 0;
  std::int64_t event_time_span_ns = 0;
  PipelineStatus status;
  Score score;
  HecTotals receiver;
  std::uint64_t receiver_alerts = 0, stored_alerts = 0;  // distinct uids at the receiver; items of kind alert in the log
  store::VerifyReport verify;
  std::string store, public_key, api_address, metrics_address, config;
};

/// Prints the summary to stdout; every promise that did not hold is returned as a sentence.
std::vector<std::string> report_demo(const DemoFacts& facts);

}  // namespace tidewaiter::app
