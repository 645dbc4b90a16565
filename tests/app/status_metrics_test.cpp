#include "app/status_metrics.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::app {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(StallWatch, a_minute_without_progress_while_there_is_work_is_a_stall) {
  StallWatch watch;
  EXPECT_FALSE(watch.stalled(5, 9, 1000 * second));
  EXPECT_FALSE(watch.stalled(5, 9, 1059 * second));
  EXPECT_TRUE(watch.stalled(5, 9, 1060 * second));
  EXPECT_FALSE(watch.stalled(6, 9, 1061 * second));
}

TEST(StallWatch, nothing_to_do_is_no_stall) {
  StallWatch watch;
  EXPECT_FALSE(watch.stalled(9, 9, 1000 * second));
  EXPECT_FALSE(watch.stalled(9, 9, 9000 * second));
}

TEST(Balance, each_side_that_does_not_add_up_is_named) {
  PipelineStatus status;
  status.counters.read = 10;
  status.counters.duplicates = 1;
  status.counters.records_by_kind = {{"event", 7}, {"reject", 2}, {"alert", 99}};
  EXPECT_TRUE(balance_findings(status).empty());
  status.counters.read = 11;
  forward::Status connector;
  connector.name = "siem";
  connector.offered = 3;
  connector.delivered = 2;
  status.connectors.push_back(connector);
  ASSERT_EQ(balance_findings(status).size(), 2u);
  EXPECT_NE(balance_findings(status)[1].find("siem"), std::string::npos);
}

}  // namespace
}  // namespace tidewaiter::app
