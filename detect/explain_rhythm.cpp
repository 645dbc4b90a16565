// The alerts of rhythm.
#include <cmath>

#include "core/text.hpp"
#include "detect/explain.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t hour_ns = 3600 * second_ns;
constexpr std::string_view weekdays[] = {"Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"};

std::string clock(std::int64_t time_ns) {
  const std::int64_t hour = time_ns / hour_ns % 24;
  return (hour < 10 ? "0" : "") + std::to_string(hour) + ":00";
}

void add_evidence(Alert& alert, const EvidenceRef& first) {
  if (first.used != 0) alert.evidence.push_back(first);
}

}  // namespace

Alert odd_hours_alert(const OddHours::Finding& finding, const Seen& seen) {
  const Event& event = *seen.event;
  Alert alert;
  alert.about(seen);
  alert.detector = Detector::rhythm;
  alert.rule = "rhythm.odd_hours";
  alert.severity = severity_of(alert.risk_tier);
  alert.window_start_ns = finding.start_ns;
  add_evidence(alert, finding.first);
  const std::int64_t end_ns = finding.start_ns + finding.hours * hour_ns;
  const std::string_view weekday = weekdays[finding.start_ns / (24 * hour_ns) % 7];
  alert.title = who_did(event) + " was active between " + clock(finding.start_ns) + " and " + clock(end_ns) + " UTC on a " +
                std::string(weekday) + ": " + format_rate(finding.observed) + " actions (each that sends nothing counts half); " +
                format_rate(finding.expected) + " are usual for it then, 99 % below " + format_rate(finding.upper) + ", and " +
                format_rate(finding.pace) + " an hour on average";
  Explanation& explanation = alert.explanation;
  explanation.number("observed", finding.observed);
  explanation.number("expected", finding.expected);
  explanation.range("interval", 0, finding.upper);
  explanation.text("unit", "actions; each that sends nothing counts half");
  explanation.text("time_scale", finding.hours == 1 ? "an hour" : "2 hours");
  explanation.text("hour_of_week", std::string(weekday) + ' ' + clock(finding.start_ns) + " UTC");
  explanation.number("not_an_alert_below", finding.not_below);
  explanation.number("baseline_weeks", finding.weeks);
  add_baseline_age(alert, finding.first_ns, event.time_ns());
  alert.bar_per_day = finding.bar_per_day;
  add_statistics(alert, finding.p_value, finding.rate_per_day, finding.score, finding.calibration);
  explanation.text("parent", "the same hour on other days, and the role");
  if (finding.busy_factor > 1.01) explanation.number("busier_than_usual_factor", finding.busy_factor);
  if (finding.role_factor > 1.01) explanation.number("shared_by_role_factor", finding.role_factor);
  return alert;
}

Alert beacon_alert(const Beacon::Finding& finding, const Seen& seen) {
  const Event& event = *seen.event;
  Alert alert;
  alert.about(seen);
  alert.detector = Detector::rhythm;
  alert.rule = "rhythm.beacon";
  alert.severity = severity_of(alert.risk_tier);
  alert.window_start_ns = finding.since_ns;
  alert.lasting = true;  // with each call that comes in time it is rarer
  add_evidence(alert, finding.first);
  const std::string period = format_span(finding.period_ns);
  alert.title = who_did(event) + " calls " + destination_of(event) + " every " + period + ": " + std::to_string(finding.like) +
                " of the last " + std::to_string(finding.gaps) + " gaps between calls of about the same size are within 19 % of that; " +
                std::to_string(std::lround(100 * finding.usual)) + " % are usual there";
  Explanation& explanation = alert.explanation;
  explanation.count("observed", static_cast<std::uint64_t>(finding.like));
  explanation.number("expected", finding.usual * finding.gaps);
  explanation.text("unit", "gaps");
  explanation.text("time_scale", std::to_string(finding.gaps) + " gaps");
  explanation.number("period_seconds", static_cast<double>(finding.period_ns / second_ns));
  explanation.number("not_an_alert_below", finding.not_below);
  explanation.count("baseline_events", finding.events);
  add_baseline_age(alert, finding.first_ns, event.time_ns());
  alert.bar_per_day = finding.bar_per_day;
  add_statistics(alert, finding.p_value, finding.rate_per_day, finding.score, finding.calibration);
  explanation.time("regular_since", finding.since_ns);
  return alert;
}

}  // namespace tidewaiter::detect
