#include "detect/explain.hpp"

#include <cmath>

#include "core/text.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::string_view scale_words[scales] = {"5 minutes", "an hour", "a day"};
constexpr std::string_view volume_rules[series_kinds] = {"volume.destination", "volume.principal", "volume.app"};

std::string count_text(double count) { return std::to_string(static_cast<std::uint64_t>(std::llround(count))); }

std::string nobody_before(const Flow::Verdict& verdict) {
  if (verdict.level == "nobody") return "where nobody in the company ever sent anything";
  if (verdict.level == "company") return "where nobody of its tenant ever sent anything";
  if (verdict.level == "tenant") return "where nobody of its role ever sent anything";
  return "which is most unusual for it";
}

std::string flow_title(const Flow::Verdict& verdict, const Event& event) {
  const std::string who = format_principal(enums::principal_type.word(event.get(Num::principal_type)),
                                           event.get(Str::principal));
  const std::string where = destination_of(event);
  const std::string classes = format_classes(verdict.data_class == 0 ? event.get(Num::data_classes)
                                                                     : std::uint64_t{1} << verdict.data_class);
  const std::string what = classes.empty() ? "" : classes + " data ";
  const std::string history = "; in " + count_text(verdict.principal_events) + " events before it used " +
                              count_text(verdict.symbols_known) + " ";
  if (verdict.rule == "flow.data_class")
    return who + " sent " + what + "to " + where + "; neither it nor " +
           (verdict.level == "nobody" ? "anybody in the company" : verdict.level == "role" ? "most of its role" : "its role") +
           " handled " + classes + " data before" + history + "data classes";
  if (verdict.rule == "flow.class_destination")
    return who + " sent " + what + "to " + where + ", which it knows, but never for such data" + history +
           "destinations for it";
  return who + " sent " + what + "to " + where + ", " + nobody_before(verdict) + history + "destinations";
}

}  // namespace

Severity severity_of(std::uint64_t risk_tier) {
  return risk_tier >= static_cast<std::uint64_t>(RiskTier::high) ? Severity::high : Severity::medium;
}

void add_statistics(Alert& alert, double p_value, double rate_per_day, double score, const CalibrationState& calibration) {
  alert.p_value = p_value;
  alert.rate_per_day = rate_per_day;
  alert.score_nats = score;
  Explanation& explanation = alert.explanation;
  explanation.number("p_value", p_value);
  explanation.number("expected_per_day", rate_per_day);
  explanation.number("score_nats", score);
  if (calibration.level > 0)
    explanation.calibration(calibration.tail_class, calibration.level, calibration.seen, calibration.expected, calibration.factor);
}

void add_baseline_age(Alert& alert, std::int64_t since_ns, std::int64_t now_ns) {
  alert.explanation.text("baseline_age", format_span(now_ns - since_ns));
  alert.explanation.time("baseline_since", since_ns);
}

std::string who_did(const Event& event) {
  if (!event.has(Str::principal)) return "app " + std::string(event.get(Str::app));
  return format_principal(enums::principal_type.word(event.get(Num::principal_type)), event.get(Str::principal));
}

std::string format_rate(double value) {
  if (value >= 10) return std::to_string(std::llround(value));
  if (value > 0 && value < 0.005) return "less than 0.01";
  const double places = value >= 1 ? 10 : 100;
  return format_number(std::round(value * places) / places);
}

Alert flow_alert(const Flow::Verdict& verdict, const Seen& seen) {
  const Event& event = *seen.event;
  Alert alert;
  alert.about(seen);
  alert.detector = Detector::flow;
  alert.rule = verdict.rule;
  alert.severity = severity_of(event.get(Num::risk_tier));
  alert.title = flow_title(verdict, event);
  Explanation& explanation = alert.explanation;
  const bool by_class = verdict.rule == "flow.data_class";
  const std::string observed = by_class ? std::string(enums::data_class.word(verdict.data_class)) : alert.dst_host;
  explanation.text("observed", observed);
  explanation.text("expected", (by_class ? "one of the " : "one of ") + count_text(verdict.symbols_known) +
                                   (by_class ? " data classes it used before" : " destinations it used before"));
  explanation.text("time_scale", "one event");
  explanation.number("baseline_events", verdict.principal_events);
  add_baseline_age(alert, verdict.context_first_ns, event.time_ns());
  alert.bar_per_day = verdict.bar_per_day;
  add_statistics(alert, verdict.p_value, verdict.rate_per_day, verdict.score, verdict.calibration);
  explanation.text("known_to", verdict.level);
  explanation.count("peers_using", static_cast<std::uint64_t>(std::llround(verdict.peers_using)));
  explanation.count("peers", static_cast<std::uint64_t>(std::llround(verdict.peers)));
  if (verdict.edge_known) {
    explanation.time("edge_first_seen", verdict.edge_first_ns);
  } else {
    explanation.text("edge_first_seen", "now");
  }
  return alert;
}

Key volume_entity(const Volume::Finding& finding) {
  return finding.window.kind == SeriesKind::app ? finding.window.app : finding.window.principal;
}

std::string_view volume_rule(const Volume::Finding& finding) {
  return finding.stretch ? "volume.stretch" : finding.ramp ? "volume.ramp" : volume_rules[static_cast<std::size_t>(finding.window.kind)];
}

