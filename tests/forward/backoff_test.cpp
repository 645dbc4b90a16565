#include "forward/backoff.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::forward {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(Backoff, delays_are_spread_over_the_whole_range_and_never_pass_the_cap) {
  BackoffOptions options;
  Backoff backoff(options, 1);
  for (int i = 0; i < 20; ++i) backoff.next_delay_ns(0);
  std::int64_t least = options.cap_ns, most = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t delay = backoff.next_delay_ns(0);
    ASSERT_GE(delay, 0);
    ASSERT_LE(delay, options.cap_ns);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_LT(least, options.cap_ns / 50);
  EXPECT_GT(most, options.cap_ns / 50 * 49);
}

TEST(Backoff, the_ceiling_doubles_with_each_failure) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Backoff backoff({}, seed);
    for (std::int64_t ceiling = second / 2; ceiling <= 256 * second; ceiling *= 2)
      ASSERT_LE(backoff.next_delay_ns(0), ceiling);
  }
}

TEST(Backoff, a_reset_begins_anew) {
  Backoff backoff({}, 3);
  for (int i = 0; i < 30; ++i) backoff.next_delay_ns(0);
  backoff.reset();
  EXPECT_LE(backoff.next_delay_ns(0), second / 2);
}

TEST(Backoff, the_same_seed_gives_the_same_delays) {
  Backoff a({}, 42), b({}, 42);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(a.next_delay_ns(0), b.next_delay_ns(0));
}

TEST(Backoff, a_wish_is_a_lower_bound_up_to_an_hour) {
  Backoff backoff({}, 1);
  EXPECT_GE(backoff.next_delay_ns(10 * second), 10 * second);
  EXPECT_LE(backoff.next_delay_ns(86'400 * second), 3'601 * second);
}

TEST(Backoff, a_failure_count_without_end_does_not_overflow) {
  Backoff backoff({}, 1);
  for (int i = 0; i < 100'000; ++i) ASSERT_GE(backoff.next_delay_ns(0), 0);
}

constexpr std::int64_t noon = 784'111'777 * second;  // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110

TEST(RetryAfter, seconds_are_read) {
  EXPECT_EQ(parse_retry_after("120", 0), 120 * second);
  EXPECT_EQ(parse_retry_after(" 0 ", 0), 0);
}

TEST(RetryAfter, all_three_forms_of_a_date_are_read) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", noon - 5 * second), 5 * second);
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", noon - 5 * second), 5 * second);
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:37 1994", noon - 5 * second), 5 * second);
}

TEST(RetryAfter, a_date_that_has_passed_asks_for_nothing) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", noon + second), 0);
}

TEST(RetryAfter, a_year_that_no_time_holds_is_nonsense) {
  EXPECT_EQ(parse_retry_after("Wed, 04 Mar 1013 05:18:07 GMT", noon), std::nullopt);
  EXPECT_EQ(parse_retry_after("Wed, 04 Mar 9999 05:18:07 GMT", noon), std::nullopt);
  EXPECT_EQ(parse_retry_after("Wed, 04 Mar 2026 -5:18:07 GMT", noon), std::nullopt);
}

TEST(RetryAfter, nonsense_is_nothing) {
  for (const char* text : {"", "soon", "-5", "12 apples", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
                           "99999999999999999999"})
    EXPECT_FALSE(parse_retry_after(text, 0)) << text;
}

}  // namespace
}  // namespace tidewaiter::forward
