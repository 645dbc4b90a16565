// Chain: what an agent does next does not follow from what it, its role and everybody does.
//
// Each event of a principal gives two symbols, each with its surprise -ln P by the hierarchical Pitman-Yor rule of
// sequence.hpp (Teh 2006):
//   the kind of action (action and type of resource), after the last two kinds of the same run, within the role:
//     contexts all <- role <- role, k1 <- role, k1, k2
//   the resource, by the kind of action: contexts all <- kind <- kind, role
// so a resource that nobody ever deleted is a great surprise where the same few are deleted again and again, and a small
// one where resources are always new: such contexts give new symbols much room. A run ends with a gap of 15 minutes.
//
// Surprises s are added up as far as they exceed what this principal's events bring, in a cumulative sum (Page 1954) that
// is forgotten with a half-life of 10 minutes:
//
//   C = max(0, C 2^(-dt / 10 min) + min(s, 24) - m - max(1, v))
//
// m is the principal's mean of min(s, 24), shrunk to the role's by 50 events, v its mean absolute deviation: the sum falls
// where life goes on as usual, and one run moves m by little (a share of 1/2000 an event). So one step
// that is rare enough counts at once, and so does a chain of steps of which none would. The highest C of a run is what
// TailCalibrator learns, of agents and others apart: a run is one finding in the tail, however long. While a run is hot
// (C >= 12) the contexts do not learn its first 20 such events: three times is no habit, twenty may be.
//
// Cost: six slots for a usual event, fifteen for one without its like, most of them in cache, since kinds of actions are few.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/sequence.hpp"
#include "detect/slot_table.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class Chain {
 public:
  static constexpr std::size_t steps = 2;  // kinds of actions that the next one is predicted from

  /// As of Surge.
  Chain(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over = 1, double hot = 1);

  struct Finding {
    double score = 0, rate_per_day = 0, p_value = 1, bar_per_day = 0;  // nats
    CalibrationState calibration;
    double not_below = 0;             // least score that is a finding
    double action_nats = 0, resource_nats = 0;  // of the last step
    double usual_nats = 0;            // m
    std::uint32_t run_events = 0;
    std::int64_t run_start_ns = 0;
    double baseline_events = 0;
    std::int64_t first_ns = 0;
    std::array<std::uint8_t, steps> before{};  // actions before this one, newest first; `before_known` of them
    std::size_t before_known = 0;
  };

  static bool asks(const EventKeys& keys, const Event& event) { return keys.principal != 0 && event.has(Num::action); }
  void prefetch(const EventKeys& keys) const;
  /// Some time after prefetch(), when the principal's run is at hand.
  void prefetch_step(const EventKeys& keys, const Event& event) const;
  /// Judges an event that is not late, then learns it.
  void observe(const EventKeys& keys, const Event& event, std::vector<Finding>& out);

  std::uint64_t evictions() const { return runs_.evictions() + actions_.evictions() + resources_.evictions(); }
  std::uint64_t memory_bytes() const { return runs_.memory_bytes() + actions_.memory_bytes() + resources_.memory_bytes(); }
  std::uint64_t slots_used() const { return runs_.used() + actions_.slots_used() + resources_.slots_used(); }
  const TailCalibrator& calibrator(bool agents) const { return tails_[agents ? 0 : 1]; }

  template <class Visit>
  void each_tail(Visit visit) const {
    for (const TailCalibrator& tail : tails_) visit(tail.name(), tail);
  }

  void ablate(const Ablation& parts) {
    for (TailCalibrator& tail : tails_) tail.ablate(parts);
    winsorising_ = parts.winsorising;
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  static constexpr std::size_t classes = 2;
  // Of a principal, or of a role: then only mean, events and first_s count.
  struct alignas(64) Run {
    Key key;
    std::int64_t last_ns;
    float mean, spread, events;   // of s; mean absolute deviation
    float sum, top, told;         // C, its highest of this run, and when it was told
    std::uint32_t run_events;
    std::uint32_t start_s, first_s;
    std::uint16_t hot_events;
    std::uint16_t quota;
    std::array<std::uint16_t, steps> kinds;  // newest first; action, and type of resource * 64; 0 = none
    std::uint16_t unused[2];
    std::uint64_t rank() const { return rank_of_use(last_ns, events); }
  };
  struct Step {
    Sequence::Place before, owners;  // of kind and resource
    Key kind = 0, resource = 0;        // symbols; 0 = no resource
    double action_nats = 0, resource_nats = 0, usual_nats = 0;
    double nats() const { return action_nats + resource_nats; }
  };
  static Step step_of(const EventKeys& keys, const Event& event, const Run& run);
  void tell(std::size_t tail, Run& run, const Step& step, std::int64_t time_ns, std::vector<Finding>& out);
  static void learn_mean(Run& run, double nats);
  void end_run(std::size_t tail, Run& run, std::int64_t time_ns);
  double bar(std::size_t tail, std::int64_t time_ns);
  double rate_max(std::size_t tail) const;
  bool news(std::size_t tail, double told, double score) const;

  const double false_alerts_per_day_, handed_over_, hot_;
  bool winsorising_ = true;
  SlotTable<Run> runs_;
  Sequence actions_, resources_;
  std::array<TailCalibrator, classes> tails_;
  std::array<double, classes> bars_{};
  std::array<std::int64_t, classes> bars_until_ns_{};
};

}  // namespace tidewaiter::detect