Alert volume_alert(const Volume::Finding& finding, const Names& names) {
  const Window& window = finding.window;
  Alert alert;
  alert.detector = Detector::volume;
  alert.rule = volume_rule(finding);
  alert.severity = severity_of(window.risk_tier);
  alert.tenant = names.of(window.tenant);
  if (window.app != 0) alert.app = names.of(window.app);
  if (window.destination != 0) alert.dst_host = names.of(window.destination);
  if (window.category != 0) alert.dst_category = names.of(window.category);
  const bool app = window.kind == SeriesKind::app;
  if (!app) alert.principal = names.of(window.principal);
  alert.entity_type = app ? "app" : "principal";
  alert.entity = app ? alert.app : alert.principal;
  alert.data_classes = window.data_classes;
  alert.risk_tier = window.risk_tier;
  alert.window_start_ns = window.start_s * second_ns;
  alert.window_end_ns = alert.time_ns = window.end_s() * second_ns;
  if (finding.ramp) alert.known_for_ns *= 7;  // a day more of what weeks say is no news
  for (const EvidenceRef& evidence : window.top)
    if (evidence.used != 0) alert.evidence.push_back(evidence);

  const double observed = static_cast<double>(window.net_bytes());
  const std::string_view span = scale_words[window.scale];
  const std::string classes = format_classes(window.data_classes);
  const std::string who = app ? "app " + alert.app
                              : format_principal(enums::principal_type.word(window.principal_type), alert.principal);
  const bool new_edge = finding.from_pool;
  alert.title = who + " sent " + format_bytes(observed) + (classes.empty() ? "" : " of " + classes + " data") +
                (alert.dst_host.empty() ? " out" : " to " + alert.dst_host) + " in " + std::string(span) +
                (finding.ramp      ? ", one of several days that together are too much"
                 : finding.stretch ? ", " + std::to_string(window.high_windows) + " times more than usual within 5 minutes"
                                   : "") +
                "; it sends " +
                format_bytes(finding.expected) + " in such a time" +
                (alert.dst_host.empty() ? "" : new_edge ? " to its other destinations" : " there") + ", 99 % below " +
                format_bytes(finding.upper);
  Explanation& explanation = alert.explanation;
  explanation.number("observed", observed);
  explanation.number("expected", finding.expected);
  explanation.range("interval", 0, finding.upper);
  explanation.text("unit", "bytes");
  explanation.text("time_scale", span);
  explanation.number("largest_before", finding.largest_before);
  explanation.number("not_an_alert_below", finding.not_below);
  explanation.number("baseline_windows", finding.windows_seen);
  add_baseline_age(alert, finding.first_s * second_ns, window.start_s * second_ns);
  alert.bar_per_day = finding.bar_per_day;
  add_statistics(alert, finding.p_value, finding.rate_per_day, finding.score, finding.calibration);
  explanation.text("parent", new_edge ? "the principal's other destinations" : "none");
  explanation.count("events", window.events);
  if (finding.stretch || finding.high_score > 0) explanation.count("high_windows_of_5_min", window.high_windows);
  if (finding.high_score > 0) {
    explanation.number("high_windows_nats", finding.high_nats);
    explanation.number("high_windows_nats_expected", finding.high_expected);
    explanation.number("high_windows_score", finding.high_score);
  }
  if (window.explained > 0) explanation.count("bytes_alerted_elsewhere", window.explained);
  if (finding.shock > 1.01) explanation.number("shared_by_role_factor", finding.shock);
  return alert;
}

Alert silence_alert(const Silence::Finding& finding) {
  Alert alert;
  alert.detector = Detector::silence;
  alert.rule = "silence." + finding.type;
  alert.severity = Severity::high;
  alert.entity_type = finding.type;
  alert.entity = finding.name;
  alert.tenant = finding.tenant;
  if (finding.type == "app") alert.app = finding.name;
  alert.window_start_ns = finding.last_ns;
  alert.window_end_ns = alert.time_ns = finding.now_ns;
  if (finding.last.used != 0) alert.evidence.push_back(finding.last);
  const std::string gap = format_span(finding.now_ns - finding.last_ns);
  alert.title = (finding.sources > 1
                     ? std::to_string(finding.sources) + " sources have been silent together, " + finding.type + " first,"
                     : finding.type + ' ' + finding.name + " has been silent") +
                " for " + gap + "; at this time of the week " + count_text(finding.expected) +
                " events come in such a time, and its longest silence was " + format_span(finding.longest_gap_ns);
  Explanation& explanation = alert.explanation;
  explanation.count("observed", 0);
  explanation.number("expected", finding.expected);
  explanation.text("unit", "events");
  explanation.text("time_scale", gap);
  explanation.text("longest_gap_before", format_span(finding.longest_gap_ns));
  explanation.number("p_value", finding.p_value);
  explanation.count("baseline_events", finding.events);
  add_baseline_age(alert, finding.first_ns, finding.last_ns);
  explanation.time("last_seen", finding.last_ns);
  if (finding.sources > 1) explanation.count("sources", finding.sources);
  return alert;
}

}  // namespace tidewaiter::detect
