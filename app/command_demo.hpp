// `tidewaiter demo`: the whole main job on this machine. An embedded broker, a generated company with a published list of
// injected incidents, the pipeline, a SIEM receiver and the HTTP endpoint; then a summary, and it stays up for a look.
#pragma once

#include <cstdint>
#include <string>

namespace tidewaiter::app {

struct DemoOptions {
  std::uint64_t seed = 1;
  std::uint64_t events = 300'000;
  std::string store;  // "" = a new temporary directory
  std::string api_address = "127.0.0.1:8470", metrics_address = "127.0.0.1:8471";
  bool exit = false;
};

/// Exit status: 0 everything held; 1 an incident was missed, too many false alerts, something not stored, not
/// acknowledged, not balanced or not verified; 2, 3 as of app/command_store.hpp.
int command_demo(const DemoOptions& options);

}  // namespace tidewaiter::app
