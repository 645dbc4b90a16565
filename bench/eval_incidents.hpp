// From findings to incidents, and what incidents say of planted ones. The rule, fixed before anything was compared
// (docs/detectors.md, "Evaluation"):
// - Findings at or above the threshold join an incident when they share its principal (its app, when they name none) or its
//   destination within 60 minutes; a finding that belongs to two joins them; after 6 hours an incident takes no more.
// - A finding is of a planted incident when it names its principal (or no principal, and its app) and its window overlaps
//   the time of the planted one, 5 minutes after its end included. It counts as detection when that is so for the time in
//   which harm is done; the delay runs from the begin of the harm to the event time of the verdict.
// - An incident is false when none of its findings is of a planted one. Only findings of the judged half count at all.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::bench {

struct Finding {
  std::int64_t time_ns = 0, start_ns = 0, end_ns = 0;  // verdict, and the window that was judged; event time
  double score = 0;
  detect::Key principal = 0, app = 0, destination = 0;  // 0 = names none
  std::uint32_t kind = 0;                               // of the detector's own; 0 = policy, outside of the budget
};

/// The truth file of `tidewaiter generate`.
struct Truth {
  struct Planted {
    std::string scenario;
    std::vector<detect::Key> principals;
    detect::Key app = 0;
    std::int64_t start_ns = 0, end_ns = 0, counts_from_ns = 0;
  };
  std::vector<Planted> planted;
  std::int64_t learning_end_ns = 0, end_ns = 0;
  std::uint64_t events = 0;
  nlohmann::ordered_json about;  // generator and company, as they stand there

  /// Errors: not_found, invalid_argument.
  static Result<Truth> read(const std::string& path);
  double judged_days() const { return static_cast<double>(end_ns - learning_end_ns) / 86'400e9; }
};

/// The findings of one detector, of which the highest are kept: many more than any budget takes.
class Findings {
 public:
  explicit Findings(std::int64_t from_ns) : from_ns_(from_ns) {}
  void add(const Finding& finding);

  /// Figures of all findings, or of as many of the highest as make no more than `incidents_per_day` (the first such
  /// number coming from above, in steps of a tenth and then by bisection; ties are broken by a hash). `kinds`: names of Finding::kind for "found_by".
  nlohmann::ordered_json figures(const Truth& truth, const std::vector<std::string>& kinds);
  nlohmann::ordered_json figures_at(const Truth& truth, double incidents_per_day);

 private:
  static constexpr std::size_t kept = 100'000;
  struct Ranked {
    Finding finding;
    std::uint64_t tie;
  };
  void cut();
  std::int64_t from_ns_;
  std::vector<Ranked> ranked_;
  std::uint64_t added_ = 0;
};

}  // namespace tidewaiter::bench
