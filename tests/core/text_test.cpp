#include "core/text.hpp"

#include <gtest/gtest.h>

#include <random>

#include "core/sha256.hpp"

namespace tidewaiter {
namespace {

TEST(Hex, round_trips_and_refuses_what_is_no_hex) {
  EXPECT_EQ(to_hex(std::string_view("\x00\xff\x10", 3)), "00ff10");
  EXPECT_EQ(from_hex("00FF10"), std::string("\x00\xff\x10", 3));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Base64, round_trips_all_lengths) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

TEST(Base64, stray_bits_padding_and_foreign_letters_are_refused) {
  EXPECT_EQ(from_base64("QQ=="), "A");
  EXPECT_FALSE(from_base64("QR=="));  // non-zero tail bits
  EXPECT_FALSE(from_base64("QQ="));
  EXPECT_FALSE(from_base64("QQ==QQ=="));
  EXPECT_FALSE(from_base64("Q-=="));
}

TEST(Ip, leading_zeros_are_decimal_and_never_octal) {
  ASSERT_TRUE(parse_ip("251.234.045.249"));
  EXPECT_EQ(format_ip(*parse_ip("251.234.045.249")), "251.234.45.249");
  EXPECT_EQ(format_ip(*parse_ip("::ffff:10.0.0.1")), "10.0.0.1");
  EXPECT_EQ(format_ip(*parse_ip("fe80::1%eth0")), "fe80::1");
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1..2.3", "ec2.amazonaws.com", "0001.2.3.4", ":::"})
    EXPECT_FALSE(parse_ip(bad)) << bad;
}

TEST(Rfc3339, fractions_offsets_and_leap_days) {
  EXPECT_EQ(format_rfc3339(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(parse_rfc3339("2262-04-11T23:47:16.854775807Z"), INT64_MAX);
  EXPECT_FALSE(parse_rfc3339("2262-04-11T23:47:16.854775808Z"));
  EXPECT_FALSE(parse_rfc3339("2262-04-11T23:47:17Z"));
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339("2024-02-29T23:59:59.5+01:00"), parse_rfc3339("2024-02-29T22:59:59.500Z"));
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2026-03-04T05:06:07.123456789Z")), "2026-03-04T05:06:07.123456789Z");
  for (const char* bad : {"2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01",
                          "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(Rfc3339, what_is_printed_reads_back_the_same) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    const auto time = static_cast<std::int64_t>(random() % 9'000'000'000'000'000'000ull) - 4'000'000'000'000'000'000;
    EXPECT_EQ(parse_rfc3339(format_rfc3339(time)), time);
  }
}

TEST(NearestWord, suggests_a_typo_and_stays_silent_on_nonsense) {
  const std::string_view words[] = {"topics", "brokers", "properties"};
  EXPECT_EQ(nearest_word("topcs", words), "topics");
  EXPECT_EQ(nearest_word("zzzzzz", words), "");
}

TEST(Sha256, agrees_with_the_vector_of_fips_180_4) {
  EXPECT_EQ(to_hex(as_view(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hasher;
  EXPECT_EQ(hasher.digest("a", "b", "c"), sha256("abc"));
}

}  // namespace
}  // namespace tidewaiter
