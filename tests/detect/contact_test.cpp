#include "detect/contact.hpp"

#include <gmock/gmock.h>

#include <random>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t minute_ns = 60'000'000'000;
constexpr std::uint64_t people = 160, department = 20;

Key person(std::uint64_t number) { return combine(number, 0xabc); }

/// Members of departments reach each other, each mostly six of them.
struct World {
  Contact contact{32 << 20};
  std::mt19937 random{1};
  std::int64_t time_ns = minute_ns;

  void play(int rows) {
    for (int i = 0; i < rows; ++i, time_ns += minute_ns) {
      const std::uint64_t who = random() % people, near = who / department * department;
      const std::uint64_t to = random() % 60 == 0 ? random() % department : (who + random() % 6) % department;
      contact.observe(person(who), person(near + to), 1, time_ns);
    }
  }
};

TEST(Contact, a_stranger_is_more_surprising_than_a_colleague) {
  World world;
  world.play(30'000);
  double strangers = 0, colleagues = 0;
  int strangers_met = 0, colleagues_met = 0;
  for (std::uint64_t who = 0; who < people; ++who) {
    const auto stranger = world.contact.observe(person(who), person((who + people / 2) % people), 1, world.time_ns);
    if (!stranger.known) strangers += stranger.score, ++strangers_met;
    const std::uint64_t near = who / department * department;
    const auto colleague = world.contact.observe(person(who), person(near + (who + 13) % department), 1, world.time_ns);
    if (!colleague.known) colleagues += colleague.score, ++colleagues_met;
    world.play(50);
  }
  ASSERT_GT(strangers_met, 100);
  ASSERT_GT(colleagues_met, 20);
  EXPECT_GT(strangers / strangers_met, colleagues / colleagues_met + 2);
}

TEST(Contact, an_edge_that_is_known_is_no_surprise) {
  World world;
  world.play(20'000);
  const auto first = world.contact.observe(person(3), person(130), 1, world.time_ns);
  const auto second = world.contact.observe(person(3), person(130), 1, world.time_ns);
  EXPECT_FALSE(first.known);
  EXPECT_TRUE(second.known);
  EXPECT_LT(second.score, first.score / 4);
}

TEST(Contact, repeating_one_edge_makes_nobody_else_popular) {
  World quiet, flooded;
  quiet.play(20'000);
  flooded.play(20'000);
  quiet.contact.observe(person(90), person(131), 1, quiet.time_ns);
  for (int i = 0; i < 5000; ++i) flooded.contact.observe(person(90), person(131), 1, flooded.time_ns);
  const Contact::Verdict before = quiet.contact.observe(person(5), person(131), 1, quiet.time_ns);
  const Contact::Verdict after = flooded.contact.observe(person(5), person(131), 1, flooded.time_ns);
  EXPECT_FALSE(after.known);
  EXPECT_NEAR(after.affinity, before.affinity, 0.5);
}

TEST(Contact, a_flood_of_ids_stays_within_the_memory) {
  Contact contact(4 << 20);
  const std::uint64_t memory = contact.memory_bytes();
  for (std::uint64_t i = 0; i < 50'000; ++i) contact.observe(person(i), person(i * 7 + 1), 1, static_cast<std::int64_t>(i) * minute_ns);
  EXPECT_EQ(contact.memory_bytes(), memory);
  EXPECT_GT(contact.evictions(), 0u);
}

TEST(Contact, a_snapshot_goes_on_as_if_nothing_had_been) {
  World world;
  world.play(5'000);
  SnapshotWriter out;
  world.contact.save(out);
  SnapshotReader in(out.bytes());
  Contact other(32 << 20);
  ASSERT_TRUE(other.load(in));
  EXPECT_TRUE(in.at_end());
  for (std::uint64_t who = 0; who < people; ++who) {
    const auto a = world.contact.observe(person(who), person(who * 3 % people), 1, world.time_ns);
    const auto b = other.observe(person(who), person(who * 3 % people), 1, world.time_ns);
    ASSERT_EQ(a.score, b.score);
  }
}

}  // namespace
}  // namespace tidewaiter::detect
