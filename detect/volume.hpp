// Volume: more bytes leaving than this principal, pair or app ever sends.
//
// Series: (principal, destination), principal, app, each per observer (bytes of different observers are never summed),
// at 5 min, 1 h and 1 day of event time; a 5-min sum rolls up into the hour, the hour into the day. A window is judged
// when the watermark passes its end: pairs first, then principals, then apps, so what one of them explains is taken out
// of the others and of the longer windows and is told once.
//
// Model of x = ln(1 + bytes) of an active window (a hurdle: windows without bytes only lower the rate of activity):
//   r = x - season(role, t) - shock,   season: season.hpp; shock: what the other members of the role have in common now
//   body: tracked 80 % quantile q by stochastic approximation (Robbins & Monro 1951), whose bounded steps are the
//         winsorising: one huge window moves it no further than a slightly large one
//   tail: exponential excess over q, its scale shrunk to the pool's (principal's pairs, role, tenant); with a gamma
//         prior its predictive law is Lomax = generalised Pareto (peaks over threshold, Pickands 1975):
//         P(r > q + y) = 0.2 * active * (1 + y / (m k))^-k,  k = prior weight + excesses seen
// The season of a role is scaled by an amplitude of the series' own (0 to 1), so who works while its role rests is no
// surprise. Days are also judged together (ramp.hpp): r against the level, a mean that takes 50 days to follow and is
// winsorised harder while a ramp is under way, less what the role's other series have in common; a finding restarts it. Of
// pairs, days with more high windows of 5 min than usual count towards it (HighDays).
// Of pairs an hour is judged by its windows of 5 min together as well (a stretch): the sum of what their scores have beyond
// 2 nats, each winsorised at 7 beyond, so that it takes more than one. That is a cumulative sum of scores
// (CUSUM, Page 1954) cut at hours; how often such sums come up is counted like all else.
// Score = -ln P. The rate of such scores per kind and scale comes from TailCalibrator. An alert needs a rate below its
// share of the false alert budget, where what is counted is what could be told, a run of high windows once; range
// novelty (above everything seen in the series), the least bytes that matter, and history; a new destination is judged
// by the principal's usual destinations; a cold principal is left to policy.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "detect/key_index.hpp"
#include "detect/names.hpp"
#include "detect/ramp.hpp"
#include "detect/season.hpp"
#include "detect/tail.hpp"
#include "detect/windows.hpp"

namespace tidewaiter::detect {

class Volume {
 public:
  /// What is up to `handed_over` times as frequent as its bar is a finding, too: others of its incident and verdicts of people may
  /// make it an alert. What is rarer than `hot` times its bar is learnt winsorised.
  Volume(std::uint64_t memory_bytes, double false_alerts_per_day, double bytes_min, Names& names, double handed_over = 1,
         double hot = 1);

  /// A window beyond its expectation; all sums in bytes.
  struct Finding {
    Window window{};
    double expected = 0, upper = 0;  // median-like level, and what 99 % stay below
    double largest_before = 0;
    double not_below = 0;            // no alert below so many bytes
    double score = 0, rate_per_day = 0, p_value = 1;
    CalibrationState calibration;
    double bar_per_day = 0;          // rates below it are worth an alert
    double windows_seen = 0;
    std::int64_t first_s = 0;
    bool stretch = false;            // several windows of 5 min that together are more than usual
    bool ramp = false;               // the last of days that together are more than usual, none of them by itself
    bool from_pool = false;          // a new destination, judged by the principal's others
    double shock = 0;                // factor that the role's members share in this window
    double high_nats = 0, high_expected = 0, high_score = 0;  // ramps of pairs: of the day's high windows; their part of the score
  };

  /// In two steps, some events apart: the second needs what the first asked for.
  void prefetch(const EventKeys& keys, const Event& event) const;
  void prefetch_windows(const EventKeys& keys, const Event& event) const;
  /// Adds an event that is not late. `out` gets what has to be judged early when the windows are full.
  void observe(const EventKeys& keys, const Seen& seen, std::vector<Finding>& out);
  /// Judges all windows that end at or before the watermark, in order.
  void close(std::int64_t watermark_ns, std::vector<Finding>& out);
  std::int64_t next_close_ns() const;

  std::uint64_t open_windows() const { return windows_.open(); }
  std::uint64_t closed_early() const { return closed_early_; }
  std::uint64_t evictions() const { return series_.evictions(); }
  std::uint64_t slots_used() const { return series_.used() + windows_.open(); }
  std::uint64_t memory_bytes() const {
    return series_.memory_bytes() + windows_.memory_bytes() + seasons_.memory_bytes();
  }
  const TailCalibrator& calibrator(SeriesKind kind, std::size_t scale) const {
    return tails_[static_cast<std::size_t>(kind) * scales + scale];
  }

  template <class Visit>
  void each_tail(Visit visit) const {
    for (const TailCalibrator& tail : tails_) visit(tail.name(), tail);
  }

