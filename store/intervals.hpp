// A set of offsets as sorted, disjoint, coalesced ranges [from, to). Appending at the end is O(1); all else O(log n).
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace tidewaiter::store {

class IntervalSet {
 public:
  using Range = std::pair<std::uint64_t, std::uint64_t>;

  void add(std::uint64_t from, std::uint64_t to) {
    if (from >= to) return;
    if (!ranges_.empty() && last_->second == from) {  // the common case: right behind the end
      last_->second = to;
      return;
    }
    auto next = ranges_.upper_bound(from);
    if (next != ranges_.begin() && std::prev(next)->second >= from) {
      --next;
      from = next->first;
    }
    while (next != ranges_.end() && next->first <= to) {
      if (next->second > to) to = next->second;
      next = ranges_.erase(next);
    }
    ranges_.emplace_hint(next, from, to);
    last_ = std::prev(ranges_.end());
  }
  bool contains(std::uint64_t offset) const {
    const auto next = ranges_.upper_bound(offset);
    return next != ranges_.begin() && offset < std::prev(next)->second;
  }
  /// One past the largest member; 0 when empty.
  std::uint64_t end() const { return ranges_.empty() ? 0 : last_->second; }
  bool empty() const { return ranges_.empty(); }
  std::size_t range_count() const { return ranges_.size(); }
  std::vector<Range> ranges() const { return {ranges_.begin(), ranges_.end()}; }
  /// The parts of [from, to) that are not in the set.
  std::vector<Range> missing(std::uint64_t from, std::uint64_t to) const {
    std::vector<Range> out;
    auto at = ranges_.upper_bound(from);
    if (at != ranges_.begin() && std::prev(at)->second > from) from = std::prev(at)->second;
    for (; from < to && at != ranges_.end() && at->first < to; ++at) {
      if (at->first > from) out.emplace_back(from, at->first);
      from = at->second;
    }
    if (from < to) out.emplace_back(from, to);
    return out;
  }

  IntervalSet() = default;
  IntervalSet(const IntervalSet& other) : ranges_(other.ranges_) { find_last(); }
  IntervalSet(IntervalSet&& other) noexcept : ranges_(std::move(other.ranges_)) { find_last(); }
  IntervalSet& operator=(IntervalSet other) noexcept {
    ranges_.swap(other.ranges_);
    find_last();
    return *this;
  }
  ~IntervalSet() = default;

 private:
  void find_last() {
    if (!ranges_.empty()) last_ = std::prev(ranges_.end());
  }
  std::map<std::uint64_t, std::uint64_t> ranges_;
  std::map<std::uint64_t, std::uint64_t>::iterator last_{};
};

}  // namespace tidewaiter::store
