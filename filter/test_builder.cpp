#include "filter/test_builder.hpp"

#include <algorithm>
#include <limits>

#include "core/text.hpp"
#include "filter/field.hpp"
#include "filter/message.hpp"
#include "filter/operand.hpp"
#include "filter/parser.hpp"
#include "filter/pattern.hpp"

namespace tidewaiter::filter {
namespace {

constexpr std::string_view spelling(Operator op) {
  switch (op) {
    case Operator::equal: return "==";
    case Operator::less: return "<";
    case Operator::less_equal: return "<=";
    case Operator::greater: return ">";
    case Operator::greater_equal: return ">=";
    case Operator::matches: return "~";
    case Operator::in: return "in";
    case Operator::like: return "like";
    case Operator::startswith: return "startswith";
    case Operator::endswith: return "endswith";
    case Operator::contains: return "contains";
    case Operator::has: return "has";
  }
  return "";
}

std::string spelling(Operator op, bool negated) {
  const std::string plain(spelling(op));
  if (!negated) return plain;
  if (op == Operator::equal) return "!=";
  return op == Operator::matches ? "!~" : "not " + plain;
}

bool is_order(Operator op) { return op >= Operator::less && op <= Operator::greater_equal; }

bool is_list(const ColumnInfo& column) { return column.name == info(Str::capability_scopes).name; }

/// The operators of a type, for the message.
std::string_view operators_of(const ColumnInfo& column) {
  switch (column.kind) {
    case ColumnKind::string:
      return is_list(column) ? "has == != in like ~ startswith endswith contains"
                             : "== != in like ~ startswith endswith contains";
    case ColumnKind::number: return "== != < <= > >= in";
    case ColumnKind::time: return "== != < <= > >=";
    case ColumnKind::enumeration: return is_ordered(*column.words) ? "== != < <= > >= in" : "== != in";
    case ColumnKind::set: return "has in";
    case ColumnKind::ip: return "== != in";
  }
  return "";
}

std::string_view kind_name(const ColumnInfo& column) {
  switch (column.kind) {
    case ColumnKind::string: return is_list(column) ? "a list of words" : "text";
    case ColumnKind::number: return "a number";
    case ColumnKind::time: return "a time";
    case ColumnKind::enumeration: return "one of a few words";
    case ColumnKind::set: return "a set of words";
    case ColumnKind::ip: return "an address";
  }
  return "";
}

bool fits(const ColumnInfo& column, Operator op) {
  switch (column.kind) {
    case ColumnKind::string: return !is_order(op) && (op != Operator::has || is_list(column));
    case ColumnKind::number: return op == Operator::equal || is_order(op) || op == Operator::in;
    case ColumnKind::time: return op == Operator::equal || is_order(op);
    case ColumnKind::enumeration:
      return op == Operator::equal || op == Operator::in || (is_order(op) && is_ordered(*column.words));
    case ColumnKind::set: return op == Operator::has || op == Operator::in;
    case ColumnKind::ip: return op == Operator::equal || op == Operator::in;
  }
  return false;
}

Check text_check(Operator op) {
  switch (op) {
    case Operator::in: return Check::text_in;
    case Operator::like: return Check::text_glob;
    case Operator::matches: return Check::text_regex;
    case Operator::startswith: return Check::text_starts;
    case Operator::endswith: return Check::text_ends;
    case Operator::contains: return Check::text_contains;
    case Operator::has: return Check::text_has_word;
    default: return Check::text_equals;
  }
}

/// A glob with stars at its ends only is a cheaper check; takes them off the pattern.
Check simplest_glob(std::string& pattern) {
  if (pattern.find_first_of("?\\") != std::string::npos) return Check::text_glob;
  const bool open_start = pattern.starts_with('*'), open_end = pattern.size() > open_start && pattern.ends_with('*');
  const std::string inside = pattern.substr(open_start, pattern.size() - open_start - open_end);
  if (inside.find('*') != std::string::npos) return Check::text_glob;
  pattern = inside;
  if (open_start) return open_end ? Check::text_contains : Check::text_ends;
  return open_end ? Check::text_starts : Check::text_equals;
}

std::string quoted(std::string_view word) {
  std::string out = "\"";
  for (char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (std::string_view word : words) (out += out.empty() ? "" : ", ") += word;
  return out;
}

}  // namespace

std::string misfit_of(const ColumnInfo& column, Operator op) {
  if (fits(column, op)) return {};
  const std::string name(column.name);
  if (column.kind == ColumnKind::enumeration && is_order(op)) return "the words of " + name + " have no order (it takes == != in)";
  return name + " is " + std::string(kind_name(column)) + " and takes no '" + std::string(spelling(op)) + "' (it takes " +
         std::string(operators_of(column)) + ")";
}

Test exists_test(std::string_view name, ColumnSet present) {
  Test test;
  test.check = Check::exists;
  test.present = present;
  test.canonical = "exists(" + std::string(name) + ")";
  return test;
}

TestBuilder::TestBuilder(const ColumnInfo& column, Operator op, bool negated, std::int64_t now_ns)
    : column_(column), op_(op), now_ns_(now_ns) {
  test_.field = column.name;
  test_.slot = column.slot;
  test_.negated = negated;
  test_.present = columns_of(column);
}

Result<Test> TestBuilder::build(const std::vector<Operand>& operands) {
  for (at_ = 0; at_ < operands.size(); ++at_) TRY(add(operands[at_].text));
  at_ = 0;
  finish();
  return std::move(test_);
}

Result<void> TestBuilder::add(const std::string& word) {
  switch (column_.kind) {
    case ColumnKind::string: return add_text(word);
    case ColumnKind::number: return add_number(word);
    case ColumnKind::time: return add_time(word);
    case ColumnKind::enumeration:
    case ColumnKind::set: return add_word(word);
    case ColumnKind::ip: return add_network(word);
  }
  return {};
}

Result<void> TestBuilder::add_text(const std::string& word) {
  test_.check = text_check(op_);
  const bool pattern = op_ == Operator::matches || op_ == Operator::like;
  if (pattern && word.size() > pattern_bytes_max)
    return fail(Code::invalid_argument, "a pattern has at most " + std::to_string(pattern_bytes_max) + " bytes");
  if (op_ == Operator::matches)
    if (auto regex = Regex::compile(word); !regex)
      return fail(Code::invalid_argument, "not a regular expression: " + regex.error().message);
  if (op_ == Operator::has && word.find(' ') != std::string::npos)
    return fail(Code::invalid_argument, "a single word was expected, without spaces");
  if (op_ == Operator::has && word.empty()) return fail(Code::invalid_argument, "a word was expected");
  test_.texts.push_back(word);
  if (op_ == Operator::like) test_.check = simplest_glob(test_.texts.back());
  printed_.push_back(quoted(word));
  return {};
}

void TestBuilder::set_range(std::uint64_t value, std::uint64_t lowest, std::uint64_t highest) {
  test_.low = op_ == Operator::less || op_ == Operator::less_equal ? lowest : value;
  test_.high = op_ == Operator::greater || op_ == Operator::greater_equal ? highest : value;
  const bool beyond = (op_ == Operator::less && value == lowest) || (op_ == Operator::greater && value == highest);
  if (op_ == Operator::less) --test_.high;
  if (op_ == Operator::greater) ++test_.low;
  if (beyond) {  // nothing is smaller than the smallest: a range without a value
    test_.low = highest;
    test_.high = lowest;
  }
}

Result<void> TestBuilder::add_number(const std::string& word) {
  TRY_ASSIGN(const std::uint64_t value, parse_number(word));
  test_.check = op_ == Operator::in ? Check::number_in : Check::number_range;
  set_range(value, 0, std::numeric_limits<std::uint64_t>::max());
  test_.numbers.push_back(value);
  printed_.push_back(std::to_string(value));
  return {};
}

Result<void> TestBuilder::add_time(const std::string& word) {
  const auto time = parse_time(word, now_ns_);
  if (!time)
    return fail(Code::invalid_argument,
                "a time was expected, such as 2026-03-01, 2026-03-01T10:00:00Z, now-7d or -1h (units ms s m h d w)");
  test_.check = Check::time_range;
  set_range(static_cast<std::uint64_t>(*time), std::uint64_t{1} << 63, std::numeric_limits<std::int64_t>::max());
  printed_.push_back(format_rfc3339(*time));
  return {};
}

Result<std::uint64_t> TestBuilder::enum_mask(std::uint64_t value) const {
  const std::uint64_t bit = std::uint64_t{1} << value, below = bit - 1;
  const std::uint64_t known = ((std::uint64_t{1} << column_.words->words.size()) - 1) & ~std::uint64_t{1};
  if (!is_order(op_)) return bit;
  if (value == 0) return fail(Code::invalid_argument, "'unknown' stands outside the order; use == or !=");
  switch (op_) {
    case Operator::less: return below & known;
    case Operator::less_equal: return (below | bit) & known;
    case Operator::greater: return ~(below | bit) & known;
    default: return ~below & known;
  }
}

Result<void> TestBuilder::add_word(const std::string& word) {
  const auto value = column_.words->find(word);
  if (!value)
    return fail(Code::invalid_argument, std::string(column_.name) + " has no word " + shown(word) +
                                            suggestion(word, column_.words->words) + " (" + joined(column_.words->words) + ")");
  test_.check = column_.kind == ColumnKind::set ? Check::any_of_set : Check::word_of_enum;
  TRY_ASSIGN(const std::uint64_t mask, enum_mask(*value));
  test_.mask |= mask;
  printed_.push_back(word);
  return {};
}

Result<void> TestBuilder::add_network(const std::string& word) {
  TRY_ASSIGN(const Network network, parse_network(word));
  test_.check = Check::address_in;
  test_.networks.push_back(network);
  printed_.push_back(format_network(network));
  return {};
}

void TestBuilder::finish() {
  std::sort(test_.numbers.begin(), test_.numbers.end());
  test_.numbers.erase(std::unique(test_.numbers.begin(), test_.numbers.end()), test_.numbers.end());
  test_.canonical = test_.field + " " + spelling(op_, test_.negated) + " ";
  if (op_ != Operator::in) {
    test_.canonical += printed_.front();
    return;
  }
  std::string list;
  for (const std::string& operand : printed_) (list += list.empty() ? "" : ", ") += operand;
  test_.canonical += "(" + list + ")";
}

}  // namespace tidewaiter::filter