  void ablate(const Ablation& parts) {
    parts_ = parts;
    for (TailCalibrator& tail : tails_) tail.ablate(parts);
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

  static bool leaves(const Event& event);

 private:
  struct Scale {
    float level, quantile, excess, largest, windows;
    float run;        // highest score learnt of the run of high windows that is under way, 0 = none
    float amplitude;  // of the role's season in this series, less 1
  };
  struct alignas(64) Series {
    Key key;
    std::uint32_t first_s, last_s;
    std::uint16_t quota;
    std::uint16_t stretch_run;  // as in Scale, in 1/64 nats
    HighDays highs;             // of pairs
    Scale scale[scales];
    Ramp ramp;        // of days
    float ramp_run;
    std::uint64_t rank() const { return last_s; }
  };
  struct Judged {
    std::uint32_t slot;
    std::uint32_t role;         // in sums_
    std::uint32_t high_of = 0;  // in highs_, of pairs: what its principal has
    std::uint64_t bytes;
    double x, season;  // of these bytes; the role's
    double deviation;  // of the member's own level, clipped
  };
  /// Of high windows of days of pairs, winsorised; and what is usual.
  struct HighSum {
    double nats = 0, usual = 0;
  };
  struct RoleSum {
    Key role;
    double season;
    double sum, seasonal;  // of deviations, and of what the season should have said
    std::uint32_t members;
    HighSum highs;
  };
  struct Expectation {
    double quantile, excess, weight;
    const Scale* own;
    std::int64_t first_s;
    bool warm, from_pool;
  };
  struct Standing {
    double x = 0, r = 0, season = 0, shock = 0, active = 1, score = 0;
    double common = 0;  // of days: how much more or less than usual the role sends
  };
  struct Rarity {
    double rate, bar;  // a day, infinite while there is no history; nats
  };

  /// Calls visit(kind, series) for each series that the event counts to, in the order of judgement.
  template <class Visit>
  static void each_series(const EventKeys& keys, const Event& event, Visit visit);
  void add(SeriesKind kind, Key series, const EventKeys& keys, const Seen& seen, bool& named,
           std::vector<Finding>& out);
  void close_first_group(std::vector<Finding>& out);
  void collect(const WindowTable::Group& group, std::size_t scale);
  void place(Judged& judged, std::size_t scale);
  void prefetch_judgement(const Window& window) const;
  void prefetch_longer(const Judged& judged) const;
  void judge(const Judged& judged, std::size_t scale, std::vector<Finding>& out);
  static Expectation expect(const Window& window, const Series& series, const Series* pool, std::size_t scale);
  /// Whether the window is a finding, which goes to `out`; learns the score.
  bool alerts(Window& window, Series& series, const Expectation& expected, const Standing& at, std::size_t scale,
              std::vector<Finding>& out);
  /// The same for the ramp that ends with this day; `told`: the day itself is a finding.
  bool judge_ramp(const Window& window, const Judged& judged, Series& series, const Expectation& expected,
                  const Standing& at, bool told, std::vector<Finding>& out);
  /// The same for the windows of 5 min of this hour together.
  bool judge_stretch(const Window& window, const Judged& judged, Series& series, const Expectation& expected,
                     const Standing& at, bool told, std::vector<Finding>& out);
  /// What the high windows of this day of a pair and those of the days before add to the score of a ramp; keeps it.
  struct Highs {
    double nats, expected, score;
  };
  Highs add_highs(const Window& window, const Judged& judged, Series& series) const;
  static bool rests(const Judged& judged, const Standing& at);
  /// How rare a score is and from where it would be an alert. Learns it; `run`: see Scale.
  Rarity rarity(TailCalibrator& tail, double score, double rate_max, float& run, std::int64_t time_ns) const;
  /// What the score says: how rare it is, in which state of calibration.
  static void weigh(Finding& finding, const TailCalibrator& tail, double score, const Rarity& rare, double rate_max);
  Finding find(const Window& window, const Expectation& expected, const Standing& at, double bar) const;
  /// `pool` is null when there is none yet.
  void learn_window(const Window& window, const Judged& judged, const Standing& at, Series* series, Series* pool,
                    std::size_t scale, bool hot);
  double shock_of(const Judged& judged, const Window& window, std::size_t scale) const;
  double common_of(const Judged& judged) const;
  /// Of a pair: how much more than usual the pairs of the role's other principals send in this window, 0 or more.
  double shock_of_others(const Judged& judged, const Window& window, std::size_t scale);
  /// Of a day of a pair: the factor by which these others have more high windows than usual, 1 or more.
  double high_factor_of_others(const Judged& judged) const;
  void count_highs(Judged& judged, const Window& window, const Series& series, RoleSum& role);
  double level_clip(const Series& series, std::size_t scale) const;
  void learn(Scale& state, double r, double x, double prior_excess, double level_reach, std::size_t scale, bool hot);
  void learn_seasons(std::size_t scale);
  void explain_usual_away(const Window& window, double usual);
  void explain_away(const Window& window, std::uint64_t bytes);
  void roll_up(const Window& window);
  void open_named(Window& window, SeriesKind kind, Key series, const EventKeys& keys, const Event& event,
                  bool& named);
  static Key pool_key(const Window& window);

  const double false_alerts_per_day_, bytes_min_, handed_over_, hot_;
  Ablation parts_;
  Names& names_;
  SlotTable<Series> series_;
  WindowTable windows_;
  SeasonTable seasons_;
  std::vector<TailCalibrator> tails_;  // by kind and scale
  std::uint64_t closed_early_ = 0;

  // Scratch of one group, kept for its memory.
  std::vector<Judged> judged_;
  std::vector<RoleSum> sums_;
  KeyIndex sums_index_;
  std::vector<HighSum> highs_;  // by principal and role
  KeyIndex highs_index_;
  std::vector<std::uint32_t> roles_;  // those of sums_ with members, in the order of the first ones
  std::vector<std::pair<Key, double>> others_;  // principals of one role, deviations
  double middle_s_ = -1;
  Season::Vector features_;  // at middle_s_
};

}  // namespace tidewaiter::detect
