// AlertDiff: which alerts of two runs over the same log are the same, new, gone or moved. Streaming, with bounded memory:
// what meets its equal leaves at once, the rest waits to be paired until settle(). Pure; owned by one thread at a time.
//
// The same uid is the same alert. What is left is paired by (detector, rule, entity): at the same time and severity it
// is the same alert with other evidence, within a day it has moved; everything else is new or gone.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "app/scoring.hpp"

namespace tidewaiter::app {

enum class Run : std::uint8_t { before, after };

/// Alerts are compared when their time lies in [from_ns, to_ns); one that moved over an end of it has moved.
struct DiffRange {
  std::int64_t from_ns = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ns = std::numeric_limits<std::int64_t>::max();
  bool contains(std::int64_t time_ns) const { return from_ns <= time_ns && time_ns < to_ns; }
};

enum class Change : std::uint8_t { appeared, gone, moved };
inline constexpr std::size_t change_count = 3;

/// One changed alert, for people. `before` says what the other run had, of a moved one.
struct AlertChange {
  AlertFacts alert;
  std::int64_t before_ns = 0;
  std::string before_severity;
};

struct RuleDiff {
  std::uint64_t before = 0, after = 0, same = 0;
  std::array<std::uint64_t, change_count> changed{};
  std::array<std::vector<AlertChange>, change_count> examples;  // the earliest
};

class AlertDiff {
 public:
  static constexpr std::int64_t moved_within_ns = 86'400ll * 1'000'000'000;

  /// At most `waiting_max` alerts wait, then the older half of them is settled.
  explicit AlertDiff(DiffRange range, std::size_t examples_max = 3, std::size_t waiting_max = 100'000)
      : range_(range), examples_max_(examples_max), waiting_max_(waiting_max) {}

  void add(Run run, const AlertFacts& alert);
  /// No more alerts come.
  void settle() { settle_up_to(arrivals_); }

  /// By (detector, rule).
  const std::map<std::pair<std::string, std::string>, RuleDiff>& rules() const { return rules_; }
  std::uint64_t changed(Change change) const;
  std::uint64_t alerts(Run run) const;
  std::uint64_t same() const;
  /// Alerts settled before the end of the runs, to keep memory bounded: their equals may have come later.
  std::uint64_t settled_early() const { return settled_early_; }

 private:
  struct Waiting {
    AlertFacts alert;
    Run run;
    std::uint64_t arrival;
  };
  using ByUid = std::unordered_multimap<std::string, Waiting>;
  using Group = std::array<std::vector<Waiting>, 2>;

  void pair(const AlertFacts& before, const AlertFacts& after);
  void unpaired(Waiting waiting);
  void settle_up_to(std::uint64_t arrival);
  void settle_group(Group& group, std::uint64_t arrival);
  void add_example(RuleDiff& rule, Change change, AlertChange example);
  RuleDiff& rule_of(const AlertFacts& alert) { return rules_[{alert.detector, alert.rule}]; }

  DiffRange range_;
  std::size_t examples_max_, waiting_max_;
  std::array<ByUid, 2> waiting_;
  std::uint64_t arrivals_ = 0, settled_early_ = 0;
  std::map<std::pair<std::string, std::string>, RuleDiff> rules_;
};

}  // namespace tidewaiter::app
