// Ramps: the e-process alone, and in volume what a ramp does to the level that it is judged by.
#include "detect/ramp.hpp"

#include <cmath>

#include "detect/volume.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

struct Normal {
  std::mt19937_64 random{17};
  double uniform() { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; }
  double next(double spread) { return spread * std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::acos(-1.0) * uniform()); }
};

/// Principal 1000 + `who` of one role sends so many bytes.
void observe(Volume& volume, std::uint64_t who, Key destination, std::int64_t time_ns, double bytes, std::vector<Volume::Finding>& out) {
  const Record record;
  Event event;
  event.set(Num::time, static_cast<std::uint64_t>(time_ns));
  event.set(Num::bytes_out, static_cast<std::uint64_t>(bytes));
  event.set(Num::direction, static_cast<std::uint64_t>(Direction::egress));
  event.set(Str::dst_host, "api.example");
  EventKeys keys;
  keys.tenant = 1;
  keys.role = 2;
  keys.principal = 1000 + who;
  keys.destination = destination;
  keys.quota = 1;
  volume.observe(keys, {&event, &record, 0, false}, out);
}

TEST(Ramp, quiet_days_reach_a_score_no_more_often_than_its_e_value_allows) {
  Normal noise;
  const int series = 3000, days = 60;
  int high = 0;
  for (int i = 0; i < series; ++i) {
    Ramp ramp{};
    for (int day = 0; day < days; ++day) {
      const double r = noise.next(0.3);
      if (day >= 20) high += ramp.score(r, day) >= 6;
      ramp.learn(r, day);
    }
  }
  EXPECT_LE(high, 1.5 * series * (days - 20) * std::exp(-6.0));
}

TEST(Ramp, days_of_thirty_and_of_ten_per_cent_more_are_seen_before_they_are_large_and_not_before_the_bound) {
  Normal noise;
  for (const auto& [per_cent, latest] : {std::pair{30, 7}, std::pair{10, 13}}) {
    const double wanted = 9;
    double delays = 0, information = 0;
    const int trials = 400;
    for (int i = 0; i < trials; ++i) {
      Ramp ramp{};
      for (int day = 0; day < 28; ++day) ramp.learn(noise.next(0.3), day);
      for (int day = 1;; ++day) {
        const double shift = day * std::log(1 + per_cent / 100.0), r = shift + noise.next(0.3);
        information += shift * shift / (2 * 0.3 * 0.3);
        if (ramp.score(r, 27 + day) >= wanted || day > 60) {
          delays += day;
          break;
        }
        ramp.learn(r, 27 + day);
      }
    }
    EXPECT_LE(delays / trials, latest) << per_cent;
    EXPECT_GE(information / trials, wanted * 0.9) << "Lorden (1971): nobody is faster, " << per_cent;
  }
}

TEST(Ramp, one_huge_day_is_left_to_others) {
  Ramp ramp{};
  for (int day = 0; day < 28; ++day) ramp.learn(day % 2 == 0 ? 0.3 : -0.3, day);
  EXPECT_LT(ramp.score(8, 28), 6);
}

TEST(Ramp, the_residual_that_would_have_been_fine_is_just_below_the_bar) {
  Ramp ramp{};
  for (int day = 0; day < 28; ++day) ramp.learn(day % 2 == 0 ? 0.3 : -0.3, day);
  for (int day = 28; day < 30; ++day) ramp.learn(1.2, day);
  const double needed = ramp.residual_at(5, 30);
  EXPECT_GE(ramp.score(needed, 30), 5);
  EXPECT_LT(ramp.score(needed - 0.01, 30), 5);
}

TEST(HighDays, a_day_of_ordinary_windows_says_no_more_than_its_chance) {
  Normal noise;
  HighDays highs{};
  const double mean = 5;
  const auto of_day = [&] {  // a compound Poisson sum of exponentials
    double nats = 0, left = mean;
    while ((left += std::log(noise.uniform())) > 0) nats -= std::log(noise.uniform());
    return nats;
  };
  for (int day = 0; day < 200; ++day) highs.learn(of_day(), day);
  EXPECT_NEAR(highs.usual(), mean, 1.5);
  const int days = 200'000;
  for (const double wanted : {2.0, 4.0, 6.0}) {
    int high = 0;
    for (int day = 0; day < days; ++day) high += highs.sum(of_day(), mean) >= wanted;
    EXPECT_LE(high, days * std::exp(-wanted)) << "Chernoff (1952), " << wanted;
    EXPECT_GT(high, 0) << wanted;
  }
}

TEST(HighDays, one_day_is_winsorised_days_add_up_and_are_forgotten) {
  HighDays highs{};
  EXPECT_EQ(highs.sum(1000, 5), 15);
  highs.keep(highs.sum(1000, 5));
  EXPECT_NEAR(highs.sum(1000, 5), 15 + 0.7 * 15, 0.1);
  for (int day = 0; day < 9; ++day) highs.keep(highs.sum(1000, 5));
  EXPECT_EQ(highs.sum(1000, 5), 30) << "there is an end to it";
  for (int day = 0; day < 10; ++day) highs.keep(highs.sum(5, 5));
  EXPECT_LT(highs.sum(5, 5), 1);
  highs.keep(highs.sum(1000, 5));
  highs.restart();
  EXPECT_EQ(highs.sum(1000, 5), 15);
}

