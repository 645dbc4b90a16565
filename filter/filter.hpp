// Filter: the one expression language, from text to a typed predicate over an Event. Queries, policy rules, the
// selections of connectors and the routing to retention classes all use it. docs/filter.md is the user's page.
//
//   filter   = [ or ] ;                                        (* nothing at all matches everything *)
//   or       = and { ( "or" | "||" ) and } ;
//   and      = not { ( "and" | "&&" ) not } ;
//   not      = ( "not" | "!" ) not | primary ;
//   primary  = "(" or ")" | "true" | "false" | "exists" "(" field ")" | field test ;
//   test     = ( "==" | "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//            | ( "~" | "!~" ) value                            (* RE2, anywhere in the string *)
//            | [ "not" ] ( "like" | "startswith" | "endswith" | "contains" | "has" ) value
//            | [ "not" ] "in" ( value | "(" value { "," value } [ "," ] ")" ) ;
//   field    = the name of a column ("dst_host", "approval.id"); exists() also takes a group ("approval") ;
//   value    = bare | '"' { any | "\\" | "\"" | "\'" } '"' | "'" ... "'" ;
//   bare     = one or more of anything but white space, control characters and " ' ( ) , = ! < > ~ & | ;
//
// Keywords may also be written in capitals. What a value may be depends on the column:
//   string        as it stands, case-sensitive; in `like`, * is any run, ? one character, \ makes the next literal
//   number        digits, with KB MB GB TB (powers of 1000) or KiB MiB GiB TiB (of 1024), "1.5MB" if it comes out whole
//   time          RFC 3339; "2026-03-01" and "2026-03-01T10:00" are UTC; "now", "now-7d", "-1h" (s m h d w)
//   enumeration   a word of its table; only risk_tier and severity have an order, and "unknown" stands outside it
//   set           `has word`, `in (words)` = any of them
//   address       an address or a CIDR block
// A column that is absent matches no test, `!=` and `not in` included; `not (...)` turns the verdict of what it holds,
// so `not (app == x)` matches an event without app.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/event.hpp"
#include "core/result.hpp"

namespace tidewaiter::filter {

class Program;

/// Bits as in Event::strings_present and Event::numbers_present.
struct ColumnSet {
  std::uint64_t strings = 0;
  std::uint64_t numbers = 0;
};

/// What is known of a group of events (a stored block) without looking at them.
struct Summary {
  ColumnSet any;  // columns that at least one event may have
  ColumnSet all;  // columns that every event surely has
  /// Of the events that have the column; signed for times. Of a set, `min` is what all have, `max` the union.
  std::array<std::uint64_t, num_count> min;
  std::array<std::uint64_t, num_count> max;

  /// Knows nothing, rules nothing out.
  static Summary unknown();
  /// Of no event yet; then add() each.
  static Summary empty();
  void add(const Event& event);
};

/// A matching event has one of these values in this column: what an index of terms may be asked for.
struct RequiredTerm {
  Str column;
  std::vector<std::string> any_of;
};

/// An immutable, shared program: cheap to copy, safe to use from any thread.
class Filter {
 public:
  /// Matches everything.
  Filter();

  /// `now_ns` is what relative times count from. Error: invalid_argument, its message names the column of the
  /// character, shows the line with a caret below it, and suggests the nearest field or word.
  static Result<Filter> compile(std::string_view text, std::int64_t now_ns);

  /// A few ns for numbers and enumerations; allocates nothing (RE2 fills its bounded cache on first uses).
  bool matches(const Event& event) const;

  /// False only if no event so summarised can match.
  bool may_match(const Summary& summary) const;

  /// First and last `time` (ns) that a matching event may have, if it has a time at all.
  std::pair<std::int64_t, std::int64_t> time_range() const;

  /// Columns that decide: only these need to be decoded.
  ColumnSet columns() const;
  /// All of them hold for every matching event.
  const std::vector<RequiredTerm>& required_terms() const;
  bool matches_everything() const;

  /// The same filter in one spelling, with absolute times; compiles to itself.
  const std::string& canonical() const;

 private:
  explicit Filter(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;
};

}  // namespace tidewaiter::filter
