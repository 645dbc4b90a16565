// `tidewaiter init` and `tidewaiter check-config`. Exit codes as of app/command_store.hpp, but that check-config
// answers 1 when it has findings.
#pragma once

#include <string>

namespace tidewaiter::app {

struct InitOptions {
  std::string directory = ".";
  bool force = false;  // overwrite the two files; a key is never overwritten
};
/// Writes tidewaiter.yaml, policy.yaml and, if there is none, an Ed25519 key pair: tidewaiter.key (0600) and
/// tidewaiter.pub (the C2SP verifier key). What it wrote passes check-config.
int command_init(const InitOptions& options);

struct CheckConfigOptions {
  std::string config = "tidewaiter.yaml";
  bool json = false;
};
/// Validates the file, its policy, its filters and its connectors' settings, without the network.
int command_check_config(const CheckConfigOptions& options);

}  // namespace tidewaiter::app
