// Receipts: what detection judged, and what it did not, told once for every day of event time (UTC) that the watermark has
// passed: a record `detection_receipt` in the log `alerts`. It names the commits it covers, the events in them and those
// among them that no statistic saw (late, left out by sampling), what the memory bound cost, the alerts of each detector
// that was on, the detectors that were off, and the settings and the policy it all went by. The commits of one receipt
// begin with the one in which the receipt before it ended, so nothing is skipped in silence: commits that none of them
// covers were not judged. Days without an event have none; the next receipt covers them. Commits that never arrive are
// an alert by themselves (`detection.gap`).
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "detect/alert.hpp"
#include "detect/engine.hpp"

namespace tidewaiter::detect {

class Receipts {
 public:
  explicit Receipts(const EngineConfig& config);

  /// Counts since the first commit, of which a receipt tells the difference.
  struct Totals {
    std::uint64_t commit = 0;  // that is being judged
    std::uint64_t events = 0, late_events = 0, unscored_events = 0;
    std::uint64_t held_back = 0, evictions = 0, closed_early = 0;
    std::array<std::uint64_t, detector_count> alerts{};
  };

  /// Whether the watermark entered another day.
  bool due(std::int64_t watermark_ns) const { return watermark_ns >= next_ns_; }
  /// The receipt of the days that are over since the last one; none while they had no events.
  std::optional<Note> close(std::int64_t watermark_ns, const Totals& totals, std::string_view policy_hash);

  /// Hex; the same for engines that judge in the same way. The policy is not part of it.
  const std::string& settings_hash() const { return settings_hash_; }

  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  std::string on_, off_, settings_hash_;  // names of detectors, separated by ", "
  std::array<bool, detector_count> is_on_{};
  static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::min();
  std::int64_t start_ns_ = none, next_ns_ = none;  // of the first day that no receipt covers; of the day after this one
  Totals told_;
};

/// Commits [from, to] never came to detection.
Alert gap_alert(std::uint64_t from, std::uint64_t to, std::int64_t time_ns);

}  // namespace tidewaiter::detect