struct Rise {
  std::uint64_t principals = 1;
  std::int64_t rest_after = 0;  // days without a transfer after the first of them
};

/// Twelve principals of a role send to a host each, every half hour of ten, and once a day far more, by which the days differ;
/// for three days from day 28 on some of them send eight times more, each four times as much as usual. The
/// ramps found on these days.
std::vector<Volume::Finding> ramps_of(const Rise& rise) {
  Names names(1 << 20);
  Volume volume(64 << 20, 0.3, 1e6, names);
  Normal noise;
  std::vector<Volume::Finding> out;
  const auto send = [&](std::uint64_t who, std::int64_t time, double bytes) { observe(volume, who, 2000 + who, time, bytes, out); };
  for (std::int64_t today = 0; today < 31; ++today) {
    if (today == 28) out.clear();
    const std::int64_t rested = today > 28 ? rise.rest_after : 0;
    for (std::int64_t at = 0; at < 20; ++at) {
      const std::int64_t time = monday + (today + rested) * day + 8 * hour + at * 30 * minute;
      for (std::uint64_t who = 0; who < 12; ++who) {
        send(who, time, 2e5 * std::exp(noise.next(0.45)));
        if (at == 17) send(who, time + 10 * minute, 4e6 * std::exp(noise.next(0.8)));
        if (today >= 28 && who < rise.principals && at % 2 == 0 && at < 16) send(who, time + 15 * minute, 8e5);
      }
      volume.close(time - minute, out);
    }
  }
  volume.close(monday + (33 + rise.rest_after) * day, out);
  std::erase_if(out, [](const Volume::Finding& finding) { return !finding.ramp; });
  return out;
}

TEST(HighDays, make_a_ramp_of_days_on_which_many_transfers_are_larger_and_none_of_them_is_rare) {
  const std::vector<Volume::Finding> found = ramps_of({});
  ASSERT_FALSE(found.empty());
  const Volume::Finding& first = found.front();
  EXPECT_EQ(first.window.principal, 1000u);
  EXPECT_LE(first.window.start_s, (monday + 29 * day) / 1'000'000'000) << "on the second day at the latest";
  EXPECT_GT(first.high_score, 3);
  EXPECT_GT(first.high_nats, 2 * first.high_expected);
  EXPECT_LT(first.not_below, static_cast<double>(first.window.bytes));
}

TEST(HighDays, of_a_whole_role_are_nobodys) {
  for (const Volume::Finding& finding : ramps_of({12})) EXPECT_LT(finding.high_score, 3) << finding.high_nats;
}

TEST(HighDays, know_no_days_of_rest) {
  const auto without = ramps_of({}), with = ramps_of({1, 2});
  ASSERT_FALSE(without.empty());
  ASSERT_EQ(with.size(), without.size());
  for (std::size_t i = 0; i < with.size(); ++i) {
    EXPECT_NEAR(with[i].high_score, without[i].high_score, 0.02 * without[i].high_score);
    EXPECT_NEAR(with[i].high_expected, without[i].high_expected, 0.02 * without[i].high_expected);
  }
}

/// Twelve principals of a role send to two hosts each, ten times a day; on top of what one of them sends come `growth`
/// more per day for 30 days from day 14 on, then five times its day within half an hour. The first finding after that.
Volume::Finding export_after(double growth) {
  Names names(1 << 20);
  Volume volume(64 << 20, 5, 1e6, names);
  Normal noise;
  std::vector<Volume::Finding> out;
  const std::int64_t start = monday;
  const auto send = [&](std::uint64_t who, std::uint64_t host, std::int64_t time, double bytes) {
    observe(volume, who, 2000 + 10 * who + host, time, bytes, out);
  };
  for (std::int64_t today = 0; today < 45; ++today) {
    const double factor = today < 14 || today >= 44 ? 1 : std::pow(1 + growth, static_cast<double>(today - 13));
    for (std::int64_t at = 0; at < 10; ++at) {
      const std::int64_t time = start + today * day + (8 + at) * hour;
      if (today == 44 && at == 5) out.clear();
      for (std::uint64_t who = 0; who < 12; ++who)
        for (std::uint64_t host = 0; host < 2; ++host) send(who, host, time + std::int64_t(who) * minute, 2e5 * std::exp(noise.next(0.45)));
      if (factor > 1) send(0, 0, time + 30 * minute, 2.2e5 * (factor - 1));
      if (today == 44 && at == 5)
        for (int i = 0; i < 6; ++i) send(0, 0, time + (20 + 5 * i) * minute, 5 * 2.2e6 / 6);
      volume.close(time - minute, out);
    }
  }
  volume.close(start + 46 * day, out);
  for (const Volume::Finding& finding : out)
    if (finding.window.principal == 1000 && finding.window.bytes > 1'500'000) return finding;
  return {};
}

TEST(Ramp, thirty_days_of_two_per_cent_inflate_the_level_by_less_than_fifteen) {
  const Volume::Finding clean = export_after(0), poisoned = export_after(0.02);
  ASSERT_GT(clean.expected, 0);
  ASSERT_GT(poisoned.expected, 0) << "the export is not found";
  EXPECT_LE(poisoned.expected, 1.15 * clean.expected);
  EXPECT_LE(poisoned.upper, 1.15 * clean.upper);
}

}  // namespace
}  // namespace tidewaiter::detect
