// Skipping blocks: may_match and time_range may be generous, but never lose an event.
#include <gtest/gtest.h>

#include <limits>

#include "filter/filter.hpp"
#include "tests/filter/make_event.hpp"

namespace tidewaiter::filter {
namespace {

using test::make_event;

Filter compiled(std::string_view text) {
  auto filter = Filter::compile(text, 0);
  EXPECT_TRUE(filter) << (filter ? "" : filter.error().message);
  return filter ? *filter : Filter();
}

Summary block() {
  Summary summary = Summary::empty();
  summary.add(make_event({{"time", "2026-03-04T00:00:00Z"}, {"app", "a"}, {"bytes_out", "10"}, {"risk_tier", "low"},
                          {"data_classes", "pii,public"}}));
  summary.add(make_event({{"time", "2026-03-05T00:00:00Z"}, {"bytes_out", "20"}, {"risk_tier", "medium"},
                          {"data_classes", "pii"}, {"dst_port", "443"}}));
  return summary;
}

TEST(FilterSummary, a_block_without_a_possible_value_is_skipped) {
  for (const char* text : {"bytes_out > 20", "bytes_out < 10", "bytes_out in (9, 21)", "risk_tier >= high",
                           "data_classes has phi", "exists(approval)", "role == r", "time < 2026-03-04",
                           "bytes_out > 20 or role == r", "app == a and bytes_out == 21", "not (data_classes has pii)",
                           "data_classes not has pii", "not (bytes_out <= 20)", "dst_ip in 10.0.0.0/8", "false",
                           "dst_port != 443", "not exists(time)"})
    EXPECT_FALSE(compiled(text).may_match(block())) << text;
}

TEST(FilterSummary, a_block_with_a_possible_value_is_read) {
  for (const char* text : {"bytes_out > 19", "bytes_out in (15)", "risk_tier == medium", "data_classes has public",
                           "app == z", "not (app == a)", "not exists(app)", "time >= 2026-03-05", "true", "",
                           "not (dst_port == 443)", "data_classes not has public", "bytes_out != 10"})
    EXPECT_TRUE(compiled(text).may_match(block())) << text;
}

TEST(FilterSummary, nothing_known_rules_nothing_out) {
  for (const char* text : {"bytes_out > 20", "not (bytes_out > 20)", "time < 1960-01-01", "risk_tier != low",
                           "data_classes not has pii", "dst_port in (1)", "not exists(app)", "app == x"})
    EXPECT_TRUE(compiled(text).may_match(Summary::unknown())) << text;
}

TEST(FilterSummary, the_time_range_follows_and_or_and_not) {
  constexpr std::int64_t day = 86'400'000'000'000, first = std::numeric_limits<std::int64_t>::min(),
                         last = std::numeric_limits<std::int64_t>::max();
  using Range = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(compiled("app == x").time_range(), Range(first, last));
  EXPECT_EQ(compiled("time >= 1970-01-02 and time < 1970-01-03").time_range(), Range(day, 2 * day - 1));
  EXPECT_EQ(compiled("time == 1970-01-02 or time == 1970-01-05").time_range(), Range(day, 4 * day));
  EXPECT_EQ(compiled("not (time < 1970-01-02) and app == x").time_range(), Range(day, last));
  EXPECT_EQ(compiled("app == x or time > 1970-01-02").time_range(), Range(first, last));
  const Range none = compiled("time < 1970-01-02 and time > 1970-01-03").time_range();
  EXPECT_GT(none.first, none.second);
}

}  // namespace
}  // namespace tidewaiter::filter
