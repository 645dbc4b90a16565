// `tidewaiter replay`: runs detection over the stored log again and compares every alert body with the stored one.
#pragma once

#include <optional>
#include <string>

#include "detect/engine.hpp"

namespace tidewaiter::app {

/// The settings of detection that a replay needs, kept in the store under the cursor "detect_config".
inline constexpr const char* detect_config_cursor = "detect_config";
std::string encode_detect_config(const detect::EngineConfig& config);
Result<detect::EngineConfig> decode_detect_config(std::string_view text);

struct ReplayOptions {
  std::string store;
  bool from_snapshot = false;  // begin at a kept snapshot, near the middle of the log if one is there
  bool json = false;
};

/// Exit status: 0 all alerts equal, 1 a difference (the first one is shown), 3 the store cannot be read.
int command_replay(const ReplayOptions& options);

}  // namespace tidewaiter::app
