// The filter against a slow reference over raw JSON, on queries and events made at random.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "filter/filter.hpp"
#include "tests/filter/query.hpp"

namespace tidewaiter::test {
namespace {

const std::int64_t now_ns = parse_rfc3339("2026-03-04T12:00:00Z").value();

std::uint32_t seed() {
  const char* given = std::getenv("TIDEWAITER_SEED");
  return given ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
}

/// Does `value` of this event lie in what the filter says every match has?
bool has_required_terms(const filter::Filter& filter, const Event& event) {
  return std::all_of(filter.required_terms().begin(), filter.required_terms().end(), [&](const auto& term) {
    return event.has(term.column) &&
           std::find(term.any_of.begin(), term.any_of.end(), event.get(term.column)) != term.any_of.end();
  });
}

void expect_agreement(const filter::Filter& filter, const Query& query, const Event& event, const std::string& text) {
  std::string raw;
  append_event_json(raw, event);
  const bool verdict = filter.matches(event);
  ASSERT_EQ(verdict, reference_verdict(query, nlohmann::json::parse(raw), now_ns)) << text << "\n" << raw;
  if (!verdict) return;
  filter::Summary alone = filter::Summary::empty();
  alone.add(event);
  ASSERT_TRUE(filter.may_match(alone)) << text << "\n" << raw;
  ASSERT_TRUE(has_required_terms(filter, event)) << text << "\n" << raw;
  const auto [first, last] = filter.time_range();
  if (event.has(Num::time)) {
    ASSERT_LE(first, event.time_ns()) << text;
    ASSERT_GE(last, event.time_ns()) << text;
  }
}

TEST(FilterProperty, a_slow_reference_over_raw_json_gives_the_same_verdicts) {
  const std::uint32_t seed_used = seed();
  std::cout << "TIDEWAITER_SEED=" << seed_used << "\n";
  Generator generator(seed_used);
  int matched = 0, pairs = 0;
  for (int round = 0; round < 3000; ++round) {
    const Query query = generator.query(static_cast<int>(round % 4));
    const std::string text = generator.text_of(query);
    const auto filter = filter::Filter::compile(text, now_ns);
    ASSERT_TRUE(filter) << text << "\n" << filter.error().message;
    const auto again = filter::Filter::compile(filter->canonical(), now_ns + 12345);
    ASSERT_TRUE(again) << filter->canonical();
    ASSERT_EQ(again->canonical(), filter->canonical());
    for (int i = 0; i < 12; ++i, ++pairs) {
      const Event event = generator.event();
      expect_agreement(*filter, query, event, text);
      if (HasFatalFailure()) return;
      ASSERT_EQ(again->matches(event), filter->matches(event)) << text;
      matched += filter->matches(event);
    }
  }
  EXPECT_GE(pairs, 20'000);
  EXPECT_GT(matched, pairs / 10);
  EXPECT_LT(matched, pairs * 9 / 10);
}

TEST(FilterProperty, no_match_hides_in_a_skipped_block) {
  const std::uint32_t seed_used = seed();
  std::cout << "TIDEWAITER_SEED=" << seed_used << "\n";
  Generator generator(seed_used);
  int skipped = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto filter = filter::Filter::compile(generator.text_of(generator.query(2)), now_ns);
    ASSERT_TRUE(filter);
    filter::Summary block = filter::Summary::empty();
    bool any = false;
    for (std::size_t i = 0; i < 3; ++i) {
      const Event event = generator.event();
      block.add(event);
      any = any || filter->matches(event);
    }
    const bool may = filter->may_match(block);
    ASSERT_TRUE(may || !any) << filter->canonical();
    skipped += !may;
  }
  EXPECT_GT(skipped, 100);
}

}  // namespace
}  // namespace tidewaiter::test
