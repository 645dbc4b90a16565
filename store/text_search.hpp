// TextSearch: finds records by what their message says, whatever its shape: what no mapping reads, unknown shapes and
// rejects as well. Case is ignored (Unicode's simple folding). A message is looked at as it came and, when it has escapes of
// JSON ("Z\u00fcrich"), with the characters that they stand for.
//
// What masking (store/mask.hpp) hides from a reader's eyes is not found either: else a secret could be guessed letter by letter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "filter/pattern.hpp"

namespace tidewaiter::store {

class TextSearch {
 public:
  /// Finds messages that hold all of `texts`; with none of them, every message. Error: invalid_argument (an empty
  /// text, one that is not UTF-8 or longer than 4 KiB).
  static Result<TextSearch> compile(const std::vector<std::string>& texts, bool mask);
  bool finds_everything() const { return patterns_.empty(); }
  bool found_in(std::string_view message) const;

 private:
  bool all_in(std::string_view text) const;
  std::vector<filter::Regex> patterns_;
  bool mask_ = true;
};

}  // namespace tidewaiter::store
