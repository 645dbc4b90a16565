#include "core/failpoint.hpp"

#include <gtest/gtest.h>
#include <signal.h>

namespace tidewaiter {
namespace {

class Failpoints : public ::testing::Test {
 protected:
  ~Failpoints() override { failpoint_armed = false; }
};

TEST_F(Failpoints, a_wrong_name_number_or_action_is_refused_with_the_names_there_are) {
  for (const char* wrong : {"", "commit-after-sync", "commit-after-sync:1", "commit-after-sync:0:kill",
                            "commit-after-sync:x:kill", "commit-after-sync:1:explode", "commit-after-sync:1:sleep",
                            "commit-after-sync:1:sleep:-1", "commit-after-sync:1:kill:2", "nowhere:1:kill"}) {
    auto armed = arm_failpoint(wrong);
    ASSERT_FALSE(armed) << wrong;
    EXPECT_EQ(armed.error().code, Code::invalid_argument);
    EXPECT_NE(armed.error().message.find("head-file-outside"), std::string::npos);
    EXPECT_FALSE(failpoint_armed);
  }
}

TEST_F(Failpoints, the_process_dies_at_the_nth_pass_of_the_armed_one_and_nowhere_else) {
  EXPECT_EXIT(
      {
        if (!arm_failpoint("pack-after-write:3:kill")) std::exit(1);
        failpoint(Failpoint::pack_before_write);
        for (int pass = 1; pass <= 2; ++pass) failpoint(Failpoint::pack_after_write);
        std::fputs("still here\n", stderr);
        failpoint(Failpoint::pack_after_write);
        std::exit(0);
      },
      ::testing::KilledBySignal(SIGKILL), "still here");
}

TEST_F(Failpoints, one_that_waits_goes_on) {
  ASSERT_TRUE(arm_failpoint("checkpoint-after-files:1:sleep:1"));
  failpoint(Failpoint::checkpoint_after_files);
  failpoint(Failpoint::checkpoint_after_files);
}

}  // namespace
}  // namespace tidewaiter
