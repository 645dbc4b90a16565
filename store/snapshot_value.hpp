// The value of a snapshot: opaque bytes of its owner as one zstd frame. A state of slots is mostly zeros and repeats: the
// frame is about a quarter of it.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"

namespace tidewaiter::store {

/// Version, zstd frame of `state` (its size in the frame's header), then the first 8 bytes of the SHA-256 of both.
std::string encode_snapshot(std::string_view state);
/// The state; also of values of version 1, which hold it as it is. Code::corruption when the value cannot be read.
Result<std::string> decode_snapshot(std::string_view value);

}  // namespace tidewaiter::store
