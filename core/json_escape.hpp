// The escapes of JSON strings (RFC 8259, section 7), read into the characters they stand for. Thread-safe, no allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace tidewaiter {

struct Unescaped {
  std::size_t length;
  bool replaced;  // a lone surrogate became U+FFFD
  bool broken;    // something that is no escape became a question mark: the text is no JSON
};

/// Writes the string's characters to `out`, which has room for `text.size()` bytes: no escape grows.
Unescaped unescape_json(std::string_view text, char* out);

}  // namespace tidewaiter
