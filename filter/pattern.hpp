// The two pattern languages of strings: globs, and regular expressions by RE2 (linear time, bounded memory).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace re2 {
class RE2;
}

namespace tidewaiter::filter {

/// '*' is any run of bytes, '?' one character of UTF-8, '\' makes the next one literal; the whole text must match.
bool glob_matches(std::string_view pattern, std::string_view text);

/// Thread-safe. RE2 keeps a cache of states of at most 1 MiB per expression.
class Regex {
 public:
  /// Error: what is wrong, in words.
  static Result<Regex> compile(std::string_view pattern);
  /// What matches this very text, upper and lower case alike. Error: it is not UTF-8.
  static Result<Regex> literal(std::string_view text);
  /// True when the expression matches anywhere in `text`.
  bool matches(std::string_view text) const;

 private:
  explicit Regex(std::shared_ptr<const re2::RE2> re) : re_(std::move(re)) {}
  std::shared_ptr<const re2::RE2> re_;
};

}  // namespace tidewaiter::filter
