#include "detect/receipts.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/text.hpp"
#include "detect/hash.hpp"
#include "detect/periods.hpp"

namespace tidewaiter::detect {
namespace {

constexpr int settings_version = 4;  // goes up when the same settings judge in another way

void append_name(std::string& list, std::string_view name) {
  if (!list.empty()) list += ", ";
  list += name;
}

std::string hash_of(const EngineConfig& config, std::string_view detectors) {
  std::string text(detectors);
  const auto add = [&](auto value) { text += ' ' + std::to_string(value); };
  add(settings_version);
  add(config.memory_bytes);
  add(config.out_of_order_ns);
  add(config.approval_grace_ns);
  add(config.attestation_grace_ns);
  add(config.budget.per_day);
  add(config.budget.per_tenant_and_day);
  for (const std::uint32_t alerts : config.budget.per_severity_and_day) add(alerts);
  for (const double value : {config.false_alerts_per_day, config.volume_min_bytes}) add(std::bit_cast<std::uint64_t>(value));
  for (const AblationSwitch& part : ablation_switches)
    if (!(config.parts.*part.on)) text += ' ' + std::string(part.name);
  std::string bytes;
  for (Key hash = hash_name(text), i = 0; i < sizeof hash; ++i) bytes += static_cast<char>(hash >> (56 - 8 * i));
  return to_hex(bytes);
}

}  // namespace

Receipts::Receipts(const EngineConfig& config) {
  is_on_[static_cast<std::size_t>(Detector::policy)] = true;
  append_name(on_, detector_name(Detector::policy));
  for (const DetectorSwitch& detector : detector_switches) {
    append_name(config.*detector.on ? on_ : off_, detector.name);
    for (std::size_t i = 0; i < detector_count; ++i)
      if (detector_name(static_cast<Detector>(i)) == detector.name) is_on_[i] = config.*detector.on;
  }
  settings_hash_ = hash_of(config, on_);
}

std::optional<Note> Receipts::close(std::int64_t watermark_ns, const Totals& totals, std::string_view policy_hash) {
  const std::int64_t today = day_of(watermark_ns) * day_ns;
  next_ns_ = today + day_ns;
  if (start_ns_ == none || totals.events == 0) start_ns_ = today;
  if (start_ns_ == today || totals.events == told_.events) return std::nullopt;  // the next one covers it
  const std::int64_t start = std::exchange(start_ns_, today);
  const Totals before = std::exchange(told_, totals);
  const std::uint64_t events = totals.events - before.events;
  const std::uint64_t late = totals.late_events - before.late_events;
  const std::uint64_t unscored = totals.unscored_events - before.unscored_events;
  Note note;
  note.kind = "detection_receipt";
  note.rule = "detection.receipt";
  note.entity_type = "engine";
  note.entity = "detection";
  note.window_start_ns = start;
  note.window_end_ns = start_ns_;
  note.title = std::to_string(events) + " events judged, " + std::to_string(late) + " of them late and judged by policy only";
  if (unscored > 0) note.title += ", " + std::to_string(unscored) + " left out by sampling";
  note.explanation.count("first_commit", std::max<std::uint64_t>(before.commit, 1));
  note.explanation.count("last_commit", totals.commit);
  note.explanation.count("events", events);
  note.explanation.count("late_events", late);
  note.explanation.count("unscored_events", unscored);
  note.explanation.count("held_back", totals.held_back - before.held_back);
  note.explanation.count("evictions", totals.evictions - before.evictions);
  note.explanation.count("windows_closed_early", totals.closed_early - before.closed_early);
  note.explanation.text("detectors", on_);
  if (!off_.empty()) note.explanation.text("detectors_off", off_);
  for (std::size_t i = 0; i < detector_count; ++i)
    if (is_on_[i])
      note.explanation.count("alerts_" + std::string(detector_name(static_cast<Detector>(i))),
                             totals.alerts[i] - before.alerts[i]);
  note.explanation.text("settings", settings_hash_);
  if (!policy_hash.empty()) note.explanation.text("policy", policy_hash);
  return note;
}

void Receipts::save(SnapshotWriter& out) const {
  out.put(start_ns_);
  out.put(next_ns_);
  out.put(told_);
}

void Receipts::load(SnapshotReader& in) {
  start_ns_ = in.get<std::int64_t>();
  next_ns_ = in.get<std::int64_t>();
  told_ = in.get<Totals>();
}

Alert gap_alert(std::uint64_t from, std::uint64_t to, std::int64_t time_ns) {
  Alert alert;
  alert.detector = Detector::silence;
  alert.rule = "detection.gap";
  alert.severity = Severity::high;
  alert.entity_type = "engine";
  alert.entity = "detection";
  alert.title = from == to ? "commit " + std::to_string(from) + " never came to detection: what it holds was not judged"
                           : "commits " + std::to_string(from) + " to " + std::to_string(to) +
                                 " never came to detection: what they hold was not judged";
  alert.time_ns = alert.window_start_ns = alert.window_end_ns = time_ns;
  alert.explanation.count("first_commit", from);
  alert.explanation.count("last_commit", to);
  return alert;
}

}  // namespace tidewaiter::detect
