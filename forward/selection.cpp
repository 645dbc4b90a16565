#include "forward/selection.hpp"

#include <algorithm>

namespace tidewaiter::forward {
namespace {

Result<std::optional<filter::Filter>> compile_one(std::string_view key, std::string_view text, std::int64_t now_ns) {
  if (text == "off") return std::optional<filter::Filter>();
  auto compiled = filter::Filter::compile(text == "all" ? std::string_view() : text, now_ns);
  if (!compiled) return fail(Code::invalid_argument, std::string(key) + ": " + compiled.error().message);
  return std::optional<filter::Filter>(std::move(*compiled));
}

bool holds_events(RecordKind kind) { return kind == RecordKind::event || kind == RecordKind::unmapped; }

std::string_view log_name(const std::vector<std::string>& names, std::uint16_t log) {
  return log < names.size() ? std::string_view(names[log]) : std::string_view("unknown");
}

}  // namespace

Result<Selection> Selection::compile(std::string_view alerts, std::string_view events, std::int64_t now_ns) {
  Selection selection;
  TRY_ASSIGN(selection.alerts_, compile_one("select_alerts", alerts, now_ns));
  TRY_ASSIGN(selection.events_, compile_one("select_events", events, now_ns));
  return selection;
}

bool Selection::wants_alert(const Commit& commit, const Record& record) const {
  if (!alerts_ || record.kind != RecordKind::alert) return false;
  if (alerts_->matches_everything()) return true;
  return record.event_count > 0 && alerts_->matches(commit.events[record.first_event]);
}

bool Selection::take(const Commit& commit, const std::vector<std::string>& log_names, bool with_head,
                     const Sampling& sampling, Place& from, std::size_t items_max, std::vector<Envelope>& out,
                     std::deque<LeftOut>& left_out) const {
  std::size_t taken = 0;
  std::optional<std::size_t> taken_before_gap;
  const auto leave_out = [&](std::uint64_t tier) {
    if (taken_before_gap != taken) left_out.push_back({from, {}});
    taken_before_gap = taken;
    ++left_out.back().by_tier[std::min<std::uint64_t>(tier, risk_tiers - 1)];
  };
  for (; from.record < commit.records.size(); ++from.record, from.sub = 0) {
    const Record& record = commit.records[from.record];
    if (wants_alert(commit, record) && from.sub == 0) {
      if (taken == items_max) return false;
      out.push_back(alert_envelope(commit, from.record, log_name(log_names, record.log)));
      ++taken;
    } else if (with_head && from.record + 1 == commit.records.size() && from.sub == 0) {
      if (taken == items_max) return false;
      out.push_back(checkpoint_envelope(commit, from.record, log_name(log_names, record.log)));
      ++taken;
    } else if (events_ && holds_events(record.kind)) {
      for (; from.sub < record.event_count; ++from.sub) {
        const Event& event = commit.events[record.first_event + from.sub];
        if (!events_->matches(event)) continue;
        if (!sampling.forwards(record, event)) {
          leave_out(event.get(Num::risk_tier));
          continue;
        }
        if (taken == items_max) return false;
        out.push_back(event_envelope(commit, from.record, from.sub, log_name(log_names, record.log)));
        out.back().sample_rate = sampling.forward_rate(event.get(Num::risk_tier));
        ++taken;
      }
    }
  }
  return true;
}

}  // namespace tidewaiter::forward
