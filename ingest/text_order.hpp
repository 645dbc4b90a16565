// The order of columns that a header line gives to the lines after it: what a parser has seen of it, and how it asks for
// what was seen before its time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/record.hpp"

namespace tidewaiter::ingest {

struct TextOrder {
  const Origin* origin = nullptr;
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;   // of the message that has the header line, or that asks for one
  std::string format, place;  // name of the format; where lines stand in a message, "{text}" = the message itself
  std::string header;         // the line; "" when asked for
};

/// The header line that is in force before the message `asked.offset`; "" = there was none, so the configured or default
/// order holds; nothing = it cannot be known, and the line gives no event.
using RecallOrder = std::function<std::optional<std::string>(const TextOrder& asked)>;

}  // namespace tidewaiter::ingest
