#include "detect/burst.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t minute_ns = 60'000'000'000;

/// One event every `every_min` minutes for `days`; the last score and where time got to.
double play(Burst& burst, Key key, std::int64_t& time_ns, int days, int every_min) {
  double score = 0;
  for (const std::int64_t end = time_ns + days * 1440 * minute_ns; time_ns < end; time_ns += every_min * minute_ns)
    score = burst.observe(key, 1, time_ns);
  return score;
}

TEST(Burst, a_steady_key_scores_low_and_a_burst_of_it_high) {
  Burst burst(1 << 20);
  std::int64_t time_ns = 0;
  EXPECT_LT(play(burst, 7, time_ns, 10, 5), 5);
  double score = 0;
  for (int i = 0; i < 50; ++i) score = burst.observe(7, 1, time_ns);
  EXPECT_GT(score, 50);
}

TEST(Burst, the_score_is_the_geometric_tail_by_hand) {
  Burst burst(1 << 20);
  // First event: nothing learnt, rate = the prior's 0.03 a minute; the 1 min scale is the most surprised.
  const double mean = 0.03 / std::log(2.0);
  EXPECT_NEAR(burst.observe(7, 1, minute_ns), std::log1p(1 / mean), 1e-6);
}

TEST(Burst, a_slow_rise_shows_at_a_longer_scale) {
  Burst burst(1 << 20);
  std::int64_t time_ns = 0;
  play(burst, 7, time_ns, 20, 60);
  // Fifteen times as many for ten hours: no minute has more than one event.
  const double first = burst.observe(7, 1, time_ns);
  double last = 0;
  for (int i = 0; i < 150; ++i, time_ns += 4 * minute_ns) last = burst.observe(7, 1, time_ns);
  EXPECT_GT(last, 2 * first);
}

TEST(Burst, an_attack_does_not_make_itself_ordinary) {
  Burst burst(1 << 20);
  std::int64_t time_ns = 0;
  play(burst, 7, time_ns, 10, 10);
  double first = 0, last = 0;
  for (int i = 0; i < 600; ++i, time_ns += minute_ns)
    for (int j = 0; j < 20; ++j) (i == 0 ? first : last) = burst.observe(7, 1, time_ns);
  EXPECT_GT(last, first) << "ten hours into it";
}

TEST(Burst, rows_of_one_action_at_one_instant_count_little) {
  Burst rows(1 << 20), action(1 << 20);
  double as_rows = 0, as_action = 0;
  for (int i = 0; i < 100; ++i) {
    as_rows = rows.observe(7, 1, minute_ns);
    as_action = action.observe(7, 1, minute_ns, true);
  }
  EXPECT_LT(as_action, as_rows / 10);
}

TEST(Burst, a_snapshot_goes_on_as_if_nothing_had_been) {
  Burst burst(1 << 20), other(1 << 20);
  std::int64_t time_ns = 0;
  play(burst, 7, time_ns, 2, 7);
  SnapshotWriter out;
  burst.save(out);
  SnapshotReader in(out.bytes());
  ASSERT_TRUE(other.load(in));
  EXPECT_EQ(burst.observe(7, 1, time_ns), other.observe(7, 1, time_ns));
}

}  // namespace
}  // namespace tidewaiter::detect
