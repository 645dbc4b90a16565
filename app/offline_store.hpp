// A store that no service owns, opened to write a little: remap, verdicts and suppressions.
#pragma once

#include <memory>
#include <string>

#include "app/config.hpp"
#include "store/log.hpp"

namespace tidewaiter::app {

/// The log of an existing store with the logs that it has; none is added. `config` gives signing key, head file and limits.
/// Errors: those of Log::open; invalid_argument (its heads are signed, and the configuration has no key).
Result<std::unique_ptr<store::Log>> open_offline(const Config& config, Metrics& metrics);

}  // namespace tidewaiter::app
