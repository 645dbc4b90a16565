#include "store/sha256_lanes.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tidewaiter::store {
namespace {

TEST(HashAll, agrees_with_one_by_one_hashing_for_every_length_and_prefix) {
  std::mt19937_64 random(3);
  std::string text(3000, '\0');
  for (char& c : text) c = static_cast<char>(random());
  std::vector<HashJob> jobs;
  std::vector<Hash> out(5000), expected(5000);
  const std::string_view all = text;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t prefix = i < 400 ? i % 65 : random() % 65;
    const std::size_t size = i < 400 ? i : random() % 10 == 0 ? random() % 2900 : random() % 200;
    jobs.push_back({all.substr(0, prefix), all.substr(prefix, size), &out[i]});
  }
  hash_all(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].out = &expected[i];
  hash_all_portable(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) ASSERT_EQ(out[i], expected[i]) << i;
  hash_all({});
}

}  // namespace
}  // namespace tidewaiter::store
