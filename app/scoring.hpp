// Scoring: holds the alerts of a run against the published list of injected incidents. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/generator.hpp"
#include "core/result.hpp"

namespace tidewaiter::app {

/// What scoring and comparing need of an alert body.
struct AlertFacts {
  std::string uid, detector, rule, severity, title;
  std::string entity_type, entity, tenant;  // whom it is about
  std::vector<std::string> entities;  // everything it names: principal, app, destination, observer
  std::int64_t start_ns = 0, end_ns = 0, time_ns = 0;  // window and the event time of the verdict
};

/// Nothing for bodies that are no alert (digests, used exceptions). Error: corruption.
Result<std::optional<AlertFacts>> read_alert(std::string_view body);

struct IncidentScore {
  const Incident* incident = nullptr;
  bool found = false;
  std::int64_t time_to_detect_ns = 0;  // event time from its first event to the first alert that concerns it
  std::string found_by;                // detectors, comma-separated
};

struct Score {
  std::vector<IncidentScore> incidents;
  std::vector<AlertFacts> false_alerts;  // concern no injected incident
  std::uint64_t alerts = 0;
};

/// An alert concerns an incident when it names one of its entities and its window overlaps it; `grace_ns` is how long
/// after its end a consequence may still be alerted (a window that closes, a cap of a day).
Score score(const std::vector<Incident>& truth, const std::vector<AlertFacts>& alerts, std::int64_t grace_ns);

}  // namespace tidewaiter::app
