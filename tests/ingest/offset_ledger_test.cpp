#include "ingest/offset_ledger.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tidewaiter::ingest {
namespace {

const Lane a{intern_origin("k", {}, "a"), 0}, b{intern_origin("k", {}, "b"), 3};

TEST(OffsetLedger, nothing_may_be_committed_before_it_is_durable) {
  OffsetLedger ledger;
  ledger.assigned(a, 10);
  ledger.handed_over(a, 50);
  EXPECT_TRUE(ledger.committable().empty());
  ledger.durable(a, 30);
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].next_offset, 30u);
}

TEST(OffsetLedger, an_offset_is_offered_once_unless_it_is_refused) {
  OffsetLedger ledger;
  ledger.assigned(a, 0);
  ledger.durable(a, 5);
  ledger.sent(ledger.committable());
  EXPECT_TRUE(ledger.committable().empty());
  ledger.refused(a);
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].next_offset, 5u);
}

TEST(OffsetLedger, an_offset_goes_with_the_leader_epoch_of_the_message_before_it) {
  OffsetLedger ledger;
  ledger.assigned(a, 0);
  ledger.durable(a, 5, 7);
  ledger.durable(a, 3, 6);  // later, but lower: says nothing
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].next_offset, 5u);
  EXPECT_EQ(ledger.committable()[0].leader_epoch, 7);
}

TEST(OffsetLedger, what_kafka_was_not_told_of_is_offered_after_a_look_at_its_log) {
  OffsetLedger ledger;
  ledger.assigned(a, 9);
  EXPECT_TRUE(ledger.committable().empty());
  ledger.looked_at(a, 4, 2);
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].next_offset, 9u);
  EXPECT_EQ(ledger.committable()[0].leader_epoch, 2);
  ledger.assigned(a, 9);
  ledger.looked_at(a, 9, 2);  // it knows it already
  EXPECT_TRUE(ledger.committable().empty());
}

TEST(OffsetLedger, an_idle_lane_offers_its_offset_with_the_epoch_and_not_before_the_look) {
  OffsetLedger ledger;
  ledger.assigned(a, 9, 9, true);
  EXPECT_FALSE(ledger.any_durable());
  ledger.looked_at(a, 9, 2);
  ASSERT_TRUE(ledger.any_durable());
  EXPECT_EQ(ledger.any_durable()->leader_epoch, 2);
  ledger.durable(a, 12, 5);
  EXPECT_EQ(ledger.any_durable()->next_offset, 12u);
  EXPECT_EQ(ledger.any_durable()->leader_epoch, 5);
}

TEST(OffsetLedger, a_log_that_was_read_again_under_another_leader_is_offered_with_its_epoch) {
  OffsetLedger ledger;
  ledger.assigned(a, 9, 9, true);
  ledger.durable(a, 6, 3);
  EXPECT_TRUE(ledger.committable().empty());
  ledger.durable(a, 9, 3);
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].next_offset, 9u);
  EXPECT_EQ(ledger.committable()[0].leader_epoch, 3);
  ledger.sent(ledger.committable());
  EXPECT_TRUE(ledger.committable().empty());
}

TEST(OffsetLedger, a_revoked_partition_is_never_offered) {
  OffsetLedger ledger;
  ledger.assigned(a, 0);
  ledger.assigned(b, 0);
  ledger.revoked(a);
  ledger.durable(a, 5);
  ledger.durable(b, 6);
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].lane, b);
}

TEST(OffsetLedger, durable_offsets_do_not_go_back) {
  OffsetLedger ledger;
  ledger.assigned(a, 0);
  ledger.durable(a, 9);
  ledger.durable(a, 4);
  EXPECT_EQ(ledger.committable()[0].next_offset, 9u);
}

TEST(OffsetLedger, a_partition_is_settled_when_all_that_was_handed_over_is_durable) {
  OffsetLedger ledger;
  ledger.assigned(a, 0);
  EXPECT_TRUE(ledger.settled(a));
  ledger.handed_over(a, 7);
  EXPECT_FALSE(ledger.settled(a));
  ledger.durable(a, 6);
  EXPECT_FALSE(ledger.settled(a));
  ledger.durable(a, 7);
  EXPECT_TRUE(ledger.settled(a));
  ledger.handed_over(a, 9);
  ledger.forget_under_way(a);
  EXPECT_TRUE(ledger.settled(a));
}

TEST(OffsetLedger, records_of_an_old_assignment_are_not_current_after_the_partition_comes_back) {
  OffsetLedger ledger;
  const auto first = ledger.assigned(a, 0);
  EXPECT_TRUE(ledger.is_current(a, first));
  ledger.revoked(a);
  EXPECT_FALSE(ledger.is_current(a, first));
  const auto second = ledger.assigned(a, 3);
  EXPECT_FALSE(ledger.is_current(a, first));
  EXPECT_TRUE(ledger.is_current(a, second));
  EXPECT_TRUE(ledger.is_current(a, ledger.assigned(b, 0))) << "another partition's assignment does not touch it";
}

TEST(OffsetLedger, a_retired_partition_is_stored_but_not_committed) {
  OffsetLedger ledger;
  const auto generation = ledger.assigned(a, 0);
  ledger.handed_over(a, 4);
  ledger.retire(a);
  ledger.durable(a, 4);
  EXPECT_TRUE(ledger.is_current(a, generation));
  EXPECT_TRUE(ledger.committable().empty());
  EXPECT_EQ(ledger.named("a", 0), std::vector<Lane>{a});
  EXPECT_TRUE(ledger.named("a", 1).empty());
}

TEST(OffsetLedger, whatever_happens_only_durable_offsets_of_owned_partitions_are_offered) {
  std::mt19937 random(7);
  for (int run = 0; run < 200; ++run) {
    OffsetLedger ledger;
    std::map<Lane, std::uint64_t> durable;  // the naive model
    for (int step = 0; step < 200; ++step) {
      const Lane lane = random() % 2 == 0 ? a : b;
      const std::uint64_t offset = random() % 1000;
      switch (random() % 6) {
        case 0: ledger.assigned(lane, offset); durable[lane] = offset; break;
        case 1: ledger.revoked(lane); durable.erase(lane); break;
        case 2: ledger.handed_over(lane, offset); break;
        case 3:
          ledger.durable(lane, offset);
          if (durable.contains(lane)) durable[lane] = std::max(durable[lane], offset);
          break;
        case 4: ledger.sent(ledger.committable()); break;
        case 5: ledger.refused(lane); break;
      }
      for (const LaneOffset& offered : ledger.committable()) {
        ASSERT_TRUE(durable.contains(offered.lane));
        ASSERT_EQ(offered.next_offset, durable[offered.lane]);
      }
    }
  }
}

TEST(OffsetLedger, what_the_store_holds_and_kafka_does_not_know_is_offered_at_assignment) {
  OffsetLedger ledger;
  const Lane lane{intern_origin("cluster", {}, "known-to-the-store"), 0};
  ledger.assigned(lane, 10, 7);
  ASSERT_EQ(ledger.committable().size(), 1u);
  EXPECT_EQ(ledger.committable()[0].next_offset, 10u);
  ledger.sent(ledger.committable());
  EXPECT_TRUE(ledger.committable().empty());
  ledger.refused(lane);
  EXPECT_EQ(ledger.committable().size(), 1u);
  ledger.assigned(lane, 10, 12);  // moved by another tool: not ours to follow, nor to repeat
  EXPECT_TRUE(ledger.committable().empty());
}

}  // namespace
}  // namespace tidewaiter::ingest
