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

void LeftOut::add(const Place& place, std::uint64_t tier) {
  if (!open_) runs_.push_back({place, {}});
  open_ = true;
  const std::size_t known = std::min<std::uint64_t>(tier, risk_tiers - 1);
  ++runs_.back().by_tier[known];
  ++total_[known];
}

LeftOut::ByTier LeftOut::take_before(const Place& end) {
  ByTier taken{};
  for (; !runs_.empty() && runs_.front().first < end; runs_.pop_front())
    for (std::size_t tier = 0; tier < risk_tiers; ++tier) taken[tier] += runs_.front().by_tier[tier];
  open_ = open_ && !runs_.empty();
  return taken;
}

void LeftOut::clear() {
  runs_.clear();
  open_ = false;
}

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
                     LeftOut& left_out) const {
  std::size_t taken = 0;
  const auto take_one = [&](Envelope envelope) {
    out.push_back(std::move(envelope));
    left_out.end_run();
    ++taken;
  };
  for (; from.record < commit.records.size(); ++from.record, from.sub = 0) {
    const Record& record = commit.records[from.record];
    if (wants_alert(commit, record) && from.sub == 0) {
      if (taken == items_max) return false;
      take_one(alert_envelope(commit, from.record, log_name(log_names, record.log)));
    } else if (with_head && from.record + 1 == commit.records.size() && from.sub == 0) {
      if (taken == items_max) return false;
      take_one(checkpoint_envelope(commit, from.record, log_name(log_names, record.log)));
    } else if (events_ && holds_events(record.kind)) {
      for (; from.sub < record.event_count; ++from.sub) {
        const Event& event = commit.events[record.first_event + from.sub];
        if (!events_->matches(event)) continue;
        if (!sampling.forwards(record, event)) {
          left_out.add(from, event.get(Num::risk_tier));
          continue;
        }
        if (taken == items_max) return false;
        take_one(event_envelope(commit, from.record, from.sub, log_name(log_names, record.log)));
        out.back().sample_rate = sampling.forward_rate(event.get(Num::risk_tier));
      }
    }
  }
  return true;
}

}  // namespace tidewaiter::forward
