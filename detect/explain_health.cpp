// The alerts of health.
#include <cmath>

#include "detect/explain.hpp"

namespace tidewaiter::detect {
namespace {

std::string per_cent(double share) { return format_rate(100 * share) + " %"; }
std::string whole(double count) { return std::to_string(std::llround(count)); }

std::string span_of(double minutes) { return whole(minutes) + " minutes"; }

/// "in the last 22 minutes": weights fall with age, so numbers are those of a window that is worth as much.
std::string errors_title(const Health::Finding& of, const std::string& who) {
  return who + " fails " + per_cent(of.observed) + " of its operations (" + whole(of.observed * of.operations) + " of " +
         whole(of.operations) + " in " + span_of(of.window_min) + "); it fails " + per_cent(of.usual) + " usually, " +
         (of.shock > 1.01 ? per_cent(of.expected) + " are expected of it now, " : "") + "99 % below " + per_cent(of.upper);
}

std::string latency_title(const Health::Finding& of, const std::string& who) {
  return who + " takes " + format_rate(of.observed) + " ms for an operation (the mean of " + whole(of.operations) + " in " +
         span_of(of.window_min) + "); it takes " + format_rate(of.usual) + " ms usually, " +
         (of.shock > 1.01 ? format_rate(of.expected) + " ms are expected of it now, " : "") + "99 % below " +
         format_rate(of.upper) + " ms";
}

}  // namespace

Alert health_alert(const Health::Finding& finding, const Seen& seen) {
  const Event& event = *seen.event;
  const bool of_errors = finding.kind == Health::Kind::errors;
  Alert alert;
  alert.about(seen);
  alert.detector = Detector::health;
  alert.rule = of_errors ? "health.errors" : "health.latency";
  alert.severity = severity_of(alert.risk_tier);
  alert.entity_type = "app";
  alert.entity = alert.app;
  alert.principal.clear();  // one of many
  alert.dst_host.clear();
  alert.dst_category.clear();
  alert.window_start_ns = event.time_ns() - static_cast<std::int64_t>(finding.window_min * 60e9);
  alert.bar_per_day = finding.bar_per_day;
  const std::string who = "app " + alert.app;
  alert.title = of_errors ? errors_title(finding, who) : latency_title(finding, who);
  Explanation& explanation = alert.explanation;
  explanation.number("observed", finding.observed);
  explanation.number("expected", finding.expected);
  explanation.range("interval", 0, finding.upper);
  explanation.text("unit", of_errors ? "share of operations that failed" : "ms per operation, geometric mean");
  explanation.text("time_scale", span_of(finding.window_min));
  explanation.number("operations", finding.operations);
  explanation.number("usual", finding.usual);
  explanation.number("not_an_alert_below", finding.not_below);
  explanation.number("baseline_events", finding.baseline_events);
  explanation.number("baseline_windows", finding.baseline_blocks);
  add_baseline_age(alert, finding.first_ns, event.time_ns());
  add_statistics(alert, finding.p_value, finding.rate_per_day, finding.score, finding.calibration);
  explanation.number("dispersion", finding.dispersion);
  if (!of_errors) explanation.number("spread_of_logs", finding.spread);
  if (finding.shock > 1.01) explanation.number("shared_by_others_factor", finding.shock);
  return alert;
}

}  // namespace tidewaiter::detect
