// `tidewaiter backtest`: what another configuration or policy would have alerted on a stored log.
#pragma once

#include <cstdint>
#include <string>

namespace tidewaiter::app {

struct BacktestOptions {
  std::string store;
  std::string config;    // what is tried
  std::string against;   // compared with it; empty = the alerts that are stored
  std::string from, to;  // RFC 3339, a date, or relative
  std::string warm_up;   // "30d"; empty = all events before `from`
  std::uint64_t max_new = 0, max_gone = 0, max_moved = 0;
  std::uint64_t examples = 3;  // per rule and kind of change
  bool json = false;
};

/// Exit status: 0 no more differences than allowed, 1 more, 2 wrong command line or configuration, 3 the store.
int command_backtest(const BacktestOptions& options);

}  // namespace tidewaiter::app
