#include "store/leaf.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstring>
#include <memory>

#include "core/check.hpp"
#include "core/text.hpp"
#include "store/merkle.hpp"

namespace tidewaiter::store {
namespace {

struct Cipher {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Cipher() { CHECK(cipher != nullptr && context != nullptr); }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher() {
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
  }
};

constexpr std::size_t salts_per_call = std::size_t{1} << 20;  // the call counts bytes in an int

}  // namespace

SaltKey random_salt_key() {
  SaltKey key;
  CHECK(RAND_priv_bytes(key.data(), static_cast<int>(key.size())) == 1);
  return key;
}

void make_salts(const SaltKey& key, std::uint16_t log, std::uint64_t first_seq, std::size_t count, char* out) {
  thread_local Cipher aes;
  for (std::size_t i = 0; i < count; ++i) {
    put_be<std::uint64_t>(out + i * salt_size, log);
    put_be<std::uint64_t>(out + i * salt_size + 8, first_seq + i);
  }
  CHECK(EVP_EncryptInit_ex2(aes.context, aes.cipher, key.data(), nullptr, nullptr) == 1);
  CHECK(EVP_CIPHER_CTX_set_padding(aes.context, 0) == 1);
  while (count > 0) {
    const std::size_t now = count < salts_per_call ? count : salts_per_call;
    int written = 0;
    auto* place = reinterpret_cast<unsigned char*>(out);
    CHECK(EVP_EncryptUpdate(aes.context, place, &written, place, static_cast<int>(now * salt_size)) == 1);
    CHECK(static_cast<std::size_t>(written) == now * salt_size);
    out += now * salt_size;
    count -= now;
  }
}

LeafCoordinates coordinates(const Record& record, std::string_view store_id, TopicId& own_topic) {
  if (record.origin != nullptr)
    return {record.kind,      record.origin->cluster, &record.origin->topic_id,
            record.partition, record.offset,          record.leader_epoch};
  own_topic.fill(0);
  put_be<std::uint16_t>(reinterpret_cast<char*>(own_topic.data()) + 14, record.log);
  return {record.kind, store_id, &own_topic, 0, record.seq, -1};
}

std::size_t write_leaf(const LeafCoordinates& at, const Hash& commitment_hash, char* out) {
  CHECK(at.cluster.size() <= 255);
  char* p = out;
  *p++ = static_cast<char>(leaf_version);
  *p++ = static_cast<char>(at.kind);
  *p++ = static_cast<char>(at.cluster.size());
  std::memcpy(p, at.cluster.data(), at.cluster.size());
  p += at.cluster.size();
  std::memcpy(p, at.topic_id->data(), at.topic_id->size());
  p += at.topic_id->size();
  put_be<std::uint32_t>(p, at.partition);
  put_be<std::uint64_t>(p + 4, at.offset);
  p += 12;
  if (at.kind == RecordKind::conflict) {
    put_be<std::int32_t>(p, at.leader_epoch);
    p += 4;
  }
  std::memcpy(p, commitment_hash.data(), commitment_hash.size());
  p += commitment_hash.size();
  return static_cast<std::size_t>(p - out);
}

Hash commitment(Sha256& sha, std::string_view salt, std::string_view body) { return sha.digest(salt, body); }

std::string leaf_bytes(const Record& record, std::string_view store_id, std::string_view salt) {
  Sha256 sha;
  TopicId own_topic;
  char leaf[leaf_size_max];
  const Hash hash = commitment(sha, salt, record.body);
  return std::string(leaf, write_leaf(coordinates(record, store_id, own_topic), hash, leaf));
}

Hash record_leaf_hash(Sha256& sha, const Record& record, std::string_view store_id, std::string_view salt) {
  TopicId own_topic;
  char leaf[1 + leaf_size_max];
  leaf[0] = 0;  // the prefix of a leaf in RFC 6962, hashed in one piece with it
  const Hash hash = commitment(sha, salt, record.body);
  const std::size_t size = write_leaf(coordinates(record, store_id, own_topic), hash, leaf + 1);
  return sha.digest({leaf, size + 1});
}

}  // namespace tidewaiter::store
