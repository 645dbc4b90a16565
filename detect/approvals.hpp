// Approvals: sensitive actions that need a human's word before them. An approval event (action approve, with a
// decision) is remembered under its approval id, correlation, session and resource; the last four decisions each.
// An action without an approval so far waits, and is judged when the watermark passes its event time + grace
// (semantics 19). An action that *names* an approval which nobody has seen yet waits longer (grace_named): approvals
// come from other systems and may be on their way. One that was approved by an agent only is judged at once by grace.
// Bounded: when too many wait, those due first are judged early, which is counted.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/rule.hpp"
#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class Approvals {
 public:
  Approvals(std::uint64_t memory_bytes, std::int64_t default_grace_ns);

  /// An event that may be an approval.
  void note(const EventKeys& keys, const Event& event);

  struct Action {
    Key rule = 0;
    std::uint32_t approver_as = 0;  // what the principal would look like as its own approver
    std::uint8_t named = 0;         // the action names an approval id
    std::uint8_t waited = 0;        // judged once already
    std::array<Key, 4> keys{};      // by ApprovalMatch; 0 = the action has none
    Alert alert;                    // who and when; the rest is told at the verdict
  };
  /// An action that `rule` is about: forgotten when it is approved already, else it waits.
  void wait(const Rule& rule, const EventKeys& keys, const Seen& seen, std::int64_t watermark_ns);

  struct Verdict {
    Action action;
    std::string_view why;  // end of a sentence; a constant
    std::int64_t time_ns = 0;  // event time of the verdict
  };
  /// Actions whose time has come and that lack an approval, in order of due time and arrival.
  void close(std::int64_t watermark_ns, const Policy::Compiled& policy, std::vector<Verdict>& out);
  std::int64_t next_close_ns() const;
  bool overflowing() const { return overflowing_; }

  std::uint64_t pending() const { return pending_.size(); }
  std::uint64_t judged_early() const { return judged_early_; }
  const auto& table() const { return table_; }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  struct alignas(64) Slot {
    Key key;
    std::int64_t time_ns[4];
    std::uint32_t approver[4];
    std::uint8_t kind[4];  // bits below; 0 = none
    std::uint16_t quota, next;
    std::uint64_t rank() const { return static_cast<std::uint64_t>(*std::max_element(time_ns, time_ns + 4)); }
  };
  struct Search {
    bool approved = false, seen = false;
    std::string_view why;
  };
  void remember(Key key, std::uint16_t quota, const Event& event);
  Search search(const Rule& rule, const Action& action);
  bool search_one(const Rule& rule, const Action& action, const Slot& slot, Search& result) const;
  std::int64_t grace(const Rule& rule) const { return rule.grace_ns >= 0 ? rule.grace_ns : default_grace_ns_; }
  std::int64_t grace_named(const Rule& rule) const {
    return rule.grace_named_ns >= 0 ? rule.grace_named_ns : grace(rule);
  }

  const std::int64_t default_grace_ns_;
  const std::size_t pending_max_;
  SlotTable<Slot> table_;
  std::map<std::pair<std::int64_t, std::uint64_t>, Action> pending_;  // by due time and arrival
  std::uint64_t arrivals_ = 0, judged_early_ = 0;
  bool overflowing_ = false;
};

}  // namespace tidewaiter::detect
