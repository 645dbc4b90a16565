#include "app/demo_report.hpp"

#include <fmt/core.h>

#include "app/status_metrics.hpp"
#include "app/command_store.hpp"

namespace tidewaiter::app {
namespace {

std::string duration(std::int64_t ns) {
  const std::int64_t s = ns / 1'000'000'000;
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min", s / 60);
  if (s < 86400) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

void report_run(const DemoFacts& f) {
  const double events = static_cast<double>(f.produced);
  const double service_cpu = f.cpu_seconds - f.generator_cpu_seconds;
  fmt::print("\n{} events of {} weeks, {:.0f} MB, in {:.1f} s: {:.0f} events/s, {:.1f} us CPU per event\n", f.produced,
             (f.event_time_span_ns / 1'000'000'000 + 302'400) / 604'800, static_cast<double>(f.produced_bytes) / 1e6,
             f.seconds, events / f.seconds, service_cpu * 1e6 / events);
  fmt::print("(broker, SIEM receiver and all stages in one process; the generator's own CPU is left out)\n");
}

void report_incidents(const DemoFacts& f) {
  fmt::print("\nInjected incidents:\n");
  for (const IncidentScore& s : f.score.incidents)
    fmt::print("  {}  {:<26} {:<16} {}\n", s.found ? "found    " : "NOT FOUND", s.incident->id,
               s.found ? "after " + duration(s.time_to_detect_ns) : "", s.incident->sentence);
  fmt::print("Alerts: {}; false alerts: {} (at most {} are accepted)\n", f.score.alerts, f.score.false_alerts.size(),
             demo_false_alerts_max);
  for (const AlertFacts& alert : f.score.false_alerts) fmt::print("  false: [{}] {}\n", alert.detector, alert.title);
}

void report_delivery(const DemoFacts& f) {
  fmt::print("\nConnectors:\n");
  for (const forward::Status& c : f.status.connectors)
    fmt::print("  {:<10} offered {}, acknowledged {}, pending {}, refused {}\n", c.name, c.offered, c.delivered, c.pending,
               c.dead_lettered);
  fmt::print("  the receiver holds {} items, {} of them alerts, digests and receipts, {} repeats\n", f.receiver.unique, f.receiver_alerts,
             f.receiver.repeats());
}

void report_verification(const DemoFacts& f) {
  fmt::print("\nVerification of the whole log: {} ({} records recomputed in {:.1f} s, {} signatures)\n",
             f.verify.verdict(), f.verify.records, f.verify.seconds, f.verify.signatures);
  for (const store::Finding& finding : f.verify.findings) fmt::print("  {}: {}\n", finding.place, finding.what);
}

void report_next(const DemoFacts& f) {
  const std::string store = shell_quoted(f.store);
  fmt::print("\nTry next:\n");
  fmt::print("  build/release/tidewaiter alerts --store {}\n", store);
  fmt::print("  build/release/tidewaiter query --store {} --where 'action == send and data_classes has pii' --by dst_host\n",
             store);
  fmt::print("  build/release/tidewaiter prove --store {} --log alerts --seq 0 -o /tmp/alert.proof\n", store);
  fmt::print("  build/release/tidewaiter verify-proof /tmp/alert.proof --public-key {}\n", shell_quoted(f.public_key));
  fmt::print("  build/release/tidewaiter verify --store {} --public-key {}\n", store, shell_quoted(f.public_key));
}

std::uint64_t kinds_stored(const store::Counters& counters) {
  std::uint64_t stored = 0;
  for (const char* kind : {"event", "unmapped", "reject", "tombstone", "conflict"})
    if (auto it = counters.records_by_kind.find(kind); it != counters.records_by_kind.end()) stored += it->second;
  return stored;
}

}  // namespace

std::vector<std::string> report_demo(const DemoFacts& f) {
  report_run(f);
  report_incidents(f);
  report_delivery(f);
  report_verification(f);
  report_next(f);
  std::vector<std::string> broken = balance_findings(f.status);
  for (const IncidentScore& s : f.score.incidents)
    if (!s.found) broken.push_back("incident not found: " + s.incident->id);
  if (f.score.incidents.empty()) broken.push_back("no incident was injected: give more events");
  if (f.score.false_alerts.size() > demo_false_alerts_max)
    broken.push_back(fmt::format("{} false alerts, more than {}", f.score.false_alerts.size(), demo_false_alerts_max));
  if (const std::uint64_t stored = kinds_stored(f.status.counters); stored != f.produced)
    broken.push_back(fmt::format("produced {} but stored {}", f.produced, stored));
  for (const forward::Status& c : f.status.connectors)
    if (c.delivered != c.offered) broken.push_back(fmt::format("{} acknowledged {} of {}", c.name, c.delivered, c.offered));
  if (f.receiver_alerts != f.stored_alerts)
    broken.push_back(fmt::format("{} alerts stored, {} at the receiver", f.stored_alerts, f.receiver_alerts));
  if (!f.verify.good()) broken.push_back("the log does not verify");
  return broken;
}

}  // namespace tidewaiter::app
