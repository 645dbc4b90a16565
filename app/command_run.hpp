// `tidewaiter run` (the service) and `tidewaiter ingest` (files into a store). Exit codes as of app/command_store.hpp.
#pragma once

#include <string>
#include <vector>

namespace tidewaiter::app {

struct RunOptions {
  std::string config = "tidewaiter.yaml";
};
/// Until SIGTERM or SIGINT; SIGHUP reloads policy and connectors.
int command_run(const RunOptions& options);

struct IngestOptions {
  std::vector<std::string> files;
  std::string store;
  std::string config;  // "" = defaults
  bool json = false;
};
int command_ingest(const IngestOptions& options);

}  // namespace tidewaiter::app
