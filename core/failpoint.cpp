#include "core/failpoint.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "core/log_line.hpp"

namespace tidewaiter {

bool failpoint_armed = false;

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Failpoint::count)> names = {
    "commit-before-sync",
    "commit-after-sync",
    "kafka-before-commit",
    "kafka-after-commit",
    "alerts-before-handover",
    "cursor-before-move",
    "cursor-after-move",
    "snapshot-before-write",
    "snapshot-after-write",
    "pack-before-write",
    "pack-after-write",
    "seal-before-write",
    "seal-after-write",
    "checkpoint-before-coverage",
    "checkpoint-before-sign",
    "checkpoint-before-store",
    "checkpoint-after-store",
    "head-file-before-rename",
    "head-file-after-rename",
    "head-file-outside",
    "checkpoint-after-files",
};

Failpoint armed_place = Failpoint::count;
std::int64_t sleep_ms = -1;  // -1: the process dies
std::atomic<std::int64_t> passes_left{0};

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t colon; (colon = text.find(':')) != std::string_view::npos; text.remove_prefix(colon + 1))
    parts.push_back(text.substr(0, colon));
  parts.push_back(text);
  return parts;
}

bool read_number(std::string_view text, std::int64_t& number) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end;
}

Error refusal(std::string_view text) {
  std::string known;
  for (const std::string_view name : names) known.append(known.empty() ? "" : ", ").append(name);
  return fail(Code::invalid_argument, "TIDEWAITER_FAILPOINT=" + std::string(text) +
                                          ": expected NAME:NTH:kill or NAME:NTH:sleep:MS with NTH from 1, where NAME is "
                                          "one of: " + known);
}

}  // namespace

Result<void> arm_failpoint(std::string_view text) {
  const std::vector<std::string_view> parts = split(text);
  const auto named = std::find(names.begin(), names.end(), parts[0]);
  std::int64_t nth = 0, ms = -1;
  const bool known = named != names.end() && parts.size() >= 3 && read_number(parts[1], nth) && nth >= 1;
  const bool dies = known && parts.size() == 3 && parts[2] == "kill";
  const bool waits = known && parts.size() == 4 && parts[2] == "sleep" && read_number(parts[3], ms) && ms >= 0;
  if (!dies && !waits) return refusal(text);
  armed_place = static_cast<Failpoint>(named - names.begin());
  sleep_ms = waits ? ms : -1;
  passes_left.store(nth);
  failpoint_armed = true;
  log_line(Level::warn, "a failpoint is armed: this process will disturb itself", {{"failpoint", std::string(text)}});
  return {};
}

void pass_armed_failpoint(Failpoint place) {
  if (place != armed_place || passes_left.fetch_sub(1) != 1) return;
  if (sleep_ms >= 0) return std::this_thread::sleep_for(std::chrono::milliseconds(sleep_ms));
  ::kill(::getpid(), SIGKILL);
  while (true) ::pause();
}

}  // namespace tidewaiter
