#include "detect/approvals.hpp"

#include <algorithm>
#include <limits>

#include "core/text.hpp"
#include "detect/words.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint8_t present = 1, positive = 2, by_human = 4;
constexpr std::uint64_t pending_bytes = 2048;  // what one waiting action may take, its names included

constexpr std::uint64_t approve_action = word::action("approve");
constexpr std::uint64_t approved = word::approval_decision("approved");
constexpr std::uint64_t user_type = word::principal_type("user");

std::array<Key, 4> match_keys(const EventKeys& keys, const Event& event) {
  std::array<Key, 4> found{};
  const auto set = [&](ApprovalMatch match, Str column, Key within) {
    if (event.has(column) && !event.get(column).empty())
      found[static_cast<std::size_t>(match)] =
          combine(combine(within, hash_name(event.get(column))), static_cast<std::uint64_t>(match) + 0xa00);
  };
  set(ApprovalMatch::approval_id, Str::approval_id, keys.tenant);
  set(ApprovalMatch::correlation, Str::correlation, keys.tenant);
  set(ApprovalMatch::session, Str::session, keys.tenant);
  set(ApprovalMatch::resource, Str::resource, keys.app);
  return found;
}

std::uint32_t approver_hash(std::string_view name) { return static_cast<std::uint32_t>(hash_name(name) >> 32 | 1); }

}  // namespace

Approvals::Approvals(std::uint64_t memory_bytes, std::int64_t default_grace_ns)
    : default_grace_ns_(default_grace_ns),
      pending_max_(std::max<std::size_t>(memory_bytes / 2 / pending_bytes, 64)),
      table_(memory_bytes / 2) {}

void Approvals::note(const EventKeys& keys, const Event& event) {
  if (event.get(Num::action) != approve_action || !event.has(Num::approval_decision)) return;
  for (const Key key : match_keys(keys, event))
    if (key != 0) remember(key, keys.quota, event);
}

void Approvals::remember(Key key, std::uint16_t quota, const Event& event) {
  Slot& slot = *table_.find_or_insert(key, quota).slot;
  const std::size_t at = slot.next++ % 4;
  const bool human = event.has(Num::approval_approver_type) ? event.get(Num::approval_approver_type) == user_type
                                                            : event.get(Num::principal_type) == user_type;
  const std::string_view approver =
      event.has(Str::approval_approver) ? event.get(Str::approval_approver) : event.get(Str::principal);
  slot.time_ns[at] = event.time_ns();
  slot.approver[at] = approver_hash(approver);
  slot.kind[at] = static_cast<std::uint8_t>(present | (event.get(Num::approval_decision) == approved ? positive : 0) |
                                            (human ? by_human : 0));
}

// The last decision before the action counts; decisions that do not count (an agent's, one's own) are passed over.
bool Approvals::search_one(const Rule& rule, const Action& action, const Slot& slot, Search& result) const {
  std::int64_t latest = std::numeric_limits<std::int64_t>::min();
  bool verdict = false;
  for (std::size_t i = 0; i < 4; ++i) {
    if ((slot.kind[i] & present) == 0) continue;
    result.seen = true;
    if (slot.time_ns[i] > action.alert.time_ns) {
      if (result.why.empty()) result.why = "the approval came only after it";
    } else if (rule.human && (slot.kind[i] & by_human) == 0) {
      result.why = "it was approved by no human";
    } else if (slot.approver[i] == action.approver_as) {
      result.why = "who did it approved it";
    } else if (action.alert.time_ns - slot.time_ns[i] > rule.valid_for_ns) {
      result.why = "the approval was too old";
    } else if (slot.time_ns[i] >= latest) {
      latest = slot.time_ns[i];
      verdict = (slot.kind[i] & positive) != 0;
      if (!verdict) result.why = "it was not approved, but rejected or deferred";
    }
  }
  return verdict;
}

