// Burst: more of something per minute than this key ever has, at four time scales at once.
//
// A key (a source, a destination, a principal and its action) is counted with four exponential half-lives h: 1, 7, 35
// and 140 minutes. Under a Poisson rate that is itself exponentially distributed about the key's own mean the count is
// negative binomial with one success (geometric: the widest law of that mean), and its upper tail is exact and cheap:
//
//   P(X >= c) = (m / (1 + m))^c,   m = rate * h / ln 2,   score = max over h of  c ln(1 + 1/m)   (nats)
//
// rate = (n + a) / (t + a/b): events learnt per minute observed, both forgotten with a half-life of 30 days, with a gamma
// prior (Greenwood & Yule 1920 for the mixture; Heard et al., "Bayesian anomaly detection methods for social networks",
// 2010, for counts per key; Bhatia et al., "MIDAS", AAAI 2020 and TKDD 2022, for the conditional merge). Learning is
// winsorised: a key at 5 nats or more learns at most twice what it was expected to do, so an attack cannot make itself
// ordinary, while a level that stays is accepted in time. The score is no p-value across keys and scales: real traffic is
// burstier than any such law. Who combines it with others takes its logarithm (edge.hpp).
//
// Cost: one 64-byte slot per key.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "detect/ablation.hpp"
#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class Burst {
 public:
  static constexpr std::size_t scales = 4;
  static constexpr std::array<double, scales> half_life_min = {1, 7, 35, 140};

  explicit Burst(std::uint64_t memory_bytes) : slots_(memory_bytes) {}

  void prefetch(Key key) const { slots_.prefetch(key); }
  /// Scores one more event of `key`, then learns it; nats, above 0. Time that runs back counts as the newest.
  /// With `one_action`, events of a key at the very same instant are one action that was logged as many rows: the k-th
  /// of them counts 1/k.
  double observe(Key key, std::uint16_t quota, std::int64_t time_ns, bool one_action = false);

  void ablate(const Ablation& parts);

  std::uint64_t evictions() const { return slots_.evictions(); }
  std::uint64_t memory_bytes() const { return slots_.memory_bytes(); }
  std::uint64_t slots_used() const { return slots_.used(); }

  void save(SnapshotWriter& out) const { slots_.save(out); }
  bool load(SnapshotReader& in) { return slots_.load(in); }

 private:
  struct alignas(64) Slot {
    Key key;
    std::int64_t last_ns;
    float counts[scales];
    float learnt;           // events, winsorised and forgotten
    float observed_min;     // minutes, forgotten alike
    std::uint32_t instant;  // rows at last_ns
    std::uint16_t quota, unused;
    std::uint64_t reserved[2];
    std::uint64_t rank() const { return rank_of_use(last_ns, learnt); }
  };

  /// Counts an event in, and how high that is.
  double highest(Slot& slot, double weight, double rate) const;

  SlotTable<Slot> slots_;
  bool winsorising_ = true;
  std::size_t first_scale_ = 0, end_scale_ = scales;
};

}  // namespace tidewaiter::detect
