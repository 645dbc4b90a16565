// EngineGauges: what the engine tells of itself after every commit, as metrics.
#pragma once

#include <array>
#include <cstdint>

#include "core/metrics.hpp"
#include "detect/feedback.hpp"
#include "detect/incidents.hpp"
#include "detect/rules.hpp"
#include "detect/scoring_sample.hpp"

namespace tidewaiter::detect {

class EngineGauges {
 public:
  explicit EngineGauges(Metrics& metrics);

  struct Parts {
    const Watermark& watermark;
    const Alerting& alerting;
    const Incidents& incidents;
    const Feedback& feedback;
    const Rules& rules;
    const ScoringSample& sample;
    std::uint64_t slots_used = 0, evictions = 0, open_windows = 0;
  };
  void set(const Parts& parts);

  Gauge& memory_bytes;  // set once

 private:
  Gauge& suppressions_;
  Gauge& by_people_;
  Gauge& verdicts_;
  Gauge& by_verdicts_;
  Gauge& suppressed_;
  Gauge& watermark_;
  Gauge& slots_;
  Gauge& evictions_;
  Gauge& windows_;
  Gauge& joins_;
  Gauge& joins_waiting_;
  Gauge& joins_early_;
  Gauge& joins_evictions_;
  std::array<Gauge*, detector_count> alerts_{};
  std::array<Gauge*, risk_tiers> unscored_{}, rates_{};
};

}  // namespace tidewaiter::detect
