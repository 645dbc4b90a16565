#include "core/metrics.hpp"

#include "core/check.hpp"

namespace tidewaiter {

Metrics::Entry& Metrics::entry(std::string_view name, std::string_view help, Labels labels, MetricKind kind) {
  std::lock_guard lock(mutex_);
  for (Entry& e : entries_)
    if (e.name == name && e.labels == labels) {
      CHECK(e.kind == kind);
      return e;
    }
  Entry& e = entries_.emplace_back();
  e.name = name;
  e.help = help;
  e.labels = std::move(labels);
  e.kind = kind;
  return e;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  return entry(name, help, std::move(labels), MetricKind::counter).counter;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  return entry(name, help, std::move(labels), MetricKind::gauge).gauge;
}

std::vector<MetricSample> Metrics::samples() const {
  std::lock_guard lock(mutex_);
  std::vector<MetricSample> out;
  out.reserve(entries_.size());
  for (const Entry& e : entries_)
    out.push_back({e.name, e.help, e.labels, e.kind,
                   e.kind == MetricKind::counter ? static_cast<double>(e.counter.value()) : e.gauge.value()});
  return out;
}

}  // namespace tidewaiter
