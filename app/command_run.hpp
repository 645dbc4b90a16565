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

struct RecoverOptions {
  std::string store;
  std::string config;  // "" = the store's own settings: logs must be known by it, the key is needed to sign
  bool reread = false, accept_loss = false;  // exactly one
};
/// After the store has refused to open because it does not fit the newest head it knows: begins a new generation.
int command_recover(const RecoverOptions& options);

}  // namespace tidewaiter::app
