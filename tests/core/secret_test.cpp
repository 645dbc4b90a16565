#include "core/secret.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tidewaiter {
namespace {

TEST(SecretInId, tokens_of_known_shapes_are_found_whole) {
  const std::string jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJib3QifQ.AAECAwQFBgcICQoLDA0ODxAREhM";
  const std::string github = "ghp_Ab3dEf6hIj9kLmN0pQrStUvWxYz123456789";
  const std::string pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA1\n";
  const std::pair<std::string, std::string> cases[] = {
      {jwt, jwt},
      {"Bearer " + jwt, jwt},
      {"bearer opaque-0123456789", "opaque-0123456789"},
      {github, github},
      {"token " + github, github},
      {"read " + github + " write", github},
      {"session:" + github, github},
      {"github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoP", "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoP"},
      {"glpat-AbCdEfGhIjKlMnOp9rSt", "glpat-AbCdEfGhIjKlMnOp9rSt"},
      {"sk-proj-AbCdEfGh0123456789AbCd", "sk-proj-AbCdEfGh0123456789AbCd"},
      {"xoxb-123456789012-AbCdEfGhIj", "xoxb-123456789012-AbCdEfGhIj"},
      {"glrt-t1_AbCdEfGhIjKlMnOp9rSt", "glrt-t1_AbCdEfGhIjKlMnOp9rSt"},
      {"GR1348941AbCdEfGhIjKlMnOp9rSt", "GR1348941AbCdEfGhIjKlMnOp9rSt"},
      {"xapp-1-A0123456789-AbCdEfGhIj", "xapp-1-A0123456789-AbCdEfGhIj"},
      {"dckr_pat_AbCdEfGhIjKlMnOp9rStU", "dckr_pat_AbCdEfGhIjKlMnOp9rStU"},
      {"IQoJb3JpZ2luX2VjEAbCdEfGhIjKlMnOp9rStUvWxYz0123456789AbCdEfGhIjK", "IQoJb3JpZ2luX2VjEAbCdEfGhIjKlMnOp9rStUvWxYz0123456789AbCdEfGhIjK"},
      {"AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"},
      {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
      {"access_token=s3cret&x=1", "s3cret"},
      {"https://bot:s3cret@host/", "s3cret"},
      {pem + "-----END EC PRIVATE KEY-----", pem},
  };
  for (const auto& [id, secret] : cases) EXPECT_EQ(secret_in_id(id), secret) << id;
}

TEST(SecretInId, hashes_and_ids_are_none) {
  const char* cases[] = {
      "",
      "cap-00a1b2c3d4e5",
      "0af76519-16cd-43dd-8448-eb211c80319c",
      "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
      "da39a3ee5e6b4b0d3255bfef95601890afd80709",      // SHA-1
      "eyJ6FsKlx8rRzFbqVVgVZvvcSV6wvOv2lL4sPlZ2b7I=",  // a SHA-256 in base64 that begins like a JWT
      "arn:aws:iam::123456789012:role/deploy-production",
      "bm9kZS0wMDc6MTIzNDU2Nzg5MDEyMzQ1Njo0NTY3",  // node-007:1234567890123456:4567, as Tetragon names a process
      "read:crm send:mail repo:secret:list token:read",
      "task-sk-runner-of-the-day",
      "token=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad&x=1",
      "https://bot:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad@host/",
      "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
  };
  for (const char* id : cases) EXPECT_EQ(secret_in_id(id), "") << id;
}

TEST(SecretAt, tells_the_prefix_that_may_be_shown) {
  const auto token = secret_at("ghp_Ab3dEf6hIj9kLmN0pQrS, and more", true);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->first, 0u);
  EXPECT_EQ(token->hidden, 4u);
  EXPECT_EQ(token->last, 24u);
  EXPECT_FALSE(secret_at("ghp_Ab3dEf6hIj9kLmN0pQrS", false)) << "a word that ends like a token";
}

}  // namespace
}  // namespace tidewaiter