Approvals::Search Approvals::search(const Rule& rule, const Action& action) {
  Search result;
  for (const ApprovalMatch match : rule.match) {
    const Key key = action.keys[static_cast<std::size_t>(match)];
    const Slot* slot = key == 0 ? nullptr : table_.find(key);
    if (slot == nullptr) continue;
    if (search_one(rule, action, *slot, result)) {
      result.approved = true;
      return result;
    }
  }
  if (result.why.empty()) result.why = action.named ? "nobody has seen the approval that it names" : "nobody approved it";
  return result;
}

void Approvals::wait(const Rule& rule, const EventKeys& keys, const Seen& seen, std::int64_t watermark_ns) {
  Action action;
  action.rule = rule.key;
  action.approver_as = approver_hash(seen.event->get(Str::principal));
  action.keys = match_keys(keys, *seen.event);
  action.named = action.keys[static_cast<std::size_t>(ApprovalMatch::approval_id)] != 0;
  action.alert.time_ns = seen.event->time_ns();
  if (search(rule, action).approved) return;
  action.alert.about(seen);
  const std::int64_t due = std::max(action.alert.time_ns + grace(rule), watermark_ns);
  pending_.emplace(std::pair(due, arrivals_++), std::move(action));
  overflowing_ = pending_.size() > pending_max_;
}

std::int64_t Approvals::next_close_ns() const {
  if (pending_.empty()) return std::numeric_limits<std::int64_t>::max();
  return overflowing_ ? std::numeric_limits<std::int64_t>::min() : pending_.begin()->first.first;
}

void Approvals::close(std::int64_t watermark_ns, const Policy::Compiled& policy, std::vector<Verdict>& out) {
  while (!pending_.empty()) {
    const auto first = pending_.begin();
    const std::int64_t due_ns = first->first.first;
    const bool due = due_ns <= watermark_ns;
    if (!due && pending_.size() <= pending_max_) break;
    judged_early_ += !due;
    Action action = std::move(first->second);
    pending_.erase(first);
    const auto rule = std::ranges::find(policy.rules, action.rule, &Rule::key);
    if (rule == policy.rules.end() || !rule->enabled) continue;  // the policy of now does not ask for it any more
    Search found = search(*rule, action);
    if (found.approved) continue;
    const std::int64_t patience = action.alert.time_ns + grace_named(*rule);
    if (due && action.named && !found.seen && !action.waited && patience > watermark_ns) {
      action.waited = 1;
      pending_.emplace(std::pair(patience, arrivals_++), std::move(action));
      continue;
    }
    out.push_back({std::move(action), found.why, due_ns});
  }
  overflowing_ = false;
}

void Approvals::save(SnapshotWriter& out) const {
  table_.save(out);
  out.put(arrivals_);
  out.put(judged_early_);
  out.put(overflowing_);
  out.put<std::uint64_t>(pending_.size());
  for (const auto& [due, action] : pending_) {
    out.put(due.first);
    out.put(due.second);
    out.put(action.rule);
    out.put(action.approver_as);
    out.put(action.named);
    out.put(action.waited);
    out.put(action.keys);
    save_waiting(out, action.alert);
  }
}

bool Approvals::load(SnapshotReader& in) {
  if (!table_.load(in)) return false;
  arrivals_ = in.get<std::uint64_t>();
  judged_early_ = in.get<std::uint64_t>();
  overflowing_ = in.get<bool>();
  for (std::uint64_t n = in.get_count(150); n > 0 && in.ok(); --n) {
    const auto due = in.get<std::int64_t>();
    const auto arrival = in.get<std::uint64_t>();
    Action& action = pending_[{due, arrival}];
    action.rule = in.get<Key>();
    action.approver_as = in.get<std::uint32_t>();
    action.named = in.get<std::uint8_t>();
    action.waited = in.get<std::uint8_t>();
    action.keys = in.get<decltype(action.keys)>();
    load_waiting(in, action.alert);
  }
  return in.ok();
}

}  // namespace tidewaiter::detect
