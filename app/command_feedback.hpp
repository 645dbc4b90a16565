// `tidewaiter verdict`, `suppress` and `suppressions`: what people say of alerts. Written through the API of the service that
// owns the store, else straight into the store. Exit codes as of app/command_store.hpp.
#pragma once

#include <string>

namespace tidewaiter::app {

/// Where a change is written.
struct ChangeTarget {
  std::string store;
  std::string config;      // signing key, API address and token file; "" = defaults
  std::string api;         // host:port or URL of the service; "" = of the configuration
  std::string token_file;  // "" = of the configuration
  std::string owner, reason;
  bool json = false;
};

struct VerdictOptions {
  ChangeTarget to;
  std::string alert, verdict, until;
};
int command_verdict(const VerdictOptions& options);

struct SuppressOptions {
  ChangeTarget to;
  std::string entity, tenant, detector, rule, dst_host, until;
  std::string end;  // uid of the suppression to lift; "" = a new one
};
int command_suppress(const SuppressOptions& options);

struct SuppressionsOptions {
  std::string store;
  bool json = false;
};
int command_suppressions(const SuppressionsOptions& options);

}  // namespace tidewaiter::app
