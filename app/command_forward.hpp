// The commands about connectors: list them, try one, send a range again. Exit codes as of app/command_store.hpp;
// test-connector answers 1 when the receiver cannot be reached or refuses.
#pragma once

#include <string>

namespace tidewaiter::app {

struct ConnectorsOptions {
  std::string config = "tidewaiter.yaml";
  bool json = false;
};
int command_connectors(const ConnectorsOptions& options);

struct TestConnectorOptions {
  std::string config = "tidewaiter.yaml";
  std::string name;
};
int command_test_connector(const TestConnectorOptions& options);

struct RedeliverOptions {
  std::string config = "tidewaiter.yaml";
  std::string name;
  std::string from, to;  // commit numbers, or times of the commits (RFC 3339)
  bool json = false;
};
int command_redeliver(const RedeliverOptions& options);

}  // namespace tidewaiter::app
