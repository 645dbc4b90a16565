// The typed tree between text and program: operands are already resolved against the column's type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/column.hpp"
#include "core/event.hpp"
#include "filter/filter.hpp"

namespace tidewaiter::filter {

/// How one test looks at its column.
enum class Check : std::uint8_t {
  exists,         // any of `present`
  number_range,   // low <= value <= high
  time_range,     // the same, signed
  number_in,      // one of `numbers`
  word_of_enum,   // bit `value` of `mask`
  any_of_set,     // value & mask
  address_in,     // in one of `networks`
  text_equals,    // texts[0]
  text_in,        // one of `texts`
  text_starts,    // texts[0] ...
  text_ends,
  text_contains,
  text_has_word,  // texts[0] is one of the words of a list with spaces between
  text_glob,
  text_regex,
};

/// A block of addresses: equal to `bits` under the first `prefix` bits.
struct Network {
  Ip bits{};
  unsigned prefix = 128;
};

struct Test {
  Check check = Check::exists;
  std::string field;  // as written in the canonical form
  std::uint8_t slot = 0;
  bool negated = false;  // turned for events that have the column
  ColumnSet present;     // the column as a bit; several for a group in exists()
  std::uint64_t low = 0, high = 0, mask = 0;
  std::vector<std::uint64_t> numbers;
  std::vector<std::string> texts;
  std::vector<Network> networks;
  std::string canonical;  // operator and operands
};

struct Node {
  enum class Kind : std::uint8_t { constant, test, not_, and_, or_ };
  Kind kind = Kind::constant;
  bool value = true;  // of a constant
  Test test;
  std::vector<Node> children;
};

/// The canonical spelling of a tree.
std::string canonical_text(const Node& node);

/// What an index of terms may be asked for (Filter::required_terms).
std::vector<RequiredTerm> required_terms(const Node& node);

}  // namespace tidewaiter::filter
