// Beacon: a principal that calls a destination outside at regular intervals, as implants do and people do not.
//
// Per edge (principal, destination) the last 32 gaps are kept, each from an event back to the newest one before it of about the
// same size (within a factor of 1.7, of the last four): ordinary transfers in between, of other sizes, leave the gaps
// of a beacon whole, and those of constant size are found first. Events less than 30 s after that one are the same call.
// A gap is *like* the newest one when it is within 19 % of it. A Poisson process, however its rate changes (a mixture of
// exponentials), has at most q0 = 15 % of its gaps in any interval so wide: max over x of exp(-x) - exp(-1.5 x). With h of the
// last n gaps like the newest,
//
//   score = max over n in {8, 12, 16, 24, 32} of  n KL(h/n || q)     nats: Chernoff's bound of the binomial tail
//   q = max(q0, what was usual for this edge before these 32 gaps, shrunk to its role's edges)
//
// so backups, heartbeats and other edges that have always been regular are no news, nor are new ones in roles that are
// all regular. (Hu et al., "BAYWATCH: robust beaconing detection", DSN 2016, for what has to be robust; the statistic
// here is one of counts instead of spectra, since jitter adds up from call to call and leaves no line in a spectrum.)
// The highest score of a regular stretch is one observation of the tail. Usual shares are learnt from gaps that leave the
// 32, at a quarter of the pace while the edge is hot.
//
// Cost: one slot of 128 bytes per event.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/slot_table.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class Beacon {
 public:
  /// `findings_per_day`: what is rarer than this on ordinary days is worth an alert. Findings up to `handed_over` times as
  /// frequent are given as well.
  Beacon(std::uint64_t memory_bytes, double findings_per_day, double handed_over);

  struct Finding {
    std::int64_t period_ns = 0;
    int like = 0, gaps = 0;          // so many of the last gaps are like the newest
    double usual = 0;                // share of such gaps before
    int not_below = 0;               // no finding with fewer of them
    double score = 0, rate_per_day = 0, bar_per_day = 0, p_value = 1;  // rates below the bar are worth an alert
    CalibrationState calibration;
    std::int64_t since_ns = 0;       // of the regular stretch
    std::int64_t first_ns = 0;       // of the edge
    std::uint64_t events = 0;        // on it
    EvidenceRef first;               // of the stretch; the event at hand is the last
  };

  /// Events to other than internal destinations.
  static bool asks(const EventKeys& keys, const Event& event);
  void prefetch(const EventKeys& keys) const { edges_.prefetch(edge_key(keys)); }
  /// An event that is not late and of which asks() is true.
  void observe(const EventKeys& keys, const Seen& seen, std::vector<Finding>& out);

  std::uint64_t evictions() const { return edges_.evictions() + roles_.evictions(); }
  std::uint64_t slots_used() const { return edges_.used() + roles_.used(); }
  std::uint64_t memory_bytes() const { return edges_.memory_bytes() + roles_.memory_bytes(); }
  const TailCalibrator& calibrator() const { return tail_; }

  void ablate(const Ablation& parts) {
    tail_.ablate(parts);
    winsorising_ = parts.winsorising;
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  static constexpr std::size_t gaps_kept = 32, events_kept = 4;

  struct alignas(64) Edge {
    Key key;
    std::uint32_t last_s[events_kept];  // newest first, 0 = none
    std::uint8_t sizes[events_kept];    // in eighths of an octave
    std::uint8_t gaps[gaps_kept];       // a ring, in twelfths of an octave
    std::uint32_t seen;                 // gaps, all that there were
    std::uint32_t first_s;
    std::uint32_t since_s, hot_s;       // of the regular stretch: its beginning, its newest high score
    std::uint32_t told_s;
    std::uint16_t peak, told;           // highest score of the stretch, highest one told; in 1/256 nats
    std::uint16_t alike;                // sum over the current 32 gaps of the share that was like them, in 1/256
    std::uint16_t usual;                // mean of that share over the rounds before, in 1/65535
    std::uint16_t rounds;               // of 32 gaps that `usual` is made of
    std::uint16_t quota;
    std::uint8_t pending;               // share of the round that is over but not learnt yet, in 1/255
    bool has_pending;
    std::uint16_t unused;
    EvidenceRef first;                  // of the stretch
    std::uint64_t rank() const { return rank_of_use(std::int64_t{last_s[0]} * 1'000'000'000, static_cast<float>(seen)); }
  };
  static_assert(sizeof(Edge) == 128);
  struct alignas(64) Role {
    Key key;
    std::uint32_t last_s;
    float usual, rounds;
    std::uint16_t quota;
    std::uint16_t unused[21];
    std::uint64_t rank() const { return last_s; }
  };
  struct Standing {
    int like = 0, gaps = 0;
    double score = 0;
  };

  static Key edge_key(const EventKeys& keys) {
    return combine(keys.principal != 0 ? keys.principal : keys.app, keys.destination ^ 0xbeac);
  }
  /// Seconds since the newest event of about this size, or 0; takes the event in.
  static std::uint32_t gap_before(Edge& edge, std::uint32_t time_s, std::uint8_t size);
  /// A bit for each of the last gaps that is like this one, the newest at bit 31.
  static std::uint32_t like_mask(const Edge& edge, std::uint8_t gap);
  static Standing stand(const Edge& edge, std::uint32_t mask, double usual);
  double usual_of(const Edge& edge, const EventKeys& keys) const;
  Finding find(const Edge& edge, const Standing& at, double period_s, double usual, double bar, const EvidenceRef& last) const;
  void judge(Edge& edge, std::uint8_t gap, std::uint32_t mask, double usual, const Seen& seen, std::vector<Finding>& out);
  void learn(Edge& edge, std::uint8_t gap, std::uint32_t mask, const EventKeys& keys);
  void learn_role(const EventKeys& keys, double share, double weight, std::uint32_t time_s);
  void end_stretch(Edge& edge, std::uint32_t time_s);

  const double findings_per_day_, handed_over_;
  bool winsorising_ = true;
  SlotTable<Edge> edges_;
  SlotTable<Role> roles_;
  TailCalibrator tail_;
};

}  // namespace tidewaiter::detect
