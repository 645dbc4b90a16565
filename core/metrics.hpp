// Counters and gauges by name and labels. Rooms hold references and add per batch; serve/ exports them all.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidewaiter {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Monotonic; relaxed atomics, any thread.
class Counter {
 public:
  void add(std::uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

enum class MetricKind { counter, gauge };

struct MetricSample {
  std::string name, help;
  Labels labels;
  MetricKind kind;
  double value;
};

/// One per process, made in app/ and handed down. counter() and gauge() return the same object for the same
/// name and labels; the reference lives as long as the registry. Names are Prometheus names with unit last.
class Metrics {
 public:
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  std::vector<MetricSample> samples() const;

 private:
  struct Entry {
    std::string name, help;
    Labels labels;
    MetricKind kind;
    Counter counter;
    Gauge gauge;
  };
  Entry& entry(std::string_view name, std::string_view help, Labels labels, MetricKind kind);
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
};

}  // namespace tidewaiter
