#include "core/sha256.hpp"

// The functions below EVP are marked as deprecated, but EVP of OpenSSL 3.0 allocates for every digest.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "core/check.hpp"
#include "core/record.hpp"
#include "core/text.hpp"

namespace tidewaiter {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;

Hash Sha256::digest(std::string_view a, std::string_view b, std::string_view c) {
  Hash hash;
  SHA256_CTX& context = state_->context;
  SHA256_Init(&context);
  for (const std::string_view part : {a, b, c})
    if (!part.empty()) SHA256_Update(&context, part.data(), part.size());
  SHA256_Final(hash.data(), &context);
  return hash;
}

Hash sha256(std::string_view bytes) { return Sha256().digest(bytes); }

Hash event_uid(const Record& record, std::uint32_t sub) {
  thread_local Sha256 hasher;
  CHECK(record.origin != nullptr);
  const std::string& cluster = record.origin->cluster;
  std::string bytes;
  bytes += static_cast<char>(cluster.size());
  bytes += cluster;
  bytes.append(reinterpret_cast<const char*>(record.origin->topic_id.data()), record.origin->topic_id.size());
  char numbers[16];
  put_be<std::uint32_t>(numbers, record.partition);
  put_be<std::uint64_t>(numbers + 4, record.offset);
  put_be<std::uint32_t>(numbers + 12, sub);
  bytes.append(numbers, sizeof numbers);
  return hasher.digest(bytes);
}

}  // namespace tidewaiter
