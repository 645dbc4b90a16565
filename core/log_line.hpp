// Structured log lines on stderr: one JSON object a line with time, level, message and fields. Thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace tidewaiter {

enum class Level { debug, info, warn, error };
void set_log_level(Level level);
/// "debug", "info", "warn", "error"; false when it is none of these.
bool set_log_level(std::string_view word);

using Field = std::pair<std::string_view, std::string>;
void log_line(Level level, std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace tidewaiter
