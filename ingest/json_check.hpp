// The slow, exact judge of a message: is it one JSON document (RFC 8259) within the limits, and if not, why not.
// Used for strict topics and to name the reason once the fast parser has stumbled. No recursion, no allocation.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/record.hpp"

namespace tidewaiter::ingest {

struct JsonLimits {
  std::size_t message_bytes_max = 1 << 20;
  std::size_t depth_max = 64;      // nested objects and arrays; at most 1024
  std::size_t keys_max = 250'000;  // of the whole document: no more fit into 1 MiB
};

/// RejectReason::none: a JSON value of any kind, within the limits. A duplicate key is no reason, nor is a byte order mark
/// before it.
/// `place`: the byte at which the rule was broken.
RejectReason check_json(std::string_view text, const JsonLimits& limits, std::size_t* place = nullptr);

}  // namespace tidewaiter::ingest
