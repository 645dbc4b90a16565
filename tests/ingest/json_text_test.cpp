// The readers of JSON text that look at many bytes at once, against the ones that go from character to character.
#include "ingest/json_text.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <random>
#include <string>

#include "ingest/extracts.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::string_view behind = "                                ";  // what may be loaded

std::size_t length_of(const std::string& text) {
  const std::string loaded = text + std::string(behind);
  return plain_number_length(loaded.data());
}

#if defined(__AVX2__)
TEST(PlainNumbers, end_where_their_grammar_ends_them) {
  EXPECT_EQ(length_of("0,"), 1u);
  EXPECT_EQ(length_of("-17}"), 3u);
  EXPECT_EQ(length_of("1777629600.250000]"), 17u);
  EXPECT_EQ(length_of("1234567890123456789012345678901,"), 31u);
  for (const char* other : {"", "-", "007", "-01", ".5", "1.", "1.,", "1e5", "1.5E-3", "+1", "true", "null", "\"1\"",
                            "12345678901234567890123456789012"})
    EXPECT_EQ(length_of(other), 0u) << other;
}

TEST(PlainNumbers, are_those_of_the_reader_that_goes_from_character_to_character) {
  constexpr std::string_view signs = "0123456789012345678900..--eE+";
  std::mt19937 random(11);
  std::size_t numbers = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string token;
    for (auto left = 1 + random() % 12; left > 0; --left) token += signs[random() % signs.size()];
    const bool plain = is_json_number(token) && token.find_first_of("eE") == std::string::npos;
    EXPECT_EQ(length_of(token + ",") == token.size(), plain) << token;
    numbers += plain;
  }
  EXPECT_GT(numbers, 10'000u);
}
#endif

TEST(HexIds, are_16_or_32_digits_wherever_another_character_stands) {
  for (const std::size_t size : {16u, 32u})
    for (int c = 0; c < 256; ++c)
      for (std::size_t at = 0; at < size; ++at) {
        std::string id(size, "09afAF"[at % 6]);
        id[at] = static_cast<char>(c);
        ASSERT_EQ(is_hex_id(id), std::isxdigit(c) != 0) << c << " at " << at << " of " << size;
      }
  for (const std::size_t size : {0u, 15u, 17u, 31u, 33u}) EXPECT_FALSE(is_hex_id(std::string(size, 'a'))) << size;
}

}  // namespace
}  // namespace tidewaiter::ingest
