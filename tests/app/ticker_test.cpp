#include "app/ticker.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::app {
namespace {

constexpr std::int64_t second = 1'000'000'000;

Commit commit_of(const Origin* origin, std::uint32_t partition, std::int64_t event_time_ns) {
  Commit commit;
  Record record;
  record.origin = origin;
  record.partition = partition;
  record.event_count = 1;
  commit.records.push_back(record);
  Event event;
  event.set(Num::time, static_cast<std::uint64_t>(event_time_ns));
  commit.events.push_back(event);
  return commit;
}

struct TickerTest : testing::Test {
  const Origin* origin = intern_origin("cluster", {}, "topic");
  Ticker ticker{{.idle_after_ms = 5'000, .tick_interval_ms = 30'000}};
};

TEST_F(TickerTest, says_nothing_before_anything_was_read) {
  EXPECT_FALSE(ticker.due(100 * second));
  EXPECT_FALSE(ticker.end_of_input());
}

TEST_F(TickerTest, names_assigned_partitions_active_once) {
  const auto tick = ticker.announce({{origin, 0}, {origin, 1}}, second);
  ASSERT_TRUE(tick);
  EXPECT_NE(tick->find("\"idle\":[]"), std::string::npos) << *tick;
  EXPECT_NE(tick->find("\"partition\":1"), std::string::npos);
  EXPECT_FALSE(ticker.announce({{origin, 0}, {origin, 1}}, 2 * second));
}

TEST_F(TickerTest, a_partition_without_messages_becomes_idle_and_wakes_again) {
  ticker.observe(commit_of(origin, 0, 1000 * second), 10 * second);
  EXPECT_FALSE(ticker.due(14 * second));
  auto tick = ticker.due(15 * second);
  ASSERT_TRUE(tick);
  EXPECT_NE(tick->find("\"idle\":[{"), std::string::npos);
  EXPECT_NE(tick->find("\"event_time_ns\":" + std::to_string(1005 * second)), std::string::npos) << *tick;
  EXPECT_FALSE(ticker.due(16 * second));
  ticker.observe(commit_of(origin, 0, 1007 * second), 17 * second);
  tick = ticker.due(17 * second);
  ASSERT_TRUE(tick);
  EXPECT_NE(tick->find("\"active\":[{"), std::string::npos);
}

TEST_F(TickerTest, a_slow_partition_with_a_backlog_is_not_idle) {
  ticker.observe(commit_of(origin, 0, 1000 * second), 0);
  ticker.set_at_end(origin, 0, false);
  EXPECT_TRUE(ticker.suspects_idle(9 * second));
  EXPECT_FALSE(ticker.due(9 * second));
  ticker.set_at_end(origin, 0, true);
  EXPECT_TRUE(ticker.due(9 * second));
}

TEST_F(TickerTest, goes_on_ticking_while_everything_is_idle) {
  ticker.observe(commit_of(origin, 0, 1000 * second), 0);
  ASSERT_TRUE(ticker.due(5 * second));
  EXPECT_FALSE(ticker.due(34 * second));
  EXPECT_TRUE(ticker.due(35 * second));
}

TEST_F(TickerTest, a_receive_time_does_not_drag_a_backlog_to_today) {
  ticker.observe(commit_of(origin, 0, 1000 * second), 0);
  Commit without_time = commit_of(origin, 0, 99'000 * second);
  without_time.events[0].set(Num::time_quality, static_cast<std::uint64_t>(TimeQuality::receive));
  ticker.observe(without_time, 0);
  const auto tick = ticker.end_of_input();
  ASSERT_TRUE(tick);
  EXPECT_NE(tick->find("\"event_time_ns\":" + std::to_string(1000 * second)), std::string::npos) << *tick;
}

TEST_F(TickerTest, the_end_of_input_idles_all_at_the_newest_event_time) {
  ticker.observe(commit_of(origin, 0, 1000 * second), 0);
  ticker.observe(commit_of(origin, 1, 990 * second), 0);
  const auto tick = ticker.end_of_input();
  ASSERT_TRUE(tick);
  EXPECT_NE(tick->find("\"event_time_ns\":" + std::to_string(1000 * second)), std::string::npos);
  EXPECT_FALSE(ticker.end_of_input());
}

}  // namespace
}  // namespace tidewaiter::app
