// The compiled form of a filter: a flat decision graph. Each step is one test with the step to go to when it holds
// and the one when it does not; jumps go forward only, so a run ends after at most as many steps as there are tests,
// without a stack. and, or and not are nothing but where the jumps lead; cheap tests of a conjunction come first.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "filter/filter.hpp"
#include "filter/parser.hpp"
#include "filter/pattern.hpp"
#include "filter/syntax.hpp"

namespace tidewaiter::filter {

class Program {
 public:
  explicit Program(const Node& tree);

  bool matches(const Event& event) const;
  bool may_match(const Summary& summary) const;
  std::pair<std::int64_t, std::int64_t> time_range() const { return time_range_; }
  ColumnSet columns() const { return columns_; }
  const std::vector<RequiredTerm>& required_terms() const { return required_terms_; }
  bool matches_everything() const { return start_ == accept_; }
  const std::string& canonical() const { return canonical_; }

 private:
  struct Step {
    Check check;
    std::uint8_t slot;
    bool negated;
    std::uint16_t if_true, if_false;
    std::uint32_t first, count;  // operands in the pool of the check
    std::uint64_t low, high;     // bounds; for word_of_enum and any_of_set `low` is the mask; for exists the columns
  };
  /// Inclusive range of addresses, as two big-endian halves.
  struct Range {
    std::array<std::uint64_t, 2> first, last;
  };
  using Marks = std::bitset<tests_max + 2>;

  std::uint16_t emit(const Node& node, std::uint16_t if_true, std::uint16_t if_false);
  std::uint16_t emit_chain(const Node& node, std::uint16_t if_true, std::uint16_t if_false);
  std::uint16_t emit_test(const Test& test, std::uint16_t if_true, std::uint16_t if_false);
  void add_operands(const Test& test, Step& step);
  void reverse_steps();
  void find_time_range();

  bool holds(const Step& step, const Event& event) const;
  bool text_holds(const Step& step, std::string_view text) const;
  bool address_holds(const Step& step, const Ip& ip) const;
  struct Verdicts {
    bool may_hold, may_fail;
  };
  Verdicts verdicts(const Step& step, const Summary& summary) const;
  Verdicts verdicts_of_present(const Step& step, const Summary& summary) const;

  std::vector<Step> steps_;
  std::vector<std::string> texts_;
  std::vector<std::uint64_t> numbers_;
  std::vector<Range> ranges_;
  std::vector<Regex> regexes_;
  std::uint16_t start_ = 0, accept_ = 0;
  ColumnSet columns_;
  std::pair<std::int64_t, std::int64_t> time_range_;
  std::vector<RequiredTerm> required_terms_;
  std::string canonical_;
};

}  // namespace tidewaiter::filter
