#include "core/sha256.hpp"

#include <openssl/evp.h>

#include "core/check.hpp"
#include "core/record.hpp"
#include "core/text.hpp"

namespace tidewaiter {

struct Sha256::State {
  EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(md);
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) { CHECK(state_->md && state_->context); }
Sha256::~Sha256() = default;

Hash Sha256::digest(std::string_view a, std::string_view b, std::string_view c) {
  Hash hash;
  EVP_MD_CTX* context = state_->context;
  CHECK(EVP_DigestInit_ex2(context, state_->md, nullptr) == 1);
  EVP_DigestUpdate(context, a.data(), a.size());
  if (!b.empty()) EVP_DigestUpdate(context, b.data(), b.size());
  if (!c.empty()) EVP_DigestUpdate(context, c.data(), c.size());
  CHECK(EVP_DigestFinal_ex(context, hash.data(), nullptr) == 1);
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
