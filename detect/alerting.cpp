#include "detect/alerting.hpp"

#include <algorithm>
#include <iterator>

#include "detect/periods.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::size_t seen_max = 1 << 16;   // pairs remembered for de-duplication
constexpr std::size_t held_evidence_max = 20;  // events and sentences that a digest names
constexpr std::size_t used_max = 1 << 12;   // exceptions waiting for the end of their hour

Key class_key(Detector detector, std::string_view alert_class, Key entity) {
  return combine(combine(hash_name(alert_class), static_cast<std::uint64_t>(detector)), entity);
}

std::string times(std::uint64_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

}  // namespace

bool Alerting::repeated(Detector detector, std::string_view alert_class, Key entity, std::int64_t time_ns) {
  const std::pair key(period_of(time_ns, hour_ns), class_key(detector, alert_class, entity));
  if (!seen_.contains(key)) return false;
  hold(detector, alert_class, time_ns).repeats += 1;
  return true;
}

void Alerting::emit(const Alert& alert, std::string_view alert_class, Key entity) {
  const std::int64_t hour = period_of(alert.time_ns, hour_ns);
  want_close((hour + 25) * hour_ns);
  seen_.emplace(std::pair(hour, class_key(alert.detector, alert_class, entity)), 0);
  if (seen_.size() > seen_max) seen_.erase(seen_.begin());
  ++emitted_[static_cast<std::size_t>(alert.detector)];
  push(alert_record(alert, watermark_, logs_, receive_ns_));
}

Alerting::Held& Alerting::hold(Detector detector, std::string_view rule, std::int64_t time_ns) {
  const std::int64_t day = period_of(time_ns, day_ns);
  ++suppressed_;
  want_close((day + 1) * day_ns);
  return held_[day][Rule(detector, rule)];
}

Alerting::Held& Alerting::held_of(const Alert& alert) {
  Held& held = hold(alert.detector, detector_name(alert.detector), alert.time_ns);
  if (held.evidence.size() < held_evidence_max && !alert.evidence.empty()) held.evidence.push_back(alert.evidence.front());
  return held;
}

void Alerting::over_budget(const Alert& alert) {
  Held& held = held_of(alert);
  held.over_budget += 1;
  if (held.first_over_budget.size() < held_evidence_max) held.first_over_budget.push_back(alert.title);
  if (!held.rarest.empty() && held.rarest_per_day <= alert.rate_per_day) return;
  held.rarest = alert.title;
  held.rarest_per_day = alert.rate_per_day;
}

void Alerting::held_by_verdicts(const Alert& alert) {
  Held& held = held_of(alert);
  if (held.by_verdicts++ == 0) held.first_by_verdicts = alert.title;
}

void Alerting::exception_used(std::string_view exception, std::string_view rule, std::string_view owner,
                              std::string_view reason, const Seen& seen) {
  const std::int64_t hour = period_of(seen.event->time_ns(), hour_ns);
  ++exceptions_used_;
  if (used_.size() > used_max && !used_.contains(hour)) close((used_.begin()->first + 1) * hour_ns);
  Used& used = used_[hour][{std::string(exception), std::string(rule)}];
  if (used.count++ == 0) {
    used.owner = owner;
    used.reason = reason;
    used.first = seen.evidence();
  }
  want_close((hour + 1) * hour_ns);
}

void Alerting::close(std::int64_t watermark_ns) {
  if (watermark_ns < next_close_ns_) return;
  while (!used_.empty() && (used_.begin()->first + 1) * hour_ns <= watermark_ns) {
    for (const auto& [names, used] : used_.begin()->second)
      write_exception(used_.begin()->first, names.first, names.second, used);
    used_.erase(used_.begin());
  }
  while (!held_.empty() && (held_.begin()->first + 1) * day_ns <= watermark_ns) {
    for (const auto& [rule, held] : held_.begin()->second) write_digest(held_.begin()->first, rule, held);
    held_.erase(held_.begin());
  }
  // An hour's alerts are kept a day longer, for what comes late.
  while (!seen_.empty() && (seen_.begin()->first.first + 25) * hour_ns <= watermark_ns) seen_.erase(seen_.begin());
  next_close_ns_ = std::numeric_limits<std::int64_t>::max();
  if (!used_.empty()) want_close((used_.begin()->first + 1) * hour_ns);
  if (!held_.empty()) want_close((held_.begin()->first + 1) * day_ns);
  if (!seen_.empty()) want_close((seen_.begin()->first.first + 25) * hour_ns);
}

void Alerting::push(OwnRecord record) { out_->push_back(std::move(record)); }

