// What sampling left out is kept in runs between the items that wait, and never in more of them.
#include "forward/selection.hpp"

#include <gtest/gtest.h>

namespace tidewaiter::forward {
namespace {

TEST(LeftOut, what_has_nothing_wanted_between_is_one_run_however_long) {
  LeftOut left_out;
  for (std::uint64_t commit = 1; commit <= 10'000; ++commit) left_out.add({commit, 0, 0}, commit % 2);
  EXPECT_EQ(left_out.runs(), 1u);
  EXPECT_EQ(left_out.total()[0] + left_out.total()[1], 10'000u);
}

TEST(LeftOut, a_run_is_taken_once_the_cursor_is_behind_it) {
  LeftOut left_out;
  left_out.add({1, 0, 0}, 1);
  left_out.add({2, 0, 0}, 1);
  left_out.end_run();  // an item at {3, 0, 0}
  left_out.add({4, 0, 0}, 1);
  EXPECT_EQ(left_out.runs(), 2u);
  EXPECT_EQ(left_out.take_before({3, 0, 0})[1], 2u);
  EXPECT_EQ(left_out.take_before({3, 0, 0})[1], 0u);
  EXPECT_EQ(left_out.take_before({5, 0, 0})[1], 1u);
  left_out.add({6, 0, 0}, 2);
  EXPECT_EQ(left_out.runs(), 1u);
  EXPECT_EQ(left_out.take_before({7, 0, 0})[2], 1u);
  EXPECT_EQ(left_out.total()[1] + left_out.total()[2], 4u);
}

TEST(LeftOut, what_is_cleared_is_in_the_total_and_in_no_run) {
  LeftOut left_out;
  left_out.add({1, 0, 0}, 9);  // a tier that this version does not know counts as the highest
  left_out.clear();
  EXPECT_EQ(left_out.runs(), 0u);
  EXPECT_EQ(left_out.take_before({2, 0, 0})[risk_tiers - 1], 0u);
  EXPECT_EQ(left_out.total()[risk_tiers - 1], 1u);
}

}  // namespace
}  // namespace tidewaiter::forward
