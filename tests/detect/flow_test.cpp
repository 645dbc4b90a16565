#include "detect/flow.hpp"

#include <cmath>

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

struct Flows {
  Flow flow{8 << 20, 0.08};
  std::int64_t time = monday;
  Flow::Verdict see(const Made& made) {
    Stream stream;
    stream.add(made);
    const Commit commit = stream.commit(0, 1, 1);
    return flow.observe(keys_of(commit.events[0]), commit.events[0]);
  }
};

Flow::Verdict after_weeks(const std::function<void(Made&)>& change) {
  Flows flows;
  Company play;
  Made last;
  play.play([&](const Made& made) {
    flows.see(made);
    last = made;
  });
  Made made = play.usual(5, last.time + hour);
  change(made);
  return flows.see(made);
}

TEST(Flow, a_destination_that_nobody_knows_is_found_for_a_principal_of_a_closed_role) {
  const auto verdict = after_weeks([](Made& made) { made.host = "drop.example.net"; });
  EXPECT_EQ(verdict.rule, "flow.destination");
  EXPECT_EQ(verdict.level, "nobody");
  EXPECT_LT(verdict.rate_per_day, 0.05);
  EXPECT_GT(verdict.principal_events, 100);
  EXPECT_FALSE(verdict.edge_known);
}

TEST(Flow, the_same_from_a_role_that_browses_is_nothing) {
  Flows flows;
  Company play;
  Made last;
  play.play([&](const Made& made) {
    flows.see(made);
    last = made;
  });
  Made made = play.usual(7, last.time + hour);  // role-3
  made.host = "www-never.example.org";
  EXPECT_EQ(flows.see(made).rule, "");
}

TEST(Flow, what_a_peer_of_the_role_uses_is_no_surprise) {
  const auto verdict = after_weeks([](Made& made) { made.host = "db-1-3.corp.example"; });
  EXPECT_EQ(verdict.rule, "");
}

TEST(Flow, a_data_class_that_the_role_never_had_is_found) {
  const auto verdict = after_weeks([](Made& made) {
    made.host = "api-1-0.saas.example";
    made.data_class = "source_code";
  });
  EXPECT_EQ(verdict.rule, "flow.data_class");
}

TEST(Flow, a_cold_principal_is_left_to_policy) {
  const auto verdict = after_weeks([](Made& made) {
    made.principal = "agent:new";
    made.host = "drop.example.net";
  });
  EXPECT_EQ(verdict.rule, "");
}

TEST(Flow, one_actor_alone_cannot_make_a_destination_popular) {
  Flows flows;
  Company play;
  play.days = 10;
  play.play([&](Made made) {
    flows.see(made);
    if (made.principal == "agent:4") {
      made.host = "drop.example.net";
      for (int i = 0; i < 20; ++i) flows.see(made);  // floods the destination
    }
  });
  Made made = play.usual(5, monday + 10 * day);
  made.host = "drop.example.net";
  Stream stream;
  stream.add(made);
  const Commit commit = stream.commit(0, 1, 1);
  const auto before = flows.flow.calibrator(0).rate_per_day(0);
  flows.flow.observe(keys_of(commit.events[0]), commit.events[0]);
  const double high = flows.flow.calibrator(0).rate_per_day(11);
  EXPECT_GT(before, high) << "known to one actor of another tenant: still scored high";
}

TEST(Flow, a_flood_of_ids_stays_within_the_memory_and_spares_other_tenants) {
  Flows flows;
  Company play;
  play.days = 12;
  play.play([&](const Made& made) { flows.see(made); });
  const std::uint64_t memory = flows.flow.memory_bytes();
  Made flood;
  flood.tenant = "attacker";
  flood.role = "flood";
  for (int i = 0; i < 200'000; ++i) {
    flood.principal = "agent:flood-" + std::to_string(i);
    flood.host = "h" + std::to_string(i) + ".example";
    flood.time = monday + 12 * day;
    flows.see(flood);
  }
  EXPECT_EQ(flows.flow.memory_bytes(), memory);
  EXPECT_GT(flows.flow.evictions(), 100'000u);
  Made made = play.usual(5, monday + 12 * day + hour);
  made.host = "drop.example.net";
  const auto verdict = flows.see(made);
  EXPECT_EQ(verdict.rule, "flow.destination") << "the victim's history is still there";
  EXPECT_GT(verdict.principal_events, 100);
}

}  // namespace
}  // namespace tidewaiter::detect