void Alerting::write_digest(std::int64_t day, const Rule& rule, const Held& held) {
  Note note;
  note.kind = "suppressed_digest";
  note.detector = rule.first;
  note.rule = rule.second;
  note.entity_type = rule.first == Detector::policy ? "rule" : "detector";
  note.entity = rule.second;
  note.window_start_ns = day * day_ns;
  note.window_end_ns = (day + 1) * day_ns;
  note.title = rule.second + " held back " + std::to_string(held.repeats + held.over_budget + held.by_verdicts) +
               " alerts this day: " + std::to_string(held.repeats) + " of what was told already, " +
               std::to_string(held.over_budget) + " over the day's budget";
  if (held.by_verdicts > 0) note.title += ", " + std::to_string(held.by_verdicts) + " like others that were called false";
  note.explanation.count("repeats", held.repeats);
  note.explanation.count("over_budget", held.over_budget);
  if (!held.rarest.empty()) {
    note.explanation.texts("first_over_budget", held.first_over_budget);
    note.explanation.text("rarest_over_budget", held.rarest);
    note.explanation.number("rarest_expected_per_day", held.rarest_per_day);
  }
  if (held.by_verdicts > 0) {
    note.explanation.count("by_verdicts", held.by_verdicts);
    note.explanation.text("first_by_verdicts", held.first_by_verdicts);
  }
  note.evidence = held.evidence;
  push(note_record(note, watermark_, logs_, receive_ns_));
}

void Alerting::write_exception(std::int64_t hour, const std::string& exception, const std::string& rule,
                               const Used& used) {
  Note note;
  note.kind = "exception_used";
  note.rule = rule;
  note.entity_type = "exception";
  note.entity = exception;
  note.window_start_ns = hour * hour_ns;
  note.window_end_ns = (hour + 1) * hour_ns;
  note.title = "exception " + exception + " of " + used.owner + " kept rule " + rule + " silent " +
               times(used.count) + " in this hour";
  note.explanation.count("uses", used.count);
  note.explanation.text("owner", used.owner);
  note.explanation.text("reason", used.reason);
  note.evidence.push_back(used.first);
  push(note_record(note, watermark_, logs_, receive_ns_));
}

void Alerting::save(SnapshotWriter& out) const {
  out.put<std::uint64_t>(seen_.size());
  for (const auto& [key, unused] : seen_) {
    out.put(key.first);
    out.put(key.second);
  }
  out.put<std::uint64_t>(held_.size());
  for (const auto& [day, rules] : held_) {
    out.put(day);
    out.put<std::uint64_t>(rules.size());
    for (const auto& [rule, held] : rules) {
      out.put(rule.first);
      out.put_text(rule.second);
      out.put(held.repeats);
      out.put(held.over_budget);
      out.put(held.rarest_per_day);
      out.put_text(held.rarest);
      out.put(held.by_verdicts);
      out.put_text(held.first_by_verdicts);
      out.put<std::uint64_t>(held.first_over_budget.size());
      for (const std::string& title : held.first_over_budget) out.put_text(title);
      out.put<std::uint64_t>(held.evidence.size());
      for (const EvidenceRef& evidence : held.evidence) out.put(evidence);
    }
  }
  out.put<std::uint64_t>(used_.size());
  for (const auto& [hour, names] : used_) {
    out.put(hour);
    out.put<std::uint64_t>(names.size());
    for (const auto& [name, used] : names) {
      out.put_text(name.first);
      out.put_text(name.second);
      out.put(used.count);
      out.put_text(used.owner);
      out.put_text(used.reason);
      out.put(used.first);
    }
  }
  out.put(emitted_);
  out.put(suppressed_);
  out.put(exceptions_used_);
  out.put(next_close_ns_);
}

void Alerting::load(SnapshotReader& in) {
  for (std::uint64_t n = in.get_count(16); n > 0 && in.ok(); --n) {
    const auto hour = in.get<std::int64_t>();
    seen_.emplace(std::pair(hour, in.get<Key>()), 0);
  }
  for (std::uint64_t n = in.get_count(16); n > 0 && in.ok(); --n) {
    auto& rules = held_[in.get<std::int64_t>()];
    for (std::uint64_t m = in.get_count(73); m > 0 && in.ok(); --m) {
      const auto detector = in.get<Detector>();
      Held& held = rules[Rule(detector, in.get_text())];
      held.repeats = in.get<std::uint64_t>();
      held.over_budget = in.get<std::uint64_t>();
      held.rarest_per_day = in.get<double>();
      held.rarest = in.get_text();
      held.by_verdicts = in.get<std::uint64_t>();
      held.first_by_verdicts = in.get_text();
      for (std::uint64_t k = in.get_count(8); k > 0 && in.ok(); --k) held.first_over_budget.push_back(in.get_text());
      for (std::uint64_t k = in.get_count(sizeof(EvidenceRef)); k > 0 && in.ok(); --k)
        held.evidence.push_back(in.get<EvidenceRef>());
    }
  }
  for (std::uint64_t n = in.get_count(16); n > 0 && in.ok(); --n) {
    auto& names = used_[in.get<std::int64_t>()];
    for (std::uint64_t m = in.get_count(72); m > 0 && in.ok(); --m) {
      std::string exception = in.get_text();
      Used& used = names[{std::move(exception), in.get_text()}];
      used.count = in.get<std::uint64_t>();
      used.owner = in.get_text();
      used.reason = in.get_text();
      used.first = in.get<EvidenceRef>();
    }
  }
  emitted_ = in.get<decltype(emitted_)>();
  suppressed_ = in.get<std::uint64_t>();
  exceptions_used_ = in.get<std::uint64_t>();
  next_close_ns_ = in.get<std::int64_t>();
}

}  // namespace tidewaiter::detect
