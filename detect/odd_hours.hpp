// Odd hours: a principal acts at hours of the week at which neither it nor its role does.
//
// Each principal and each role has a profile: actions per hour for the 168 hours of a week, UTC (so a time zone is part of
// what is learnt), averaged over some ten weeks. An action from which bytes leave counts one, any other a half. What is
// expected of a principal in an hour shrinks what it did at this hour of earlier weeks to a prior: half what it does at
// this hour on other days, half its role's shape at its own pace (a Dirichlet-multinomial with the role as its base
// measure; Heard & Rubin-Delanchy, "Network-wide anomaly detection via the Dirichlet process", 2016), times what
// it did beyond expectation in its last ten busy hours (a release makes nights busy too), times what the other members of the
// role do beyond expectation right now. Hours below a third of the principal's average are odd; only in
// those is anything judged, for a burst at a busy hour is no matter of rhythm. With c actions in an odd hour (and in two of them
// in a row), m expected, from about k actions:
//
//   score = (c ln(c/m) - (c + k) ln((c + k)/(m + k))) / D     nats: the negative binomial's deviance (gamma-Poisson),
//   D = sum (c - m)^2 / sum m (1 + m / k) over odd hours, shrunk to the role's and at least 1 (quasi-likelihood; McCullagh & Nelder
//       1989, ch. 9): who does things ten at a time gets no score for ten
//
// Judged at every action, against the whole hour's expectation, so the score only rises within an hour. The highest score of a
// night is one observation of the tail, learnt when the night is over. What was told is news again only if it is more.
// Hot hours are learnt winsorised. Machines (services, hosts), which come in batches, have a tail of their own; CI jobs are left out:
// a build comes when somebody pushes.
//
// Cost: a line of the principal's and of the role's slot per event; the profile itself is touched once per principal and hour.
#pragma once

#include <cstdint>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/slot_table.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class OddHours {
 public:
  /// `findings_per_day`: what is rarer than this on ordinary days is worth an alert. Findings up to `handed_over` times as
  /// frequent are given as well.
  OddHours(std::uint64_t memory_bytes, double findings_per_day, double handed_over);

  struct Finding {
    double observed = 0;        // actions, those without bytes that leave counted half
    double expected = 0, upper = 0;  // 99 % of such hours stay below
    double not_below = 0;       // no finding below so many
    double pace = 0;            // actions an hour over the whole week
    double busy_factor = 1;     // by how much it exceeded its expectation in its last busy hours
    double role_factor = 1;     // by how much the rest of the role exceeds its own expectation now
    int hours = 1;              // 1 or 2, the last of which holds the event
    std::int64_t start_ns = 0;  // of the first of them
    double score = 0, rate_per_day = 0, bar_per_day = 0, p_value = 1;  // rates below the bar are worth an alert
    CalibrationState calibration;
    double weeks = 0;           // of history
    std::int64_t first_ns = 0;
    EvidenceRef first;          // of the hour; the event at hand is the last
  };

  void prefetch(const EventKeys& keys) const;
  /// Some time after prefetch(): asks for the hours of the week where one has ended.
  void prefetch_hours(const EventKeys& keys, const Event& event) const;
  /// An event that is not late.
  void observe(const EventKeys& keys, const Seen& seen, std::vector<Finding>& out);

  std::uint64_t evictions() const { return profiles_.evictions(); }
  std::uint64_t slots_used() const { return profiles_.used(); }
  std::uint64_t memory_bytes() const { return profiles_.memory_bytes(); }
  const TailCalibrator& calibrator(bool of_machines) const { return tails_[of_machines]; }

  void ablate(const Ablation& parts) {
    for (TailCalibrator& tail : tails_) tail.ablate(parts);
    winsorising_ = parts.winsorising;
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  static constexpr std::size_t week_hours = 168;

  /// A rate that is not negative, in 16 bits: a float without its lower half.
  struct Rate {
    std::uint16_t bits;
    float get() const;
    void set(float rate);
  };
  struct alignas(64) Profile {
    Key key;
    std::uint32_t first_hour, hour;   // since 1970; the hour that is being counted
    float count, count_before;        // in it, and in the odd one before it
    float mean, mean_before;          // what was expected of them
    float level;                      // actions an hour over the week
    float squares, means;             // of odd hours: (count - mean)^2 and mean, forgotten
    float peak;                       // highest score of the night
    float told;                       // highest score told
    std::uint32_t peak_hour, told_hour;
    std::uint16_t quota;
    bool odd;                         // the hour is
    bool machine;
    EvidenceRef first;                // of the hour
    Rate rates[week_hours];
    float busy_count, busy_mean;      // of hours that are not odd, the last ten or so
    std::uint16_t spare[4];
    std::uint64_t rank() const { return rank_of_use(std::int64_t{hour} * 3'600'000'000'000, level * 24); }
  };
  static_assert(sizeof(Profile) == 448);
  struct Standing {
    double count = 0, mean = 0, shape = 1, score = 0;
    int hours = 1;
  };

  static Key role_key(const EventKeys& keys) { return combine(keys.role, 0x0dd); }
  static double weeks(const Profile& profile);
  /// False for a straggler of an hour that is over. `role` of a principal, nullptr of a role itself.
  bool enter(Profile& profile, std::uint32_t hour, Profile* role);
  void close_hours(Profile& profile, std::uint32_t hour, Profile* role);
  static void learn_dispersion(Profile& own, Profile& role, float count, float mean, float weeks);
  void end_night(Profile& profile, std::uint32_t hour);
  static double expectation(const Profile& own, const Profile& role, std::uint32_t hour);
  static double dispersion(const Profile& own, const Profile& role);
  Standing stand(const Profile& own, const Profile& role, double factor) const;
  Finding find(const Profile& own, const Profile& role, const Standing& at, double bar, const EvidenceRef& last) const;
  void judge(Profile& own, const Profile& role, const Seen& seen, std::vector<Finding>& out);

  TailCalibrator& tail_of(const Profile& own) { return tails_[own.machine]; }
  double findings_per_day(const Profile& own) const;

  const double findings_per_day_, handed_over_;
  bool winsorising_ = true;
  SlotTable<Profile> profiles_;
  TailCalibrator tails_[2];  // of agents and people, of machines
};

}  // namespace tidewaiter::detect
