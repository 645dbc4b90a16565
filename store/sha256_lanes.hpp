// SHA-256 of many messages at once: two interleaved streams of SHA instructions where the processor has them (the
// latency of one hides behind the other), sixteen side by side where it has AVX-512 as well and there are as many, else
// one by one through OpenSSL. Same results each way.
// Allocates nothing. Thread-safe.
#pragma once

#include <span>
#include <string_view>

#include "core/sha256.hpp"

namespace tidewaiter::store {

/// One message: `prefix` (64 bytes at most) and `body`, one after the other.
struct HashJob {
  std::string_view prefix, body;
  Hash* out = nullptr;
};

void hash_all(std::span<const HashJob> jobs);

/// For tests: the same without the SHA instructions.
void hash_all_portable(std::span<const HashJob> jobs);
/// True when hash_all() uses the SHA instructions on this machine.
bool has_sha_instructions();

}  // namespace tidewaiter::store
