#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tidewaiter::bench::primitives {

std::uint64_t hash(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count) {
  EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  unsigned char salt[16] = {1}, leaf[92] = {0}, node[65] = {1};
  std::uint64_t check = 0;
  for (std::size_t i = 0; i < count; ++i) {
    EVP_DigestInit_ex2(context, digest, nullptr);
    EVP_DigestUpdate(context, salt, sizeof salt);
    EVP_DigestUpdate(context, bytes + begin[i], size[i]);
    EVP_DigestFinal_ex(context, leaf + sizeof leaf - 32, nullptr);
    EVP_DigestInit_ex2(context, digest, nullptr);
    EVP_DigestUpdate(context, leaf, sizeof leaf);
    EVP_DigestFinal_ex(context, node + 1 + (i & 1) * 32, nullptr);
    unsigned char root[32];
    EVP_DigestInit_ex2(context, digest, nullptr);
    EVP_DigestUpdate(context, node, sizeof node);
    EVP_DigestFinal_ex(context, root, nullptr);
    check += root[0];
  }
  EVP_MD_CTX_free(context);
  EVP_MD_free(digest);
  return check + 1;
}

}  // namespace tidewaiter::bench::primitives
