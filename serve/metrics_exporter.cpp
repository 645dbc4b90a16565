#include "serve/metrics_exporter.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <vector>

namespace tidewaiter::serve {

namespace {

/// The serializer escapes label values and leaves help texts as they are.
std::string escaped(const std::string& help) {
  std::string out;
  for (const char c : help) {
    if (c == '\n') out += "\\n";
    else if (c == '\\') out += "\\\\";
    else out += c;
  }
  return out;
}

prometheus::ClientMetric client_metric(const MetricSample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  if (sample.kind == MetricKind::counter)
    metric.counter.value = sample.value;
  else
    metric.gauge.value = sample.value;
  return metric;
}

}  // namespace

std::string metrics_text(const Metrics& metrics) {
  std::map<std::string, prometheus::MetricFamily> by_name;
  for (const MetricSample& sample : metrics.samples()) {
    prometheus::MetricFamily& family = by_name[sample.name];
    if (family.name.empty()) {
      family.name = sample.name;
      family.help = escaped(sample.help);
      family.type = sample.kind == MetricKind::counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    }
    family.metric.push_back(client_metric(sample));
  }
  std::vector<prometheus::MetricFamily> families;
  families.reserve(by_name.size());
  for (auto& [name, family] : by_name) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tidewaiter::serve
