// SHA-256 of many messages at once. On processors with the SHA extensions two messages are hashed interleaved, which
// hides the latency of the round instructions: about 0.7 times the cost of one after the other for bodies, half for
// tree nodes. Elsewhere OpenSSL does the work. Any thread.
#pragma once

#include <span>
#include <string_view>

#include "core/sha256.hpp"

namespace tidewaiter {

struct Sha256Message {
  std::string_view prefix;  // at most 64 bytes
  std::string_view text;
  Hash* out;
};

/// *out = SHA-256(prefix ‖ text) for each message.
void sha256_many(std::span<const Sha256Message> messages);

/// Whether this processor has the instructions (for tests and for reports).
bool sha256_is_accelerated();
/// The portable way, for tests and other processors.
void sha256_many_portable(std::span<const Sha256Message> messages);

}  // namespace tidewaiter
