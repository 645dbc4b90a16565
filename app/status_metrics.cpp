#include "app/status_metrics.hpp"

#include <algorithm>

namespace tidewaiter::app {
namespace {

// Stored counters outlive the process: the metric jumps to their value and goes on from there.
void follow(Counter& counter, std::uint64_t value) {
  if (value > counter.value()) counter.add(value - counter.value());
}

void export_counters(const store::Counters& counters, Metrics& metrics) {
  follow(metrics.counter("tidewaiter_messages_read_total", "Messages polled and stored or recognised as duplicates"),
         counters.read);
  follow(metrics.counter("tidewaiter_duplicates_total", "Redelivered messages that were stored already"),
         counters.duplicates);
  follow(metrics.counter("tidewaiter_events_total", "Canonical events inside the records"), counters.events);
  for (const auto& [kind, count] : counters.records_by_kind)
    follow(metrics.counter("tidewaiter_records_total", "Records of the log", {{"kind", kind}}), count);
  for (const auto& [reason, count] : counters.rejects_by_reason)
    follow(metrics.counter("tidewaiter_rejects_total", "Rejects by reason", {{"reason", reason}}), count);
}

void export_sources(const PipelineStatus& status, Metrics& metrics) {
  for (const ingest::SourceStatus& source : status.sources)
    for (const ingest::PartitionStatus& p : source.partitions) {
      const Labels labels{{"topic", p.topic}, {"partition", std::to_string(p.partition)}};
      metrics.gauge("tidewaiter_source_lag_messages", "Messages behind the end of the partition; -1 = not known", labels)
          .set(static_cast<double>(p.lag));
    }
  for (std::size_t i = 0; i < status.sources.size(); ++i)
    metrics.gauge("tidewaiter_source_partitions", "Partitions that are assigned now", {{"source", std::to_string(i)}})
        .set(static_cast<double>(status.sources[i].partitions.size()));
  for (std::size_t i = 0; i < status.sources.size(); ++i)
    metrics.gauge("tidewaiter_source_parked", "1 when a source is refused or fatal", {{"source", std::to_string(i)}})
        .set(status.sources[i].state == ingest::SourceState::parked ? 1 : 0);
}

}  // namespace

bool StallWatch::stalled(std::uint64_t done, std::uint64_t wanted, std::int64_t now_ns) {
  if (done != done_ || done >= wanted || moved_ns_ == 0) {
    done_ = done;
    moved_ns_ = now_ns;
  }
  return now_ns - moved_ns_ >= stalled_after_ns;
}

std::vector<std::string> balance_findings(const PipelineStatus& status) {
  std::vector<std::string> findings;
  const store::Counters& c = status.counters;
  std::uint64_t stored = 0;
  for (const char* kind : {"event", "unmapped", "reject", "tombstone", "conflict"})
    if (auto it = c.records_by_kind.find(kind); it != c.records_by_kind.end()) stored += it->second;
  if (c.read != stored + c.duplicates)
    findings.push_back("read " + std::to_string(c.read) + " but stored " + std::to_string(stored) + " and dropped " +
                       std::to_string(c.duplicates) + " duplicates");
  for (const forward::Status& s : status.connectors)
    if (s.offered != s.delivered + s.pending + s.dead_lettered + s.expired)
      findings.push_back("connector " + s.name + ": offered " + std::to_string(s.offered) + " but delivered " +
                         std::to_string(s.delivered) + ", pending " + std::to_string(s.pending) + ", dead-lettered " +
                         std::to_string(s.dead_lettered) + ", expired " + std::to_string(s.expired));
  return findings;
}

void export_status(const PipelineStatus& status, std::int64_t now_ns, Metrics& metrics) {
  export_counters(status.counters, metrics);
  export_sources(status, metrics);
  metrics.gauge("tidewaiter_commit_number", "Newest commit of the store").set(static_cast<double>(status.last_commit));
  metrics.gauge("tidewaiter_detect_lag_commits", "Commits not judged yet")
      .set(static_cast<double>(status.last_commit - std::min(status.last_commit, status.judged)));
  metrics.gauge("tidewaiter_checkpoint_age_seconds", "Since the newest signed head")
      .set(static_cast<double>(now_ns - status.last_checkpoint_ns) / 1e9);
  metrics.gauge("tidewaiter_head_files_failing", "1 when the newest heads cannot be written to their files: an alarm")
      .set(status.head_files_problem.empty() ? 0 : 1);
  metrics.gauge("tidewaiter_balance_differences", "Counters that do not balance: an alarm when not 0")
      .set(static_cast<double>(balance_findings(status).size()));
  for (const forward::Status& s : status.connectors) {
    const double age = s.oldest_pending_ns == 0 ? 0 : static_cast<double>(now_ns - s.oldest_pending_ns) / 1e9;
    metrics.gauge("tidewaiter_connector_oldest_pending_seconds", "Age of the oldest item not acknowledged",
                  {{"connector", s.name}}).set(age);
  }
}

}  // namespace tidewaiter::app
