// Feedback: what people have said of alerts, and what they want to be kept silent. Both are control records, which take
// effect at their place in the commit, so a replay goes by them at the same place (semantics 15, 16):
//   {"type":"verdict","uid":U,"alert":UID,"alert_time":T,"verdict":"true"|"false"|"benign","until":T (benign alone),
//    "owner":"..","reason":"..","findings":[TARGET, ..]}
//   {"type":"suppression","uid":U,"until":T,"owner":"..","reason":"..","target":TARGET}
//   {"type":"suppression_end","uid":U of the suppression,"owner":"..","reason":".."}
//   TARGET: {"detector","rule","entity":{"type","id","tenant"},"dst_host"}; what is left out or empty fits anything.
//
// Verdicts are the prior of a (detector, rule, entity): the rate of its findings counts as that rate times
//   factor = 2^clamp(F - T, -2, 4),   F, T = sum over its false, true verdicts of 2^(-age / 28 days)
// The odds of "worth a look" are halved by each false alarm and doubled by each true one; a verdict fades as what the
// detectors have learnt does. The rate goes into what its incident weighs (incidents.hpp).
// The newest verdict on an alert counts. "benign" is no prior: it suppresses its findings (with their destination) until
// its end. A suppression never concerns policy, whose rules have exceptions. What it keeps silent is counted and told,
// once per suppression and UTC day of event time, and when it ends; alerts come again from its end on, in event time.
//
// One thread owns it. Asked once per finding, not per event. Bounded: beyond `verdicts_max` the oldest verdict is
// forgotten, beyond `suppressions_max` the suppression that ends first.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "detect/alert.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::detect {

class Feedback {
 public:
  static constexpr std::int64_t half_life_ns = 28ll * 86'400 * 1'000'000'000;
  static constexpr double raised_max = 16, lowered_max = 4;  // factor lies in [1 / lowered_max, raised_max]
  static constexpr std::size_t verdicts_max = 4096, suppressions_max = 1024, uses_max = 4096;

  struct Target {
    std::string detector, rule, entity_type, entity, tenant, dst_host;  // "" fits anything
    bool fits(const Alert& alert) const;
  };
  struct Suppression {
    Target target;
    std::string owner, reason;
    std::string alert;           // uid of the alert whose verdict made it; "" = it was asked for by itself
    std::int64_t until_ns = 0;   // findings of this time and later are told again
  };

  /// A control record of one of the three types; others are passed over. `now_ns`: the watermark, or Watermark::none.
  /// Throws nlohmann::json::exception, with nothing changed, on a member of another type.
  void apply(const nlohmann::json& record, std::int64_t now_ns);

  struct Prior {
    std::uint64_t trues = 0, falses = 0;  // verdicts that are remembered
    double factor = 1;
  };
  Prior prior(std::string_view detector, std::string_view rule, std::string_view entity_type, std::string_view entity,
              std::string_view tenant, std::int64_t time_ns) const;

  /// Whether a finding of a statistical detector is suppressed, which is counted then. Its rate and its explanation get the
  /// prior; a rate of 0 says that there is none to raise.
  bool silences(Alert& finding);

  using Tell = std::function<void(const Note&)>;
  /// The watermark moved, a record was applied or a finding suppressed: uses of days and of suppressions that are over are
  /// told, and all of them when there are more than `uses_max`.
  void close(std::int64_t watermark_ns, const Tell& tell);
  /// Earliest time at which close() has something to do.
  std::int64_t next_close_ns() const { return next_close_ns_; }

  /// By uid; some may have ended since the last close().
  const std::map<std::string, Suppression>& suppressions() const { return suppressions_; }
  std::size_t verdicts() const { return verdicts_.size(); }
  std::uint64_t suppressed() const { return suppressed_; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  enum class Verdict : std::uint8_t { true_alert, false_alert };
  struct Given {
    Verdict verdict;
    std::int64_t time_ns;
  };
  /// Findings that one suppression kept silent on one day.
  struct Use {
    std::uint64_t count = 0;
    std::string owner, reason, first_title;
    std::int64_t until_ns = 0;
    Detector detector = Detector::policy;  // of the first, as are rule, tenant and evidence
    std::string rule, tenant;
    EvidenceRef first;
  };
  using DayOf = std::pair<std::int64_t, std::string>;  // day, uid of the suppression

  void take_back(const std::string& alert);
  void give(Verdict verdict, const std::vector<Target>& findings, const std::string& alert, std::int64_t time_ns);
  void suppress(std::string uid, Suppression suppression);
  void end(const std::string& uid);
  void count_use(const std::string& uid, const Suppression& suppression, const Alert& alert);
  void want_close(std::int64_t time_ns) { next_close_ns_ = std::min(next_close_ns_, time_ns); }

  std::map<std::pair<Key, Key>, Given> verdicts_;    // (detector, rule and entity; alert)
  std::map<std::string, Suppression> suppressions_;  // by uid
  std::map<DayOf, Use> uses_;
  std::uint64_t suppressed_ = 0;
  std::int64_t next_close_ns_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace tidewaiter::detect
