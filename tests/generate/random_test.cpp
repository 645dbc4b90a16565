#include <gtest/gtest.h>

#include <cmath>

#include "app/generator_random.hpp"

namespace tidewaiter::app::generate {
namespace {

TEST(GeneratorRandom, splitmix_gives_the_published_sequence) {
  // Reference values of splitmix64 with state 0: each output mixes the state before its increment.
  EXPECT_EQ(mix(0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(mix(0x9e3779b97f4a7c15u), 0x6e789e6aa1b965f4u);
}

TEST(GeneratorRandom, powers_of_two_are_exact_and_fractions_close) {
  for (int n = 0; n < 62; ++n) EXPECT_EQ(exp2_q16(std::int64_t{n} << 16), std::uint64_t{1} << n);
  for (int i = 0; i < 3'000'000; i += 997) {
    const double expected = std::exp2(i / 65536.0);
    EXPECT_NEAR(static_cast<double>(exp2_q16(i)), expected, 1 + expected * 1e-5) << i;
  }
  EXPECT_EQ(exp2_q16(-1), 0u);
}

TEST(GeneratorRandom, the_normal_deviate_has_mean_zero_and_sigma_one) {
  Random random(7);
  double sum = 0, squares = 0;
  const int count = 200'000;
  for (int i = 0; i < count; ++i) {
    const double z = static_cast<double>(random.normal()) / 65536;
    sum += z;
    squares += z * z;
  }
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(squares / count, 1, 0.02);
}

TEST(GeneratorRandom, zipf_prefers_the_first_ranks_in_proportion) {
  const auto ranks = zipf(10);
  Random random(3);
  std::vector<int> hits(10);
  for (int i = 0; i < 100'000; ++i) ++hits[random.index(ranks)];
  EXPECT_NEAR(static_cast<double>(hits[0]) / hits[1], 2, 0.1);
  EXPECT_NEAR(static_cast<double>(hits[0]) / hits[9], 10, 0.8);
}

TEST(GeneratorRandom, below_stays_below_and_reaches_every_value) {
  Random random(1);
  std::vector<bool> seen(7);
  for (int i = 0; i < 1000; ++i) seen.at(random.below(7)) = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 7);
}

}  // namespace
}  // namespace tidewaiter::app::generate
