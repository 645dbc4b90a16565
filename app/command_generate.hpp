// `tidewaiter generate`: the generator as a command, to stdout as NDJSON or into Kafka, so that a user can load-test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tidewaiter::app {

struct GenerateOptions {
  std::string company = "demo";
  std::uint64_t events = 0, seed = 1;  // events and days: 0 = as the company has them
  std::uint32_t days = 0;
  std::string start;                // first day, "2025-09-01"; "" = that one, a Monday
  std::string truth;                // file for the list of incidents; "" = none
  std::string brokers;              // "" = NDJSON to stdout
  std::vector<std::string> topics;  // NAME or NAME:PARTITIONS; messages go to a topic by their key
  std::vector<std::string> settings;  // NAME=VALUE of librdkafka
  double malformed = 0;             // share of broken messages
  double rate = 0;                  // events per second; 0 = as fast as it goes
  bool quiet = false;
};

/// Exit codes as of app/command_store.hpp.
int command_generate(const GenerateOptions& options);

/// Declares the command; `code` receives its exit status.
void add_generate_command(CLI::App& cli, int& code);

}  // namespace tidewaiter::app
