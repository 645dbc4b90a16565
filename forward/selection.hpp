// Selection: which records of a commit a connector wants, in the filter language. Walks a commit item by item and can
// stop anywhere, so that memory stays bounded however large the commit is.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "core/sampling.hpp"
#include "filter/filter.hpp"
#include "forward/format.hpp"
#include "forward/item.hpp"

namespace tidewaiter::forward {

/// Selected events that sampling left out, in runs: those with nothing else wanted between them are one. So there are no
/// more runs than items that wait, and one.
class LeftOut {
 public:
  using ByTier = std::array<std::uint64_t, risk_tiers>;

  void add(const Place& place, std::uint64_t tier);
  /// Something wanted stands behind the last run.
  void end_run() { open_ = false; }
  /// Of all runs that begin before `end`, which must lie behind them as a whole; they are forgotten.
  ByTier take_before(const Place& end);
  void clear();

  /// Since the beginning.
  const ByTier& total() const { return total_; }
  std::size_t runs() const { return runs_.size(); }

 private:
  struct Run {
    Place first;
    ByTier by_tier{};
  };
  std::deque<Run> runs_;
  ByTier total_{};
  bool open_ = false;
};

class Selection {
 public:
  /// "all", "off" or a filter. Error: invalid_argument, beginning with the key ("select_events: ...").
  static Result<Selection> compile(std::string_view alerts, std::string_view events, std::int64_t now_ns);

  bool wants_alerts() const { return alerts_.has_value(); }
  bool wants_events() const { return events_.has_value(); }

  /// Appends up to `items_max` wanted items to `out`, from `from` on; `from` then is the place to go on at.
  /// True when the commit has been walked to its end. `with_head`: the commit's head is wanted as well,
  /// at its last record. Events that `sampling` leaves out are counted in `left_out`.
  bool take(const Commit& commit, const std::vector<std::string>& log_names, bool with_head, const Sampling& sampling,
            Place& from, std::size_t items_max, std::vector<Envelope>& out, LeftOut& left_out) const;

 private:
  bool wants_alert(const Commit& commit, const Record& record) const;
  std::optional<filter::Filter> alerts_, events_;
};

}  // namespace tidewaiter::forward
