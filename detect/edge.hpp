// Edge: one score for one row of "who reached whom, when", from burst (of source and of destination) and contact.
//
//   score = max( ln(1 + burst),  6.2 + ln(1 / r) / 5 ),   known edges: a tenth of their surprise
//
// r is how many contact scores at least this high a day brings (TailCalibrator), corrected by how many came so far that
// were said to come once a day: new edges are worth a look only where they are rare. Burst is taken as evidence by itself, in the logarithm, since its tail is a power law on real traffic. The
// two constants are the exchange rate: a burst of 490 nats weighs as much as a new edge that comes once a day. They are
// set once for all data. On its first two days a stream's new edges count less: all is new then.
#pragma once

#include <cstdint>

#include "detect/burst.hpp"
#include "detect/contact.hpp"
#include "detect/rank.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class EdgeScorer {
 public:
  explicit EdgeScorer(std::uint64_t memory_bytes);

  void prefetch(Key source, Key destination) const;

  struct Score {
    double score = 0;     // higher = more anomalous; about 6 and more is worth a look
    double p_value = 1;   // share of rows so far with at least this score
    double burst = 0;     // nats
    double contact = 0;   // nats
    bool known = false;   // the edge was there before
  };
  /// Scores the row, then learns it. `one_action`: see Burst::observe; for sources only.
  Score observe(Key source, Key destination, std::int64_t time_ns, bool one_action);

  void ablate(const Ablation& parts) {
    burst_.ablate(parts);
    tail_.ablate(parts);
    affinity_ = parts.affinity;
  }

  std::uint64_t memory_bytes() const { return burst_.memory_bytes() + contact_.memory_bytes(); }
  std::uint64_t evictions() const { return burst_.evictions() + contact_.evictions(); }

 private:
  double contact_score(const Contact::Verdict& verdict, std::int64_t time_ns);

  Burst burst_;
  Contact contact_;
  TailCalibrator tail_;
  RankCalibrator ranks_;
  std::int64_t first_ns_ = 0, exceeded_ns_ = 0;
  double exceeded_ = 0, exceeded_days_ = 0;  // scores that were to come once a day, and the days they came in; forgotten
  bool started_ = false, affinity_ = true;
};

}  // namespace tidewaiter::detect
