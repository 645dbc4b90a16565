#include "store/sha256_lanes.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tidewaiter::store {
namespace {

std::string random_text(std::size_t size) {
  std::mt19937_64 random(3);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

void expect_as_one_by_one(std::vector<HashJob> jobs) {
  std::vector<Hash> out(jobs.size()), expected(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].out = &out[i];
  hash_all(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].out = &expected[i];
  hash_all_portable(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) ASSERT_EQ(out[i], expected[i]) << i << " of " << jobs.size();
}

TEST(HashAll, agrees_with_one_by_one_hashing_for_every_length_and_prefix) {
  std::mt19937_64 random(4);
  const std::string text = random_text(3000);
  const std::string_view all = text;
  std::vector<HashJob> jobs;
  for (std::size_t i = 0; i < 5000; ++i) {
    const std::size_t prefix = i < 400 ? i % 65 : random() % 65;
    const std::size_t size = i < 400 ? i : random() % 10 == 0 ? random() % 2900 : random() % 200;
    jobs.push_back({all.substr(0, prefix), all.substr(prefix, size), nullptr});
  }
  expect_as_one_by_one(jobs);
}

// As many messages as run side by side, some more or fewer; a long one is left when all others are done.
TEST(HashAll, agrees_for_every_number_of_messages_with_a_long_one_anywhere) {
  const std::string text = random_text(20'000);
  const std::string_view all = text;
  for (std::size_t count = 0; count <= 50; ++count)
    for (const std::size_t where : {std::size_t{0}, count / 2, count - 1}) {
      std::vector<HashJob> jobs;
      for (std::size_t i = 0; i < count; ++i)
        jobs.push_back({all.substr(0, i % 17), all.substr(i, i == where ? 15'000 : 64 + i), nullptr});
      expect_as_one_by_one(jobs);
    }
}

}  // namespace
}  // namespace tidewaiter::store
