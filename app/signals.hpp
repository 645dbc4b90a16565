// Signals as values: blocked before any thread starts, then waited for on the main thread.
#pragma once

#include <csignal>

#include <chrono>
#include <initializer_list>
#include <optional>

namespace tidewaiter::app {

class Signals {
 public:
  /// Blocks these signals for this thread and all that it starts from now on.
  explicit Signals(std::initializer_list<int> numbers) {
    sigemptyset(&set_);
    for (int number : numbers) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// The next signal, or nothing after `timeout`.
  std::optional<int> wait(std::chrono::milliseconds timeout) {
    const timespec limit{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
    const int number = sigtimedwait(&set_, nullptr, &limit);
    return number > 0 ? std::optional<int>(number) : std::nullopt;
  }

 private:
  sigset_t set_;
};

}  // namespace tidewaiter::app
