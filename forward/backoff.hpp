// Back-off: how long to wait before the next attempt. Pure; the random numbers come from a seed.
// Full jitter after "Exponential Backoff And Jitter" (M. Brooker, AWS Architecture Blog, 2015).
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>

namespace tidewaiter::forward {

struct BackoffOptions {
  std::int64_t base_ns = 500'000'000;            // first delay is uniform in [0, base]
  std::int64_t cap_ns = 300'000'000'000;         // 5 min
  std::int64_t retry_after_max_ns = 3'600'000'000'000;  // an absurd Retry-After cannot stop delivery for ever
};

class Backoff {
 public:
  Backoff(BackoffOptions options, std::uint64_t seed) : options_(options), random_(seed) {}

  /// Delay before the next attempt; each call counts one failure. A wish of the receiver is a lower bound.
  std::int64_t next_delay_ns(std::int64_t retry_after_ns);
  void reset() { failures_ = 0; }
  std::uint32_t failures() const { return failures_; }
  /// Uniform in [low, high].
  std::int64_t uniform(std::int64_t low, std::int64_t high);

 private:
  BackoffOptions options_;
  std::mt19937_64 random_;
  std::uint32_t failures_ = 0;
};

/// The value of a Retry-After header (RFC 9110 section 10.2.3): seconds, or an HTTP date in any of its three forms.
/// Nothing when it is neither; 0 when the date has passed.
std::optional<std::int64_t> parse_retry_after(std::string_view value, std::int64_t now_ns);

}  // namespace tidewaiter::forward
