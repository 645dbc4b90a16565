#include "detect/watermark.hpp"

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

struct Clock {
  Watermark watermark{10 * second};
  Record record;
  std::int64_t event(std::uint32_t partition, std::int64_t time, std::int64_t receive = 0) {
    record.origin = intern_origin("test", TopicId{1}, "events");
    record.partition = partition;
    record.receive_time_ns = receive;
    Event event;
    event.set(Num::time, static_cast<std::uint64_t>(time));
    const std::uint32_t at = watermark.partition_of(record);
    watermark.advance(at, record, event);
    return watermark.now();
  }
  std::int64_t tick(std::int64_t time, std::vector<std::uint32_t> idle, std::vector<std::uint32_t> active = {}) {
    for (std::uint32_t number : idle) watermark.name("test", TopicId{1}, "events", number, true);
    for (std::uint32_t number : active) watermark.name("test", TopicId{1}, "events", number, false);
    watermark.tick(time);
    return watermark.now();
  }
};

TEST(Watermark, it_is_the_minimum_over_active_partitions_less_the_allowed_disorder) {
  Clock clock;
  clock.tick(0, {}, {0, 1});
  EXPECT_EQ(clock.event(0, monday + 60 * second), Watermark::none);
  EXPECT_EQ(clock.event(1, monday + 40 * second), monday + 30 * second);
  EXPECT_EQ(clock.event(0, monday + 90 * second), monday + 30 * second);
  EXPECT_EQ(clock.event(1, monday + 100 * second), monday + 80 * second);
}

TEST(Watermark, a_backlog_read_at_different_speeds_makes_nothing_late) {
  Clock clock;
  clock.tick(0, {}, {0, 1});
  for (int i = 0; i < 1000; ++i) clock.event(0, monday + i * minute);
  EXPECT_FALSE(clock.watermark.late(monday));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(clock.watermark.late(monday + i * minute));
    clock.event(1, monday + i * minute);
  }
}

TEST(Watermark, without_a_tick_it_waits_for_partitions_to_make_themselves_known) {
  Clock clock;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(clock.event(0, monday + i * second), Watermark::none);
  for (int i = 0; i < 30'000; ++i) clock.event(0, monday + i * second);
  EXPECT_NE(clock.watermark.now(), Watermark::none);
}

TEST(Watermark, an_idle_partition_does_not_hold_it_and_a_waking_one_does_not_move_it_back) {
  Clock clock;
  clock.tick(0, {}, {0, 1});
  clock.event(0, monday);
  clock.event(1, monday);
  clock.event(0, monday + 30 * minute);
  EXPECT_EQ(clock.watermark.now(), monday - 10 * second);
  EXPECT_EQ(clock.tick(0, {1}), monday + 30 * minute - 10 * second);
  EXPECT_EQ(clock.event(1, monday + minute), monday + 30 * minute - 10 * second);
  EXPECT_TRUE(clock.watermark.late(monday + minute));
}

TEST(Watermark, when_all_are_idle_it_follows_the_ticks) {
  Clock clock;
  clock.event(0, monday);
  EXPECT_EQ(clock.tick(monday + hour, {0}), monday + hour);
  EXPECT_EQ(clock.tick(monday + minute, {0}), monday + hour);
}

TEST(Watermark, one_clock_far_ahead_does_not_blind_the_others) {
  Clock clock;
  clock.tick(0, {}, {0});
  clock.event(0, monday);
  clock.event(0, monday + 20 * hour);
  EXPECT_EQ(clock.event(0, monday + 30 * second), monday + 20 * second);
  clock.event(0, monday + 5 * hour);
  clock.event(0, monday + 5 * hour + second);
  EXPECT_EQ(clock.event(0, monday + 5 * hour + 2 * second), monday + 5 * hour - 10 * second)
      << "three events beyond the gap are believed";
}

TEST(Watermark, an_event_ahead_of_its_own_receive_time_never_moves_it) {
  Clock clock;
  clock.tick(0, {}, {0});
  clock.event(0, monday, monday);
  EXPECT_EQ(clock.event(0, monday + 20 * minute, monday), monday - 10 * second);
}

TEST(Watermark, a_snapshot_brings_it_back_exactly) {
  Clock clock;
  clock.tick(0, {}, {0, 1});
  clock.event(0, monday);
  clock.event(1, monday + minute);
  SnapshotWriter out;
  clock.watermark.save(out);
  Clock other;
  SnapshotReader in(out.bytes());
  other.watermark.load(in);
  EXPECT_TRUE(in.ok() && in.at_end());
  EXPECT_EQ(other.watermark.now(), clock.watermark.now());
  EXPECT_EQ(other.event(0, monday + 2 * minute), clock.event(0, monday + 2 * minute));
}

}  // namespace
}  // namespace tidewaiter::detect
