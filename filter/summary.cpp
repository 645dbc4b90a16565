// A filter against what is known of many events at once: which stored blocks can be skipped.
#include <algorithm>
#include <limits>

#include "filter/program.hpp"

namespace tidewaiter::filter {
namespace {

constexpr std::uint64_t every = ~std::uint64_t{0};
using Limits = std::numeric_limits<std::int64_t>;

bool is_signed(std::size_t slot) { return columns[str_count + slot].kind == ColumnKind::time; }
bool is_set(std::size_t slot) {
  return columns[str_count + slot].kind == ColumnKind::set || slot == static_cast<std::size_t>(Num::flags);
}

std::uint64_t smaller(std::uint64_t a, std::uint64_t b, bool with_sign) {
  return with_sign ? static_cast<std::uint64_t>(std::min(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)))
                   : std::min(a, b);
}
std::uint64_t larger(std::uint64_t a, std::uint64_t b, bool with_sign) {
  return smaller(a, b, with_sign) == a ? b : a;
}

/// Of the words from `min` to `max`, as bits.
std::uint64_t words_between(std::uint64_t min, std::uint64_t max) {
  if (min > 63 || min > max) return 0;
  const std::uint64_t up_to_max = max >= 63 ? every : (std::uint64_t{1} << (max + 1)) - 1;
  return up_to_max & (every << min);
}

}  // namespace

Summary Summary::unknown() {
  Summary summary;
  summary.any = {every, every};
  for (std::size_t slot = 0; slot < num_count; ++slot) {
    const bool with_sign = is_signed(slot) && !is_set(slot);
    summary.min[slot] = with_sign ? static_cast<std::uint64_t>(Limits::min()) : 0;
    summary.max[slot] = with_sign ? static_cast<std::uint64_t>(Limits::max()) : every;
  }
  return summary;
}

Summary Summary::empty() {
  Summary summary;
  summary.all = {every, every};
  summary.min.fill(0);
  summary.max.fill(0);
  return summary;
}

void Summary::add(const Event& event) {
  for (std::size_t slot = 0; slot < num_count; ++slot) {
    const std::uint64_t bit = std::uint64_t{1} << slot;
    if ((event.numbers_present & bit) == 0) continue;
    const std::uint64_t value = event.numbers[slot];
    if ((any.numbers & bit) == 0) {
      min[slot] = max[slot] = value;
    } else if (is_set(slot)) {
      min[slot] &= value;
      max[slot] |= value;
    } else {
      min[slot] = smaller(min[slot], value, is_signed(slot));
      max[slot] = larger(max[slot], value, is_signed(slot));
    }
  }
  any.strings |= event.strings_present;
  any.numbers |= event.numbers_present;
  all.strings &= event.strings_present;
  all.numbers &= event.numbers_present;
}

// Jumps go forward only, so one pass in order sees every way through the graph.
bool Program::may_match(const Summary& summary) const {
  Marks reached;
  reached.set(start_);
  for (std::size_t at = start_; at < accept_; ++at) {
    if (!reached[at]) continue;
    const Step& step = steps_[at];
    const Verdicts possible = verdicts(step, summary);
    if (possible.may_hold) reached.set(step.if_true);
    if (possible.may_fail) reached.set(step.if_false);
  }
  return reached[accept_];
}

Program::Verdicts Program::verdicts(const Step& step, const Summary& summary) const {
  if (step.check == Check::exists)
    return {((summary.any.strings & step.low) | (summary.any.numbers & step.high)) != 0,
            ((summary.all.strings & step.low) | (summary.all.numbers & step.high)) == 0};
  const bool text = step.check >= Check::text_equals;
  const std::uint64_t any = text ? summary.any.strings : summary.any.numbers;
  const std::uint64_t all = text ? summary.all.strings : summary.all.numbers;
  if ((any >> step.slot & 1) == 0) return {false, true};
  Verdicts possible{true, true};
  if (!text && step.check != Check::address_in) possible = verdicts_of_present(step, summary);
  if (step.negated) std::swap(possible.may_hold, possible.may_fail);
  if ((all >> step.slot & 1) == 0) possible.may_fail = true;
  return possible;
}

Program::Verdicts Program::verdicts_of_present(const Step& step, const Summary& summary) const {
  const std::uint64_t min = summary.min[step.slot], max = summary.max[step.slot];
  switch (step.check) {
    case Check::number_range: {
      const bool possible = step.low <= step.high && max >= step.low && min <= step.high;
      return {possible, min < step.low || max > step.high};
    }
    case Check::time_range: {
      const auto low = static_cast<std::int64_t>(step.low), high = static_cast<std::int64_t>(step.high);
      const auto first = static_cast<std::int64_t>(min), last = static_cast<std::int64_t>(max);
      return {low <= high && last >= low && first <= high, first < low || last > high};
    }
    case Check::word_of_enum: {
      const std::uint64_t seen = words_between(min, max);
      return {(seen & step.low) != 0, (seen & ~step.low) != 0 || max > 63};
    }
    case Check::any_of_set: return {(max & step.low) != 0, (min & step.low) == 0};
    case Check::number_in: {
      const auto first = numbers_.begin() + step.first, last = first + step.count;
      const auto next = std::lower_bound(first, last, min);
      const bool possible = next != last && *next <= max;
      return {possible, !possible || min != max};
    }
    default: return {true, true};
  }
}

namespace {

/// An interval of times, empty when first > last.
struct Interval {
  std::int64_t first = Limits::max(), last = Limits::min();
  bool is_empty() const { return first > last; }
  void cover(const Interval& other) {
    if (other.is_empty()) return;
    first = std::min(first, other.first);
    last = std::max(last, other.last);
  }
  Interval within(std::int64_t low, std::int64_t high) const { return {std::max(first, low), std::min(last, high)}; }
  /// What is left without [low, high], as far as an interval can say it.
  Interval without(std::int64_t low, std::int64_t high) const {
    Interval left = low == Limits::min() ? Interval{} : within(Limits::min(), low - 1);
    if (low > high) return *this;
    if (high != Limits::max()) left.cover(within(high + 1, Limits::max()));
    return left;
  }
};

}  // namespace

void Program::find_time_range() {
  std::vector<Interval> reaching(steps_.size() + 2);
  reaching[start_].cover({Limits::min(), Limits::max()});
  for (std::size_t at = start_; at < accept_; ++at) {
    const Step& step = steps_[at];
    Interval held = reaching[at], failed = reaching[at];
    if (step.check == Check::time_range && step.slot == static_cast<std::uint8_t>(Num::time)) {
      const auto low = static_cast<std::int64_t>(step.low), high = static_cast<std::int64_t>(step.high);
      held = reaching[at].within(low, high);
      failed = reaching[at].without(low, high);
      if (step.negated) std::swap(held, failed);
    }
    reaching[step.if_true].cover(held);
    reaching[step.if_false].cover(failed);
  }
  time_range_ = {reaching[accept_].first, reaching[accept_].last};
}

}  // namespace tidewaiter::filter
