// Engine: commits in, alerts out. A pure function of the commits in order: no clock, no randomness, no iteration in
// an order that depends on addresses. Live and replay run this same code, so a replay gives the same alert bodies
// (semantics 14-20). Where commits are cut changes no alert: every event is judged at its own place.
//
// Who may call: one thread owns an Engine. create() allocates all state for good (EngineConfig::memory_bytes);
// process() costs one to three microseconds per event (docs/benchmarks.md) and never waits. Other threads read the metrics.
//
// It reads event and control records (policy, tick, verdicts and suppressions) and skips alert, receipt and access records. Control records it
// understands, others are ignored:
//   {"type":"policy","content":{...schemas/policy.schema.json...}}   takes effect at its place in the commit
//   {"type":"tick","idle":[{"cluster":"..","topic_id":"32 hex digits","partition":0}],"active":[..],"event_time_ns":N}
//   {"type":"verdict",..}, {"type":"suppression",..}, {"type":"suppression_end",..}: feedback.hpp
// A tick names the partitions that became idle or active and the event time reached. Name every assigned partition
// as active before its first event: else the first partition that is read runs ahead and the others' events are late.
// When all partitions are idle the watermark moves to event_time_ns, which is how windows close and silence is seen
// while nothing arrives.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics.hpp"
#include "core/record.hpp"
#include "core/result.hpp"
#include "detect/ablation.hpp"
#include "detect/budget.hpp"
#include "detect/pit.hpp"

namespace tidewaiter::detect {

struct EngineConfig {
  std::uint64_t memory_bytes = 256ull << 20;  // all tables together; at least 16 MiB
  BudgetLimits budget;                        // alerts of statistical detectors per event-time day (UTC); never exceeded
  std::int64_t out_of_order_ns = 30'000'000'000;      // events may be this much older than their partition's newest
  std::int64_t approval_grace_ns = 60'000'000'000;    // default grace of approval rules (semantics 19)
  std::int64_t attestation_grace_ns = 60'000'000'000;  // how long a deploy waits for attestations under way
  double false_alerts_per_day = 0.25;          // what the statistical detectors together may cost on clean data
  double volume_min_bytes = 1'000'000;        // no volume alert below: too small to matter
  bool flow = true;
  bool volume = true;
  bool silence = true;
  bool burst = true;
  bool sequence = true;
  bool rhythm = true;
  bool health = true;
  Ablation parts;
  std::map<std::uint16_t, std::string> log_names;  // for evidence; a log without a name is given by its number
};

/// The detectors that can be switched off, by the name in configuration, alerts and metrics.
struct DetectorSwitch {
  std::string_view name;
  bool EngineConfig::*on;
};
inline constexpr DetectorSwitch detector_switches[] = {
    {"flow", &EngineConfig::flow},         {"volume", &EngineConfig::volume}, {"silence", &EngineConfig::silence},
    {"burst", &EngineConfig::burst},       {"sequence", &EngineConfig::sequence},
    {"rhythm", &EngineConfig::rhythm},     {"health", &EngineConfig::health},
};

/// What the engine knows of itself. Counts are since the first commit and part of the snapshot.
struct Status {
  std::int64_t watermark_ns = 0;  // 0 = none yet
  std::uint64_t commit = 0;       // last one processed
  std::uint64_t events = 0;
  std::uint64_t late_events = 0;
  std::uint64_t unscored_events = 0;  // left to rules, byte sums and silence by the policy's sampling
  std::uint64_t alerts = 0;
  std::uint64_t suppressed = 0;   // repeats, and what the budget had no room for; counted in digests
  std::uint64_t over_budget = 0;  // the latter of them
  std::uint64_t exceptions_used = 0;
  std::uint64_t open_incidents = 0;
  std::uint64_t open_windows = 0;
  std::uint64_t pending_approvals = 0;
  std::uint64_t pending_attestations = 0;
  std::uint64_t attestation_joins = 0;
  std::uint64_t evictions = 0;    // slots lost to the memory bound
  std::uint64_t memory_bytes = 0;
  std::uint64_t slots_used = 0;
  std::uint64_t partitions = 0;
  std::uint64_t partitions_idle = 0;
  std::string policy_hash;        // hex SHA-256 of the policy in force, "" = none yet
};

/// How well the p-values of one class of tests held so far.
struct Calibration {
  std::string_view detector, tail_class;
  Pit pit;
  std::array<double, Pit::levels.size()> correction;  // in force, by level
};

class Engine {
 public:
  /// Errors: invalid_argument (memory_bytes too small).
  static Result<std::unique_ptr<Engine>> create(EngineConfig config, Metrics& metrics);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Judges a commit and appends what it found to `alerts`, in a fixed order. Commits must come in order.
  void process(const Commit& commit, std::vector<OwnRecord>& alerts);

  /// process() in two halves that two threads may run at once, each commit here first and in order: half as many
  /// events again a second where a core is free. score() is the detectors that judge an event as it comes, which know of no rule, verdict
  /// or budget; the other half is the rest. The same alerts; gauges and calibration() stay behind, a snapshot must not be taken.
  struct Scores;
  std::shared_ptr<Scores> score(const Commit& commit);
  /// What score() made of this commit, which is used up.
  void process(const Commit& commit, Scores& scores, std::vector<OwnRecord>& alerts);

  /// The complete state after the last process(); deterministic bytes, cost proportional to used slots.
  std::string snapshot() const;
  /// Into a fresh engine with the same configuration. Errors: corruption, conflict (another version or memory size:
  /// replay from the start instead). After an error the engine must not be used.
  Result<void> restore(std::string_view snapshot);

  Status status() const;
  /// Of the detectors that are on, in a fixed order.
  std::vector<Calibration> calibration() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::detect
