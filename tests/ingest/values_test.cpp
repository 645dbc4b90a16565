#include "ingest/values.hpp"

#include <gtest/gtest.h>

#include <random>

#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

std::string dotted(const std::array<unsigned, 4>& octets) {
  std::string text;
  for (const unsigned octet : octets) text += (text.empty() ? "" : ".") + std::to_string(octet);
  return text;
}

TEST(Addresses, of_four_octets_are_read_whatever_their_lengths) {
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::array<unsigned, 4> octets;
    for (unsigned& octet : octets) octet = static_cast<unsigned>(random() % (i % 3 == 0 ? 10 : i % 3 == 1 ? 100 : 256));
    const auto read = read_ip(dotted(octets));
    ASSERT_TRUE(read) << dotted(octets);
    EXPECT_FALSE(read->leading_zeros);
    for (std::size_t at = 0; at < 4; ++at) EXPECT_EQ(read->ip[12 + at], octets[at]) << dotted(octets);
    EXPECT_EQ(format_ip(read->ip), dotted(octets));
  }
}

TEST(Addresses, with_leading_zeros_are_decimal_and_told) {
  const auto read = read_ip("010.045.249.001");
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->leading_zeros);
  EXPECT_EQ(format_ip(read->ip), "10.45.249.1");
  EXPECT_TRUE(read_ip("1.2.3.00")->leading_zeros);
  EXPECT_FALSE(read_ip("0.0.0.0")->leading_zeros);
  EXPECT_TRUE(read_ip("::ffff:1.2.3.04")->leading_zeros);
}

TEST(Addresses, that_are_none_are_not_read) {
  for (const char* text : {"", "1", "1.2.3", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4.", "1.2.3.4.5", "1.2.3.256", "1.2.3.999", "0001.2.3.4",
                           "1.2.3.4a", "1.2.3.-4", "1.2.3 .4", "1,2,3,4", "255.255.255.2555", "1.2.3.4/8", "....", ".......",
                           "1.2.3.4\n", "a.b.c.d", "12.34.5678.9", "256.1.1.1"})
    EXPECT_FALSE(read_ip(text)) << text;
  EXPECT_FALSE(read_ip(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(read_ip(std::string_view("::\0 and more", 12)));
}

}  // namespace
}  // namespace tidewaiter::ingest
