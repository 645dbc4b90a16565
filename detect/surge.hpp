// Surge: a principal, one of its actions, or an app does far more per minute than it ever does; or a principal reaches
// new destinations faster than it ever does (fan-out).
//
// A key is counted under exponential half-lives h of 1, 4 and 16 minutes, windows of w = h / ln 2 minutes. An
// exponential window of a Poisson stream of rate l has mean m = l w and variance m / 2, so twice the count behaves like a
// Poisson count of mean 2m. What is expected is l = own rate per busy minute * max(season, 1) * shock of the role
// (role_clock.hpp): never below the key's own mean, since an odd hour is no burst, nor, of a busy principal, below what it
// does at this hour of its days (own_hours.hpp).
// The own rate has a gamma posterior of n events, so the count is negative binomial (Greenwood & Yule 1920), and the
// surprise of x = 2 * count where M = 2m was expected is the exponent of its tail (Chernoff 1952):
//
//   D = x ln(x / M) - (x + n) ln((x + n) / (M + n)),   x > M, else 0     (nats)
//
// Real streams come in clusters and waves. How much shows in what an event finds before it: e = mean of (count - m) at
// events, which is 0 for a Poisson stream (its Palm mean is m) and the mean excess of a cluster else. Such a stream is over-
// dispersed by phi = 1 + 2 e, and D is divided by it (quasi-likelihood; Wedderburn 1974), per scale. What is still
// unlike is measured in units of the key's own surprise: u is the mean over blocks of 15 minutes with events of the
// largest D / phi in a block (winsorised at four times itself, at least 3):
//
//   score = 3 / u * max over scales of D / phi
//
// The count before the event is judged, then the event is learnt: at once, so the delay is the time that the surprise
// needs to grow. A key that is hot learns at most twice what was expected, so an attack does not make itself ordinary,
// while a level that stays is accepted in time. Of blocks that follow each other only the first high one goes to
// TailCalibrator. There is one tail per kind and class of keys: agents or others (pipelines and services are another
// crowd), busy or sparse (an event in four minutes; chance plays with small numbers as it never does with large ones).
// While a surge lasts it is told again each time its rate has fallen tenfold. What a principal's surge explains is not told
// of its actions and does not count for the app.
//
// Sources: Heard et al., "Bayesian anomaly detection methods for social networks", 2010 (counts per key); Bhatia et al.,
// "MIDAS", AAAI 2020 and TKDD 2022 (conditional merge); notes on common effects in role_clock.hpp.
// Cost: a 64-byte slot per key, three keys per event.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/own_hours.hpp"
#include "detect/role_clock.hpp"
#include "detect/slot_table.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class Surge {
 public:
  enum class Kind : std::uint8_t { principal, action, app, fan_out };
  static constexpr std::size_t kinds = 4;

  /// `false_alerts_per_day`: how many surges worth an alert a day of normal life may bring, over all kinds. What is up to
  /// `handed_over` times as frequent as that is a finding, too: others of its incident and verdicts of people may make it an
  /// alert. What is rarer than `hot` times that is learnt winsorised.
  Surge(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over = 1, double hot = 1);

  /// Counts are rates per minute under the window of `window_min` minutes that shows the surge best.
  struct Finding {
    Kind kind = Kind::principal;
    double window_min = 0;
    double observed = 0, expected = 0, upper = 0;  // per minute; 99 % stay below `upper`
    double not_below = 0;                          // no finding below so much
    double usual = 0;                              // per minute, over the whole week
    double season = 1, shock = 1;                  // factors in `expected`: of the hour (the role's or its own), of the role
    double score = 0, rate_per_day = 0, p_value = 1;
    CalibrationState calibration;
    double bar_per_day = 0;                        // rates below it are worth an alert
    double baseline_events = 0, baseline_blocks = 0;
    std::int64_t first_ns = 0;
  };

  static bool asks(const EventKeys& keys) { return keys.principal != 0; }
  void prefetch(const EventKeys& keys, const Event& event) const;
  /// Judges an event that is not late, then learns it. `new_edge`: its principal never reached its destination before.
  void observe(const EventKeys& keys, const Event& event, bool new_edge, std::vector<Finding>& out);

  std::uint64_t evictions() const { return slots_.evictions() + own_hours_.evictions() + clock_.evictions(); }
  std::uint64_t memory_bytes() const { return slots_.memory_bytes() + own_hours_.memory_bytes() + clock_.memory_bytes(); }
  std::uint64_t slots_used() const { return slots_.used() + own_hours_.used() + clock_.slots_used(); }
  const TailCalibrator& calibrator(Kind kind, bool agents, bool busy) const { return tails_[tail_of(kind, agents, busy)]; }

  template <class Visit>
  void each_tail(Visit visit) const {
    for (const TailCalibrator& tail : tails_) visit(tail.name(), tail);
  }

  void ablate(const Ablation& parts);

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  static constexpr std::size_t scales = rate_scales;
  static constexpr std::size_t tails = kinds * 4;
  struct alignas(64) Slot {
    Key key;
    std::int64_t last_ns;
    float counts[scales];         // decayed
    float learnt;                 // events, winsorised and forgotten
    float excess[scales];         // e, in events
    float busy_min;               // busy minutes, forgotten
    std::uint16_t top;            // largest D / phi of this block, nats * 64
    std::uint16_t usual;          // u, nats * 256
    std::uint16_t blocks;         // learnt
    std::uint16_t last_high;      // score of the last block, nats * 64
    std::uint16_t told;           // score when it was told last in this surge, nats * 64; 0 = not told
    std::uint16_t quota;
    std::uint32_t first_s;
    std::uint64_t rank() const { return rank_of_use(last_ns, learnt); }
  };
  static_assert(offsetof(Slot, learnt) == offsetof(Slot, counts) + sizeof(Slot::counts) &&
                offsetof(Slot, busy_min) == offsetof(Slot, excess) + sizeof(Slot::excess), "the idle lanes of scales_of()");
  struct Standing {
    double score = 0;
    std::size_t scale = 0;
    double count = 0, expected = 0, shock = 1;  // in the window of the scale
    double season = 1;
    double dispersion = 1;
  };
  /// Whether the key is hot. With `quiet` it is learnt but not told.
  struct Now {
    const RoleClock::Role& role;
    std::int64_t time_ns;
    double season;
    bool agents;
    std::uint16_t quota;
  };
  bool count(Kind kind, Key key, const Now& now, bool quiet, std::vector<Finding>& out);
  static double rate_of(const Slot& slot);  // events per busy minute
  Standing stand(Kind kind, Slot& slot, const Now& now, double rate) const;
  Scales at_own_hours(Key key, std::int64_t time_ns, const Scales& own, const Scales& usual) const;
  static void learn_excess(Slot& slot, const Scales& beyond);
  void close_block(std::size_t tail, Slot& slot, std::int64_t time_ns);
  void learn_hour(const Slot& slot, double rate, double season);
  void tell(Kind kind, std::size_t tail, Slot& slot, const Standing& at, double rate, const Now& now,
            std::vector<Finding>& out);
  static std::size_t tail_of(Kind kind, bool agents, bool busy) {
    return static_cast<std::size_t>(kind) * 4 + (agents ? 0 : 2) + (busy ? 0 : 1);
  }
  /// The least score that is a finding.
  double bar(std::size_t tail, std::int64_t time_ns);
  double rate_max(std::size_t tail) const;
  bool news(std::size_t tail, double told, double score) const;

  const double false_alerts_per_day_, handed_over_, hot_;
  bool winsorising_ = true;
  std::size_t first_scale_ = 0, end_scale_ = scales;
  SlotTable<Slot> slots_;
  OwnHours own_hours_;
  RoleClock clock_;
  std::vector<TailCalibrator> tails_;  // by kind and class of keys
  std::array<double, tails> bars_{};
  std::array<std::int64_t, tails> bars_until_ns_{};
};

}  // namespace tidewaiter::detect
