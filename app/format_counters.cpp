#include "app/format_counters.hpp"

#include "core/record.hpp"

namespace tidewaiter::app {

FormatCounters::FormatCounters(const ingest::Parser& parser, Metrics& metrics) : metrics_(metrics) {
  for (ingest::FormatCount& count : parser.counts()) {
    Published one;
    const Labels labels = {{"format", count.format}};
    one.events = &metrics.counter("tidewaiter_format_events_total", "Events by format; unknown = unmapped", labels);
    one.unread_keys =
        &metrics.counter("tidewaiter_format_unread_keys_total", "Keys that no mapping reads, beside keys that it does", labels);
    one.last = std::move(count);
    formats_.push_back(std::move(one));
  }
  static constexpr const char* words[ingest::signature_status_count] = {"unverified", "verified", "expired", "failed"};
  for (std::size_t i = 0; i < signatures_.size(); ++i)
    signatures_[i] = &metrics.counter("tidewaiter_attestations_total", "Signed statements judged, by what came of it",
                                      {{"status", words[i]}});
  passed_over_ = &metrics.counter("tidewaiter_attestations_passed_over_total",
                                  "Signed statements beyond what is judged of one message");
}

void FormatCounters::publish_signatures(const ingest::SignatureCounts& now) {
  for (std::size_t i = 0; i < signatures_.size(); ++i)
    if (now.judged[i] != last_signatures_.judged[i]) signatures_[i]->add(now.judged[i] - last_signatures_.judged[i]);
  if (now.passed_over != last_signatures_.passed_over) passed_over_->add(now.passed_over - last_signatures_.passed_over);
  last_signatures_ = now;
}

void FormatCounters::publish(const ingest::Parser& parser) {
  parser.visit_counts([this](std::size_t number, const ingest::FormatCount& now) {
    Published& known = formats_[number];
    if (now.events != known.last.events) known.events->add(now.events - known.last.events);
    if (now.unread_keys != known.last.unread_keys) known.unread_keys->add(now.unread_keys - known.last.unread_keys);
    for (std::size_t reason = 0; reason < now.rejects.size(); ++reason) {
      if (now.rejects[reason] == known.last.rejects[reason]) continue;
      if (known.rejects[reason] == nullptr)
        known.rejects[reason] = &metrics_.counter(
            "tidewaiter_format_rejects_total", "Rejected messages of topics with a fixed format, by format and reason",
            {{"format", known.last.format}, {"reason", reject_reason_name(static_cast<RejectReason>(reason))}});
      known.rejects[reason]->add(now.rejects[reason] - known.last.rejects[reason]);
    }
    known.last.events = now.events;
    known.last.unread_keys = now.unread_keys;
    known.last.rejects = now.rejects;
  });
  publish_signatures(parser.signature_counts());
}

}  // namespace tidewaiter::app
