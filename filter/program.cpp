#include "filter/program.hpp"

#include <algorithm>
#include <limits>

#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter::filter {
namespace {

// While steps are emitted back to front, their numbers count from the end; these two are not steps yet.
constexpr std::uint16_t to_accept = 0xFFFF, to_reject = 0xFFFE;
static_assert(tests_max < to_reject);

/// Rough cost of a test in ns, to try the cheap ones first.
int cost(const Node& node) {
  if (node.kind != Node::Kind::test) {
    int most = 0;
    for (const Node& child : node.children) most = std::max(most, cost(child) + 1);
    return most;
  }
  switch (node.test.check) {
    case Check::text_equals:
    case Check::text_starts:
    case Check::text_ends: return 4;
    case Check::text_in:
    case Check::address_in:
    case Check::number_in: return 8;
    case Check::text_contains:
    case Check::text_has_word: return 20;
    case Check::text_glob: return 30;
    case Check::text_regex: return 200;
    default: return 1;
  }
}

bool is_text(Check check) { return check >= Check::text_equals; }

std::array<std::uint64_t, 2> halves(const Ip& ip) {
  const auto* bytes = reinterpret_cast<const char*>(ip.data());
  return {get_be<std::uint64_t>(bytes), get_be<std::uint64_t>(bytes + 8)};
}

/// Ones behind the first `prefix` of 64 bits.
std::uint64_t host_bits(unsigned prefix) { return prefix >= 64 ? 0 : ~std::uint64_t{0} >> prefix; }

bool contains_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t end = list.find(' ');
    if (list.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    list.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

Program::Program(const Node& tree) {
  start_ = emit(tree, to_accept, to_reject);
  reverse_steps();
  find_time_range();
  required_terms_ = filter::required_terms(tree);
  canonical_ = canonical_text(tree);
}

std::uint16_t Program::emit(const Node& node, std::uint16_t if_true, std::uint16_t if_false) {
  switch (node.kind) {
    case Node::Kind::constant: return node.value ? if_true : if_false;
    case Node::Kind::test: return emit_test(node.test, if_true, if_false);
    case Node::Kind::not_: return emit(node.children.front(), if_false, if_true);
    case Node::Kind::and_:
    case Node::Kind::or_: return emit_chain(node, if_true, if_false);
  }
  return if_false;
}

std::uint16_t Program::emit_chain(const Node& node, std::uint16_t if_true, std::uint16_t if_false) {
  std::vector<std::pair<int, const Node*>> order;
  for (const Node& child : node.children) order.emplace_back(cost(child), &child);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const bool conjunction = node.kind == Node::Kind::and_;
  std::uint16_t entry = conjunction ? if_true : if_false;
  for (auto child = order.rbegin(); child != order.rend(); ++child)
    entry = conjunction ? emit(*child->second, entry, if_false) : emit(*child->second, if_true, entry);
  return entry;
}

std::uint16_t Program::emit_test(const Test& test, std::uint16_t if_true, std::uint16_t if_false) {
  Step step{test.check, test.slot, test.negated, if_true, if_false, 0, 0, test.low, test.high};
  if (test.check == Check::word_of_enum || test.check == Check::any_of_set) step.low = test.mask;
  if (test.check == Check::address_in) step.slot = static_cast<std::uint8_t>(num_count + test.slot);
  if (test.check == Check::exists) {
    step.low = test.present.strings;
    step.high = test.present.numbers;
  }
  columns_.strings |= test.present.strings;
  columns_.numbers |= test.present.numbers;
  add_operands(test, step);
  CHECK(steps_.size() < tests_max);
  steps_.push_back(step);
  return static_cast<std::uint16_t>(steps_.size() - 1);
}

void Program::add_operands(const Test& test, Step& step) {
  auto span_of = [&step](std::size_t before, std::size_t after) {
    step.first = static_cast<std::uint32_t>(before);
    step.count = static_cast<std::uint32_t>(after - before);
  };
  if (test.check == Check::text_regex) {
    auto regex = Regex::compile(test.texts.front());
    CHECK(regex.has_value());  // the parser has tried it
    regexes_.push_back(std::move(*regex));
    span_of(regexes_.size() - 1, regexes_.size());
  } else if (is_text(test.check)) {
    const std::size_t before = texts_.size();
    texts_.insert(texts_.end(), test.texts.begin(), test.texts.end());
    std::sort(texts_.begin() + static_cast<std::ptrdiff_t>(before), texts_.end());
    span_of(before, texts_.size());
  } else if (test.check == Check::number_in) {
    const std::size_t before = numbers_.size();
    numbers_.insert(numbers_.end(), test.numbers.begin(), test.numbers.end());
    span_of(before, numbers_.size());
  } else if (test.check == Check::address_in) {
    std::vector<Range> all;
    for (const Network& network : test.networks) {
      const auto first = halves(network.bits);
      const unsigned low_prefix = network.prefix > 64 ? network.prefix - 64 : 0;
      all.push_back({first, {first[0] | host_bits(network.prefix), first[1] | host_bits(low_prefix)}});
    }
    std::sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
    const std::size_t before = ranges_.size();
    // CIDR blocks are disjoint or nested: one that starts inside the last kept one lies within it.
    for (const Range& range : all)
      if (ranges_.size() == before || range.first > ranges_.back().last) ranges_.push_back(range);
      else ranges_.back().last = std::max(ranges_.back().last, range.last);
    span_of(before, ranges_.size());
  }
}

void Program::reverse_steps() {
  const auto count = static_cast<std::uint16_t>(steps_.size());
  auto forward = [count](std::uint16_t target) {
    if (target == to_accept) return count;
    if (target == to_reject) return static_cast<std::uint16_t>(count + 1);
    return static_cast<std::uint16_t>(count - 1 - target);
  };
  std::reverse(steps_.begin(), steps_.end());
  for (Step& step : steps_) {
    step.if_true = forward(step.if_true);
    step.if_false = forward(step.if_false);
  }
  start_ = forward(start_);
  accept_ = count;
}

bool Program::matches(const Event& event) const {
  std::uint16_t at = start_;
  while (at < accept_) {
    const Step& step = steps_[at];
    at = holds(step, event) ? step.if_true : step.if_false;
  }
  return at == accept_;
}

bool Program::holds(const Step& step, const Event& event) const {
  if (step.check == Check::exists)
    return ((event.strings_present & step.low) | (event.numbers_present & step.high)) != 0;
  if (is_text(step.check)) {
    if ((event.strings_present >> step.slot & 1) == 0) return false;
    return text_holds(step, event.strings[step.slot]) != step.negated;
  }
  if ((event.numbers_present >> step.slot & 1) == 0) return false;
  if (step.check == Check::address_in)
    return address_holds(step, event.addresses[step.slot - num_count]) != step.negated;
  const std::uint64_t value = event.numbers[step.slot];
  bool result = false;
  switch (step.check) {
    case Check::number_range: result = value >= step.low && value <= step.high; break;
    case Check::time_range:
      result = static_cast<std::int64_t>(value) >= static_cast<std::int64_t>(step.low) &&
               static_cast<std::int64_t>(value) <= static_cast<std::int64_t>(step.high);
      break;
    case Check::word_of_enum: result = value < 64 && (step.low >> value & 1) != 0; break;
    case Check::any_of_set: result = (value & step.low) != 0; break;
    case Check::number_in: {
      const auto first = numbers_.begin() + step.first;
      result = std::binary_search(first, first + step.count, value);
      break;
    }
    default: break;
  }
  return result != step.negated;
}

bool Program::text_holds(const Step& step, std::string_view text) const {
  if (step.check == Check::text_regex) return regexes_[step.first].matches(text);
  const std::string& operand = texts_[step.first];
  switch (step.check) {
    case Check::text_equals: return text == operand;
    case Check::text_starts: return text.starts_with(operand);
    case Check::text_ends: return text.ends_with(operand);
    case Check::text_contains: return text.find(operand) != std::string_view::npos;
    case Check::text_has_word: return contains_word(text, operand);
    case Check::text_glob: return glob_matches(operand, text);
    default: break;
  }
  const auto first = texts_.begin() + step.first;
  return std::binary_search(first, first + step.count, text);
}

bool Program::address_holds(const Step& step, const Ip& ip) const {
  const auto value = halves(ip);
  const auto first = ranges_.begin() + step.first, last = first + step.count;
  const auto behind = std::upper_bound(first, last, value, [](const auto& v, const Range& r) { return v < r.first; });
  return behind != first && value <= (behind - 1)->last;
}

}  // namespace tidewaiter::filter
