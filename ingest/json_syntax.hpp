// What is wrong with a file that should be JSON, in words for the person who wrote it: mappings and tables.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidewaiter::ingest {

/// Line and column are counted from 1, the column in bytes.
struct SyntaxFault {
  int line = 1, column = 1;
  std::string message;  // "not JSON: ...": what was expected, what stands there and what to do
};

/// The first rule of RFC 8259 that the text breaks; nothing when it is one JSON document. A byte order mark is passed over.
std::optional<SyntaxFault> json_syntax_fault(std::string_view text);

}  // namespace tidewaiter::ingest
