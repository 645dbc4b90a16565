// Scorers: the statistical detectors that judge an event as it comes (flow, burst, sequence, rhythm, health). What they find waits
// for nothing and depends on no rule, verdict or budget. So they may run commits ahead of the engine that makes alerts
// of it, on a thread of their own (Engine::score), and keep the time of the log by themselves.
//
// Who may call: one thread. Cost: six tenths of what detection costs.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "detect/alert.hpp"
#include "detect/chain.hpp"
#include "detect/engine.hpp"
#include "detect/flow.hpp"
#include "detect/health.hpp"
#include "detect/keys.hpp"
#include "detect/rhythm.hpp"
#include "detect/scoring_sample.hpp"
#include "detect/surge.hpp"
#include "detect/watermark.hpp"

namespace tidewaiter::detect {

/// An event on its way through detection.
struct Scored {
  const Event* event = nullptr;
  const Record* record = nullptr;
  EventKeys keys = {};
  ScoringSample::Part part = {};
  std::uint64_t unscored = 0, evictions = 0;  // of the scorers, since the first commit, this event counted
};

/// What is to be told of an event.
struct ScorerFinding {
  std::size_t event = 0;  // which of those that were scored
  Key who = 0, where = 0;
  Alert alert;
};

class Scorers {
 public:
  /// `config` outlives this object.
  explicit Scorers(const EngineConfig& config);

  /// A control record, at its place among the events. What it does not understand it passes over.
  void control(const Record& record);

  /// Hashes the names of some events and asks for the memory that judging them reads.
  void prepare(std::span<Scored> block);
  /// Judges and learns them, in order; the first one is number `first` in what is found.
  void judge(std::span<Scored> block, std::size_t first, std::vector<ScorerFinding>& found);

  const ScoringSample& sample() const { return sample_; }
  std::uint64_t unscored() const;
  std::uint64_t evictions() const {
    return flow_.evictions() + rhythm_.evictions() + surge_.evictions() + chain_.evictions() + health_.evictions();
  }
  std::uint64_t memory_bytes() const {
    return flow_.memory_bytes() + rhythm_.memory_bytes() + surge_.memory_bytes() + chain_.memory_bytes() + health_.memory_bytes();
  }
  std::uint64_t slots_used() const {
    return flow_.slots_used() + rhythm_.slots_used() + surge_.slots_used() + chain_.slots_used() + health_.slots_used();
  }

  /// visit(detector, class, tail) for those that are on.
  template <class Visit>
  void each_tail(Visit visit) const {
    const auto of = [&](bool on, std::string_view name, const auto& detector) {
      if (on) detector.each_tail([&](std::string_view tail_class, const TailCalibrator& tail) { visit(name, tail_class, tail); });
    };
    of(config_.flow, "flow", flow_);
    of(config_.burst, "burst", surge_);
    of(config_.sequence, "sequence", chain_);
    of(config_.rhythm, "rhythm", rhythm_);
    of(config_.health, "health", health_);
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  struct Now {
    const EventKeys& keys;
    Seen seen;
    std::size_t event;
    std::vector<ScorerFinding>& found;
  };
  void judge(const Scored& scored, const Now& now);
  /// Whether the principal reached a destination for the first time.
  bool judge_flow(const ScoringSample::Part& part, const Now& now);
  void judge_surge(bool new_destination, const Now& now);
  void judge_chain(const Now& now);
  void judge_rhythm(const Now& now);
  void judge_health(const Now& now);
  static void tell(const Now& now, Alert alert, Key who, Key where = 0);

  const EngineConfig& config_;
  Watermark watermark_;
  ScoringSample sample_;
  Flow flow_;
  Rhythm rhythm_;
  Surge surge_;
  Chain chain_;
  Health health_;

  // Scratch, empty between events.
  Rhythm::Findings rhythm_findings_;
  std::vector<Surge::Finding> surge_findings_;
  std::vector<Chain::Finding> chain_findings_;
  std::vector<Health::Finding> health_findings_;
};

}  // namespace tidewaiter::detect
