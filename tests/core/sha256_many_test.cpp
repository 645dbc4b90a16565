#include "core/sha256_many.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "core/text.hpp"

namespace tidewaiter {
namespace {

using Hashing = void (*)(std::span<const Sha256Message>);

std::vector<Hash> hash_all(Hashing hashing, const std::vector<std::pair<std::string, std::string>>& inputs) {
  std::vector<Hash> out(inputs.size());
  std::vector<Sha256Message> messages;
  for (std::size_t i = 0; i < inputs.size(); ++i) messages.push_back({inputs[i].first, inputs[i].second, &out[i]});
  hashing(messages);
  return out;
}

TEST(Sha256Many, agrees_with_openssl_for_every_length_of_prefix_and_text) {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::pair<std::string, std::string>> inputs(random() % 6);
    for (auto& [prefix, text] : inputs) {
      prefix.resize(random() % 65);
      text.resize(random() % 400);
      for (char& c : prefix) c = static_cast<char>(random());
      for (char& c : text) c = static_cast<char>(random());
    }
    EXPECT_EQ(hash_all(sha256_many, inputs), hash_all(sha256_many_portable, inputs));
  }
}

TEST(Sha256Many, agrees_with_the_long_vector_of_fips_180_4) {
  const std::string million(1'000'000, 'a');
  EXPECT_EQ(to_hex(as_view(hash_all(sha256_many, {{"", million}})[0])),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace tidewaiter
