// Health: an app fails at a larger share of its operations, or takes longer over them, than it ever does.
//
// Of each app's operations values x are kept under exponential half-lives of 15 minutes, 1 and 4 hours: sums of weights n and
// means m. What is usual is mean u and variance v of N earlier operations, forgotten with a half-life of 30 days.
//
// Errors: x = 1 for an operation that failed (failure, denied, error), 0 for one that succeeded; others (pending, unknown)
// tell nothing. With q = u * shock the surprise is the log-likelihood ratio of one share for both against two (Wilks,
// "The large-sample distribution of the likelihood ratio", 1938), for large N the exponent of the binomial tail (Chernoff 1952):
//
//   D = n KL(m || c) + N KL(q || c),   c = (n m + N q) / (n + N),   m > q, else 0     (nats)
//
// Latency: x = ln of the operation's duration, winsorised at u -+ 4 sqrt(v): durations are log-normal with heavy tails. With
// d = m - u - shock, D is the exponent of Student's t (Student 1908):
//
//   t^2 = d^2 / (v (1/n + 1/N)),   D = N/2 ln(1 + t^2 / N),   d > 0, else 0
//
// Time goes in steps of five seconds. An exponential window of a steady stream is worth up to twice its sum of weights; D counts it once. Failures come in spells
// and durations in waves, so D is divided by phi, the mean over blocks of 15 minutes of the largest D in a block (winsorised
// at four times phi, at least 1; a quasi-likelihood, Wedderburn 1974):
//
//   score = 1 / phi * max over half-lives of D
//
// The shock is what the other apps of the role, or of the tenant, have more than usual in the same window (a shared
// dependency is down): of errors the factor (f - sqrt(E) + 5) / (E + 5), where others failed f times and E was usual for
// them; of latency the shift (S - sqrt(v W)) / (W + 15), where the logs of W operations of others exceed what is usual by S
// together. The larger one counts; never below 1, or 0.
//
// An operation is judged before it is learnt: blocks are learnt when they are over, hot ones (score 6) as at most twice what
// is usual. The usual of an app of which little is known is drawn to that of its role, which is drawn to its tenant's (shares
// by 50 operations, durations by 4). Of hot blocks that follow each other the highest goes to TailCalibrator, once. There is
// one tail for errors and one for latency. While it lasts it is told again each time its rate has fallen tenfold.
//
// Cost: 320 bytes per app, and 256 per role and tenant, most of them in the cache: apps are few.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "detect/keys.hpp"
#include "detect/slot_table.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class Health {
 public:
  enum class Kind : std::uint8_t { errors, latency };
  static constexpr std::size_t kinds = 2;

  /// `false_alerts_per_day`: how many findings worth an alert a day of normal life may bring, of both kinds. What is up to
  /// `handed_over` times as frequent as that is a finding, too. What is rarer than `hot` times that is learnt winsorised.
  Health(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over = 1, double hot = 1);

  /// Of errors shares, of latency ms (geometric means), under the window of `window_min` minutes that shows it best.
  struct Finding {
    Kind kind = Kind::errors;
    double window_min = 0;
    double operations = 0;                         // in the window, decayed
    double observed = 0, expected = 0, upper = 0;  // 99 % stay below `upper`
    double not_below = 0;                          // no finding below so much
    double usual = 0;                              // without what others have in common
    double shock = 1;                              // factor in `expected`
    double spread = 0;                             // of latency: standard deviation of the logs
    double dispersion = 1;                         // phi
    double score = 0, rate_per_day = 0, p_value = 1;
    CalibrationState calibration;
    double bar_per_day = 0;                        // rates below it are worth an alert
    double baseline_events = 0, baseline_blocks = 0;
    std::int64_t first_ns = 0;
  };

  /// Whether the event tells how an operation of an app ended, or how long it took.
  static bool asks(const EventKeys& keys, const Event& event);
  void prefetch(const EventKeys& keys, const Event& event) const;
  /// Judges an event that is not late, then learns it.
  void observe(const EventKeys& keys, const Event& event, std::vector<Finding>& out);

  std::uint64_t evictions() const { return apps_.evictions() + roles_.evictions() + tenants_.evictions(); }
  std::uint64_t memory_bytes() const { return apps_.memory_bytes() + roles_.memory_bytes() + tenants_.memory_bytes(); }
  std::uint64_t slots_used() const { return apps_.used() + roles_.used() + tenants_.used(); }
  const TailCalibrator& calibrator(Kind kind) const { return tails_[static_cast<std::size_t>(kind)]; }

  template <class Visit>
  void each_tail(Visit visit) const {
    for (const TailCalibrator& tail : tails_) visit(tail.name(), tail);
  }

  void ablate(const Ablation& parts);

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  static constexpr std::size_t scales = 3;
  struct Window {                // decayed to last_ns
    std::int64_t last_ns;
    double weight[scales];       // of an app: operations; of others: what is to be compared with `sum`
    double sum[scales];          // of an app: x - u; of others: of errors x, of latency x - u
  };
  struct Gauge {                 // of one kind of an app: what every operation needs
    Window window;
    float mean;                  // u, drawn to the role's
    float block_events, block_sum, block_squares;  // of x - u
  };
  struct Level {
    float events, mean, variance;
  };
  struct Past {                  // of one kind of an app
    Level level;                 // its own
    float variance;              // v, drawn to the role's
    float usual;                 // phi
    float top;                   // largest D of this block
    float counted;               // score that the tail has learnt of this run of hot blocks; 0 = none
    float told;                  // score when it was told last in this run; 0 = not told
    std::uint32_t first_s;
    std::uint32_t blocks;        // learnt
  };
  struct alignas(64) App {
    Key key;
    Key role;                    // of its first event
    Gauge errors;
    Gauge latency;
    std::uint16_t quota;
    alignas(64) Past past_errors;
    alignas(64) Past past_latency;
    std::uint64_t rank() const { return rank_of_use(std::max(errors.window.last_ns, latency.window.last_ns),
                                                         std::max(past_errors.level.events, past_latency.level.events)); }
  };
  struct alignas(64) Others {    // apps of one role, or of one tenant
    Key key;
    Window errors;               // weight: failures that were to come
    Level past_errors;
    std::uint16_t quota;
    alignas(64) Window latency;  // weight: operations
    Level past_latency;
    std::uint64_t rank() const { return static_cast<std::uint64_t>(std::max(errors.last_ns, latency.last_ns) / 1'000'000'000); }
  };
  struct Standing {
    double score = 0;
    std::size_t scale = 0;
    double shock = 0;            // factor, or shift of logs
    double dispersion = 1;
  };
  struct Now {
    Kind kind;
    std::int64_t time_ns;
    Others& role;
    Others& tenant;
  };

  void add(App& app, const Now& now, float value, std::vector<Finding>& out);
  void begin(App& app, const Now& now, float value);
  void close_block(App& app, const Now& now);
  void learn_run(Past& past, const Now& now, double score);
  /// What is usual of this app from now on.
  void settle(Gauge& gauge, Past& past, const Now& now, double first) const;
  Standing stand(const Gauge& gauge, Past& past, const Now& now) const;
  static double shock(const Gauge& gauge, const Past& past, const Now& now, std::size_t scale);
  void tell(const Gauge& gauge, Past& past, const Standing& at, const Now& now, std::vector<Finding>& out);
  bool worth_telling(const Gauge& gauge, const Past& past, const Standing& at, const Now& now) const;
  double rate_max() const { return false_alerts_per_day_ / kinds; }
  /// The least score that is a finding.
  double bar(Kind kind, std::int64_t time_ns);

  const double false_alerts_per_day_, handed_over_, hot_;
  bool winsorising_ = true, pooling_ = true;
  std::size_t first_scale_ = 0, end_scale_ = scales;
  SlotTable<App> apps_;
  SlotTable<Others> roles_, tenants_;
  std::vector<TailCalibrator> tails_;  // by kind
  std::array<double, kinds> bars_{};
  std::array<std::int64_t, kinds> bars_until_ns_{};

  static Gauge& gauge_of(App& app, Kind kind) { return kind == Kind::errors ? app.errors : app.latency; }
  static Past& past_of(App& app, Kind kind) { return kind == Kind::errors ? app.past_errors : app.past_latency; }
  static Window& window_of(Others& others, Kind kind) { return kind == Kind::errors ? others.errors : others.latency; }
  static Level& level_of(Others& others, Kind kind) { return kind == Kind::errors ? others.past_errors : others.past_latency; }
  static void advance(Window& window, std::int64_t time_ns, std::int64_t least_ns);
  static void count(Window& window, std::int64_t time_ns, float weight, float value);
  static void learn(Level& level, double keep, double events, double mean, double variance);
};

}  // namespace tidewaiter::detect
