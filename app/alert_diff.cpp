#include "app/alert_diff.hpp"

#include <algorithm>
#include <tuple>

namespace tidewaiter::app {
namespace {

constexpr std::size_t index(Run run) { return static_cast<std::size_t>(run); }
constexpr std::size_t index(Change change) { return static_cast<std::size_t>(change); }
constexpr Run other(Run run) { return run == Run::before ? Run::after : Run::before; }

auto entity_of(const AlertFacts& a) { return std::tie(a.detector, a.rule, a.tenant, a.entity_type, a.entity); }
auto place_of(const AlertFacts& a) { return std::tie(a.time_ns, a.uid); }

/// Also of the ends of an open range.
bool within(std::int64_t a, std::int64_t b, std::int64_t span_ns) {
  const auto [low, high] = std::minmax(a, b);
  return static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) <= static_cast<std::uint64_t>(span_ns);
}

}  // namespace

void AlertDiff::add(Run run, const AlertFacts& alert) {
  // What is further than a day outside of the range can neither be compared nor be what an alert in it moved from.
  const bool near = range_.contains(alert.time_ns) || within(alert.time_ns, range_.from_ns, moved_within_ns) ||
                    within(alert.time_ns, range_.to_ns, moved_within_ns);
  if (!near) return;
  if (range_.contains(alert.time_ns)) ++(run == Run::before ? rule_of(alert).before : rule_of(alert).after);
  ByUid& theirs = waiting_[index(other(run))];
  if (const auto equal = theirs.find(alert.uid); equal != theirs.end()) {
    if (run == Run::before) pair(alert, equal->second.alert);
    else pair(equal->second.alert, alert);
    theirs.erase(equal);
    return;
  }
  waiting_[index(run)].emplace(alert.uid, Waiting{alert, run, arrivals_++});
  if (waiting_[0].size() + waiting_[1].size() <= waiting_max_) return;
  const std::size_t before = waiting_[0].size() + waiting_[1].size();
  settle_up_to(arrivals_ - waiting_max_ / 2);
  settled_early_ += before - waiting_[0].size() - waiting_[1].size();
}

void AlertDiff::pair(const AlertFacts& before, const AlertFacts& after) {
  if (!range_.contains(before.time_ns) && !range_.contains(after.time_ns)) return;
  RuleDiff& rule = rule_of(after);
  if (before.time_ns == after.time_ns && before.severity == after.severity) {
    ++rule.same;
    return;
  }
  ++rule.changed[index(Change::moved)];
  add_example(rule, Change::moved, {after, before.time_ns, before.severity});
}

void AlertDiff::unpaired(Waiting waiting) {
  if (!range_.contains(waiting.alert.time_ns)) return;
  const Change change = waiting.run == Run::after ? Change::appeared : Change::gone;
  RuleDiff& rule = rule_of(waiting.alert);
  ++rule.changed[index(change)];
  add_example(rule, change, {std::move(waiting.alert), 0, {}});
}

// The earliest ones, in whatever order the runs brought them: threads change nothing of what is shown.
void AlertDiff::add_example(RuleDiff& rule, Change change, AlertChange example) {
  std::vector<AlertChange>& list = rule.examples[index(change)];
  const auto place = std::upper_bound(list.begin(), list.end(), example, [](const AlertChange& a, const AlertChange& b) {
    return place_of(a.alert) < place_of(b.alert);
  });
  list.insert(place, std::move(example));
  if (list.size() > examples_max_) list.pop_back();
}

void AlertDiff::settle_up_to(std::uint64_t arrival) {
  std::vector<Waiting> all;
  all.reserve(waiting_[0].size() + waiting_[1].size());
  for (ByUid& by_uid : waiting_) {
    for (auto& [uid, waiting] : by_uid) all.push_back(std::move(waiting));
    by_uid.clear();
  }
  std::sort(all.begin(), all.end(), [](const Waiting& a, const Waiting& b) {
    return std::tuple_cat(entity_of(a.alert), place_of(a.alert)) < std::tuple_cat(entity_of(b.alert), place_of(b.alert));
  });
  for (std::size_t i = 0; i < all.size();) {
    Group group;
    const std::size_t first = i;
    // Names are compared with the first's before it is moved away.
    while (i < all.size() && entity_of(all[i].alert) == entity_of(all[first].alert)) ++i;
    for (std::size_t k = first; k < i; ++k) group[index(all[k].run)].push_back(std::move(all[k]));
    settle_group(group, arrival);
  }
}

// Both lists are in order of time. Equal times first, so that a missing alert does not shift all after it; then the
// earliest with the earliest that is near enough, which pairs as many as can be.
void AlertDiff::settle_group(Group& group, std::uint64_t arrival) {
  const auto match = [&](std::int64_t span_ns) {
    auto& [before, after] = group;
    Group left;
    std::size_t b = 0, a = 0;
    while (b < before.size() && a < after.size()) {
      const std::int64_t tb = before[b].alert.time_ns, ta = after[a].alert.time_ns;
      if (within(tb, ta, span_ns)) pair(before[b++].alert, after[a++].alert);
      else if (tb < ta) left[0].push_back(std::move(before[b++]));
      else left[1].push_back(std::move(after[a++]));
    }
    for (; b < before.size(); ++b) left[0].push_back(std::move(before[b]));
    for (; a < after.size(); ++a) left[1].push_back(std::move(after[a]));
    group = std::move(left);
  };
  match(0);
  match(moved_within_ns);
  for (auto& list : group)
    for (Waiting& waiting : list) {
      if (waiting.arrival < arrival) {
        unpaired(std::move(waiting));
        continue;
      }
      const std::string uid = waiting.alert.uid;
      waiting_[index(waiting.run)].emplace(uid, std::move(waiting));
    }
}

std::uint64_t AlertDiff::changed(Change change) const {
  std::uint64_t sum = 0;
  for (const auto& [name, rule] : rules_) sum += rule.changed[index(change)];
  return sum;
}

std::uint64_t AlertDiff::alerts(Run run) const {
  std::uint64_t sum = 0;
  for (const auto& [name, rule] : rules_) sum += run == Run::before ? rule.before : rule.after;
  return sum;
}

std::uint64_t AlertDiff::same() const {
  std::uint64_t sum = 0;
  for (const auto& [name, rule] : rules_) sum += rule.same;
  return sum;
}

}  // namespace tidewaiter::app
