// Incidents: what the statistical detectors find, put together to what is worth an alert.
//
// The rule. A finding has a rate r (how many like it a normal day brings over the whole company, as its detector is
// calibrated) and a share w of the false alerts, by detector and kind; all shares add up to 1. So q = r / w is how often
// findings as rare as this one come over all detectors. Detectors hand over everything with q below ten times
// B = false_alerts_per_day. A finding joins the open incident of its principal (of its app, when it names no principal)
// when that had one within 60 minutes and is not yet 6 hours old; else it opens one. By the rarest finding of each
// detector an incident comes
//
//   Q = 1 / sum over detectors of 1 / q
//
// times a day: the tail of the weighted Cauchy combination of p-values (Liu & Xie, "Cauchy combination test", JASA 2020),
// which holds under any dependence, keeps one strong finding as it is and adds weak ones up. Fisher's sum of ln q was tried
// and is worse: one new destination is news to flow and to volume, and such pairs would raise the bar for all that one
// detector sees alone. The incident is told as soon as Q < B, with what is rarest of it and all else that is known; nothing that
// is rare enough alone waits for anything else. It is told once more for each other detector whose own q is below B, and when
// a detector finds something a hundred times rarer than it told, a quarter of an hour or more ago. What else comes is counted with it. One
// destination for which one detector told of a principal is one incident with those who follow: they are counted until it
// has been quiet for 60 minutes, or for 6 hours at most, unless they are a hundred times rarer.
// What one rule told of a principal within 24 hours (a ramp: 7 days), of the same destination or of none, it tells again when
// it is a hundred times rarer; else it is counted: a ramp is no news every day. What gets rarer by lasting (a beacon) it does not tell
// again within that time at all.
// Then the budget (budget.hpp) must have room. Its last three fifths are for principals of whom nothing was told within 24 hours: more
// about the others has to be ten times rarer than that, and of the same incident, or of the same rule and destination,
// ten thousand times: who was told of a busy hour does not know of the flood that came later. An incident that it had no
// room for is counted once, and told when it grows rare enough for what is left.
//
// Cost: some dozens of findings a day; at most 4,096 incidents are open at once, the one quiet for longest is closed early.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "detect/ablation.hpp"
#include "detect/alerting.hpp"
#include "detect/budget.hpp"

namespace tidewaiter::detect {

class Incidents {
 public:
  /// Findings with less than `handed_over` times the told rate are wanted.
  static constexpr double handed_over = 10;

  /// `false_per_day`: B above; Alert::bar_per_day is B w.
  Incidents(double false_per_day, BudgetLimits limits, Alerting& alerting)
      : false_per_day_(false_per_day), budget_(limits, false_per_day), alerting_(alerting) {}

  /// A finding with its rate and bar, about `who`; `where` is its destination, 0 = none. Tells it, or keeps it in mind.
  void add(Alert finding, Key who, Key where);
  /// What has no rate (a source that fell silent): told if the budget has room.
  void tell_alone(const Alert& alert, Key who);
  /// The watermark moved: forgets incidents that are over.
  void close(std::int64_t watermark_ns);
  std::int64_t next_close_ns() const { return next_close_ns_; }

  void ablate(const Ablation& parts) { combined_ = parts.combination; }

  std::uint64_t open() const { return open_.size(); }
  std::uint64_t over_budget() const { return over_budget_; }
  std::uint64_t held_by_verdicts() const { return held_by_verdicts_; }
  std::uint64_t closed_early() const { return closed_early_; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  struct Part {                // of one detector; rates are q, 0 = none
    double per_day = 0;        // of its rarest finding
    double plain_per_day = 0;  // the same without verdicts
    double told_per_day = 0;   // of the rarest one told
    std::int64_t told_ns = 0;
    std::string title;
  };
  struct Incident {
    std::int64_t first_ns = 0, last_ns = 0;
    std::uint32_t findings = 0;
    bool told = false, held = false;  // held: there was no room for it
    std::array<Part, detector_count> parts;
    Alert rarest;              // what is told first
    double rarest_per_day = 0;
    Key rarest_where = 0;
  };
  struct Followed {
    std::int64_t first_ns = 0, last_ns = 0;
    double told_per_day = 0;
  };

  struct Lately {
    std::int64_t told_ns = 0, until_ns = 0;  // of the last one, and when it may be told anew
    double told_per_day = 0;  // of the rarest one
    Key where = 0;            // of the last one
  };

  Incident& incident_of(Key who, std::int64_t time_ns);
  double together(const Incident& incident, double Part::*rate) const;
  bool worth_it(const Incident& incident, const Alert& finding, double per_day, Key who, Key where) const;
  /// What the finding's rule told of the principal lately, of this destination or of none; nullptr = nothing.
  const Lately* lately(const Alert& finding, Key who, Key where) const;
  /// What was told under this key and is still known.
  const Lately* known(Key key, std::int64_t time_ns) const;
  /// Whether it is but more about what was told: of this incident, lately by this rule, or of this principal at all.
  bool more_of_it(const Incident& incident, const Alert& alert, double per_day, Key who, Key where) const;
  void remember(Key key, const Lately& told);
  void remember_told(const Alert& alert, double per_day, Key who, Key where);
  /// Whether the destination has alerted by this detector just now.
  bool follows(Detector detector, Key where, double per_day, std::int64_t time_ns);
  void follow(Detector detector, Key where, double per_day, std::int64_t time_ns);
  /// False when the budget has no room.
  bool tell(Incident& incident, Alert alert, double per_day, Key who, Key where);
  void explain(const Incident& incident, Alert& alert) const;
  void want_close(std::int64_t time_ns) { next_close_ns_ = std::min(next_close_ns_, time_ns); }

  const double false_per_day_;
  bool combined_ = true;
  Budget budget_;
  Alerting& alerting_;
  std::map<Key, Incident> open_;
  std::map<Key, Followed> followed_;  // by destination and detector
  std::map<Key, Lately> lately_;      // by principal and rule, and by principal
  std::uint64_t over_budget_ = 0, held_by_verdicts_ = 0, closed_early_ = 0;
  std::int64_t next_close_ns_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace tidewaiter::detect
