// The alerts of burst and sequence.
#include <cmath>

#include "detect/explain.hpp"

namespace tidewaiter::detect {
Alert burst_alert(const Surge::Finding& finding, const Seen& seen) {
  constexpr std::string_view rules[Surge::kinds] = {"burst.principal", "burst.action", "burst.app", "burst.fan_out"};
  const Event& event = *seen.event;
  Alert alert;
  alert.about(seen);
  alert.detector = Detector::burst;
  alert.rule = rules[static_cast<std::size_t>(finding.kind)];
  alert.severity = severity_of(alert.risk_tier);
  const bool app = finding.kind == Surge::Kind::app;
  if (app) {
    alert.entity_type = "app";
    alert.entity = alert.app;
    alert.principal.clear();
  }
  if (finding.kind != Surge::Kind::fan_out) {
    alert.dst_host.clear();  // one of many
    alert.dst_category.clear();
  }
  alert.window_start_ns = event.time_ns() - static_cast<std::int64_t>(finding.window_min * 60e9);
  alert.bar_per_day = finding.bar_per_day;
  const std::string who = app ? "app " + alert.app : who_did(event);
  const std::string action(enums::action.word(event.get(Num::action)));
  const std::string what = finding.kind == Surge::Kind::fan_out  ? " new destinations a minute"
                           : finding.kind == Surge::Kind::action ? ' ' + action + " actions a minute"
                                                                 : " actions a minute";
  alert.title = who + (finding.kind == Surge::Kind::fan_out ? " reached " : " did ") + format_rate(finding.observed) + what +
                " in " + format_rate(finding.window_min) + " minutes; " + format_rate(finding.expected) +
                " are expected of it now, 99 % below " + format_rate(finding.upper);
  Explanation& explanation = alert.explanation;
  explanation.number("observed", finding.observed);
  explanation.number("expected", finding.expected);
  explanation.range("interval", 0, finding.upper);
  explanation.text("unit", finding.kind == Surge::Kind::fan_out ? "new destinations per minute" : "actions per minute");
  explanation.text("time_scale", format_rate(finding.window_min) + " minutes");
  explanation.number("usual", finding.usual);
  explanation.number("not_an_alert_below", finding.not_below);
  explanation.number("baseline_events", finding.baseline_events);
  explanation.number("baseline_windows", finding.baseline_blocks);
  add_baseline_age(alert, finding.first_ns, event.time_ns());
  add_statistics(alert, finding.p_value, finding.rate_per_day, finding.score, finding.calibration);
  explanation.number("season_factor", finding.season);
  if (finding.shock > 1.01) explanation.number("shared_by_role_factor", finding.shock);
  if (finding.kind == Surge::Kind::action) explanation.text("action", action);
  return alert;
}

Alert sequence_alert(const Chain::Finding& finding, const Seen& seen) {
  const Event& event = *seen.event;
  Alert alert;
  alert.about(seen);
  alert.detector = Detector::sequence;
  // Which of the two made the last step rare; a chain of smaller surprises goes by its actions.
  const bool by_resource = finding.resource_nats > finding.action_nats;
  alert.rule = by_resource ? "sequence.resource" : "sequence.chain";
  alert.severity = severity_of(alert.risk_tier);
  alert.window_start_ns = finding.run_start_ns;
  alert.bar_per_day = finding.bar_per_day;
  const std::string action(enums::action.word(event.get(Num::action)));
  const std::string resource(event.get(Str::resource));
  std::string before;
  for (std::size_t i = finding.before_known; i-- > 0;)
    before += std::string(enums::action.word(finding.before[i])) + (i > 0 ? ", " : "");
  alert.title = who_did(event) + " did " + action +
                (resource.empty() ? "" : " on " + resource) + (before.empty() ? "" : " after " + before) +
                (by_resource ? "; its role hardly ever does that to it" : "; its role hardly ever does that then") + ", and this run of " +
                std::to_string(finding.run_events) + " actions is " + format_rate(finding.score / finding.not_below) +
                " times as unusual as alerts begin at";
  Explanation& explanation = alert.explanation;
  explanation.number("observed", finding.score);
  explanation.number("expected", 0);
  explanation.range("interval", 0, finding.not_below);
  explanation.text("unit", "nats of surprise above the usual");
  explanation.text("time_scale", format_span(event.time_ns() - finding.run_start_ns));
  explanation.number("not_an_alert_below", finding.not_below);
  explanation.text("action", action);
  if (!resource.empty()) explanation.text("resource", resource);
  if (!before.empty()) explanation.text("after", before);
  explanation.number("action_nats", finding.action_nats);
  explanation.number("resource_nats", finding.resource_nats);
  explanation.number("usual_nats", finding.usual_nats);
  explanation.count("run_events", finding.run_events);
  explanation.number("baseline_events", finding.baseline_events);
  add_baseline_age(alert, finding.first_ns, event.time_ns());
  add_statistics(alert, finding.p_value, finding.rate_per_day, finding.score, finding.calibration);
  return alert;
}

}  // namespace tidewaiter::detect
