// For a JSON parser that reads a stream and tells no lines: where it is. Cold path.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace tidewaiter::ingest {

/// Counts lines while the parser reads; all copies of it count together.
struct Reached {
  const char* begin;
  const char* at;
  int line = 1;
  const char* line_begin;

  /// Where the token of so many bytes began that was just read; from 1.
  int column_before(std::size_t bytes) const {
    const auto end = static_cast<std::ptrdiff_t>(at - line_begin);
    return static_cast<int>(std::max<std::ptrdiff_t>(1, end - static_cast<std::ptrdiff_t>(bytes) + 1));
  }
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Reached* reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_ == '\n') {
      ++reached_->line;
      reached_->line_begin = at_ + 1;
    }
    reached_->at = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Reached* reached_;
};

}  // namespace tidewaiter::ingest
