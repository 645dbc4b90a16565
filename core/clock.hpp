// Wall clock, real or simulated. Read per batch, never per event. All times are ns since 1970, UTC.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tidewaiter {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ns() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::int64_t now_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start_ns = 0) : now_(start_ns) {}
  std::int64_t now_ns() const override { return now_.load(); }
  void set(std::int64_t now_ns) { now_.store(now_ns); }
  void advance(std::int64_t by_ns) { now_.fetch_add(by_ns); }

 private:
  std::atomic<std::int64_t> now_;
};

}  // namespace tidewaiter
