#include "core/log_line.hpp"

#include <atomic>
#include <cstdio>
#include <mutex>

#include "core/clock.hpp"
#include "core/text.hpp"

namespace tidewaiter {
namespace {
std::atomic<Level> threshold{Level::info};
constexpr std::string_view level_words[] = {"debug", "info", "warn", "error"};
}  // namespace

void set_log_level(Level level) { threshold.store(level); }

bool set_log_level(std::string_view word) {
  for (std::size_t i = 0; i < std::size(level_words); ++i)
    if (level_words[i] == word) {
      set_log_level(static_cast<Level>(i));
      return true;
    }
  return false;
}

void log_line(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  std::string line = "{\"time\":\"" + format_rfc3339(SystemClock().now_ns() / 1'000'000 * 1'000'000) +
                     "\",\"level\":\"" + std::string(level_words[static_cast<int>(level)]) + "\",\"message\":";
  append_json_string(line, message);
  for (const auto& [name, value] : fields) {
    line += ',';
    append_json_string(line, name);
    line += ':';
    append_json_string(line, value);
  }
  line += "}\n";
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace tidewaiter
