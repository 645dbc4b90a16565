// Surges of a small role: twelve agents that work from 7 to 19 o'clock, one action every 20 seconds or so.
#include "detect/surge.hpp"

#include <set>

#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

constexpr int days_before = 15, members = 12;
constexpr std::int64_t rush_ns = monday + days_before * day + 10 * hour;  // a Tuesday

struct Office {
  std::mt19937_64 random{11};
  Surge surge{8 << 20, 0.5};
  std::vector<Surge::Finding> findings;
  std::vector<std::int64_t> found_ns;
  std::vector<int> found;

  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }
  void act(int member, std::int64_t time_ns, bool new_destination = false) {
    EventKeys keys;
    keys.tenant = 3;
    keys.role = 5;
    keys.quota = 1;
    keys.principal = 1000 + static_cast<Key>(member);
    Event event;
    event.set(Num::time, static_cast<std::uint64_t>(time_ns));
    event.set(Num::action, static_cast<std::uint64_t>(uniform() * 3));
    event.set(Num::principal_type, enums::principal_type.find("agent").value());
    const std::size_t before = findings.size();
    surge.observe(keys, event, new_destination, findings);
    for (std::size_t i = before; i < findings.size(); ++i) {
      found_ns.push_back(time_ns);
      found.push_back(member);
    }
  }
  /// From one time to another; `busier(member)` times as much as is usual for the hour.
  template <class Busier>
  void work(std::int64_t from_ns, std::int64_t to_ns, Busier busier) {
    constexpr std::int64_t step = 2'000'000'000;
    for (std::int64_t time = from_ns; time < to_ns; time += step) {
      const std::int64_t hour_of_day = time % day / hour;
      const double per_min = hour_of_day >= 7 && hour_of_day < 19 && (time - monday) / day % 7 < 5 ? 3 : 0.2;
      for (int member = 0; member < members; ++member)
        for (double expected = per_min / 30 * busier(member); expected > 0; expected -= 1)
          if (uniform() < expected) act(member, time + member);
    }
  }
  /// Findings of one member within an hour are one.
  std::size_t surges() const {
    std::set<std::pair<int, std::int64_t>> different;
    for (std::size_t i = 0; i < found.size(); ++i) different.emplace(found[i], found_ns[i] / hour);
    return different.size();
  }
  void learn() {
    work(monday, rush_ns, [](int) { return 1.0; });
  }
};

TEST(Surge, an_agent_that_does_ten_times_as_much_is_found_within_a_minute) {
  Office office;
  office.learn();
  EXPECT_LE(office.surges(), 5u) << "half a false alert a day is allowed for, and ten of fifteen days are judged";
  const std::size_t before = office.found.size();
  office.work(rush_ns, rush_ns + 10 * minute, [](int member) { return member == 4 ? 10.0 : 1.0; });
  ASSERT_GT(office.found.size(), before);
  for (std::size_t i = before; i < office.found.size(); ++i) EXPECT_EQ(office.found[i], 4);
  EXPECT_LE(office.found_ns[before], rush_ns + minute);
  const Surge::Finding& finding = office.findings[before];
  EXPECT_EQ(finding.kind, Surge::Kind::principal);
  EXPECT_NEAR(finding.expected, 3, 1.5);
  EXPECT_GT(finding.observed, finding.upper);
  EXPECT_LE(finding.not_below, finding.observed);
  EXPECT_GT(finding.not_below, finding.expected);
  EXPECT_LT(finding.rate_per_day, finding.bar_per_day);
}

TEST(Surge, three_times_as_much_is_found_within_ten_minutes) {
  Office office;
  office.learn();
  const std::size_t before = office.found.size();
  office.work(rush_ns, rush_ns + 10 * minute, [](int member) { return member == 4 ? 3.5 : 1.0; });
  ASSERT_GT(office.found.size(), before);
  EXPECT_EQ(office.found[before], 4);
}

TEST(Surge, a_rush_that_all_of_a_role_share_is_nobodys) {
  std::size_t in_rushes = 0, before = 0;
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Office office;
    office.random.seed(seed);
    office.learn();
    before += office.found.size();
    in_rushes -= office.found.size();
    for (int i = 0; i < 60; ++i) office.work(rush_ns + i * minute, rush_ns + (i + 1) * minute, [&](int) { return 1 + i * 0.04; });
    in_rushes += office.found.size();
  }
  EXPECT_LE(before, 30u) << "0.37 a day are asked of these kinds, over 80 days that are judged";
  EXPECT_LE(in_rushes, 2u) << "of ten rushes that triple the work of twelve";
}

// Members of a role in all time zones: each works four hours, and the role as a whole has no season.
struct Shifts : Office {
  void work_shifts(std::int64_t from_ns, std::int64_t to_ns) {
    constexpr std::int64_t step = 2 * second;
    for (std::int64_t time = from_ns; time < to_ns; time += step)
      for (int member = 0; member < members; ++member) {
        const std::int64_t into = (time % day / hour + 24 - 2 * member) % 24;
        if (uniform() < (into < 4 ? 3.5 : 0.1) / 30) act(member, time + member);
      }
  }
};

TEST(Surge, who_works_four_hours_a_day_is_held_against_those_hours) {
  Shifts shifts;
  shifts.work_shifts(monday, monday + 21 * day);
  const std::int64_t judged_ns = monday + 10 * day;
  const auto false_found = std::ranges::count_if(shifts.found_ns, [&](std::int64_t time) { return time >= judged_ns; });
  EXPECT_LE(false_found, 8) << "0.37 a day are asked of these kinds, over 11 days";
  const std::int64_t shift_ns = monday + 21 * day + 6 * hour + 90 * minute;  // of the fourth
  shifts.work_shifts(monday + 21 * day, shift_ns);
  const std::size_t before = shifts.found.size();
  for (int i = 0; i < 70; ++i) {  // three times as much for ten minutes
    shifts.work_shifts(shift_ns + i * 10 * minute / 70, shift_ns + (i + 1) * 10 * minute / 70);
    shifts.act(3, shift_ns + (i + 1) * 10 * minute / 70);
  }
  const auto burst = std::ranges::find(shifts.found.begin() + static_cast<std::ptrdiff_t>(before), shifts.found.end(), 3);
  ASSERT_NE(burst, shifts.found.end());
  const auto at = static_cast<std::size_t>(burst - shifts.found.begin());
  EXPECT_LE(shifts.found_ns[at], shift_ns + 5 * minute);
  EXPECT_NEAR(shifts.findings[at].expected, 3.5, 0.7) << "a minute, in its hours; 0.7 in all of its day";
}

TEST(Surge, what_another_partition_brings_later_is_no_burst) {
  Office office;
  office.learn();
  office.findings.clear();
  const std::int64_t newest = rush_ns + minute;
  office.act(3, newest);
  for (int i = 0; i < 180; ++i) office.act(3, newest - 61 * minute + i * 20 * second);  // an hour's usual work, read after it
  EXPECT_TRUE(office.findings.empty());
}

TEST(Surge, new_destinations_come_faster_than_ever) {
  Office browsing;  // four new ones a day of each member
  for (int at = 0; at < days_before; ++at) {
    for (int i = 0; i < 4; ++i)
      for (int member = 0; member < members; ++member)
        browsing.act(member, monday + at * day + (8 + 3 * i) * hour + member * minute, true);
  }
  const std::size_t before = browsing.found.size();
  for (int i = 0; i < 40; ++i) browsing.act(4, rush_ns + i * minute / 4, true);
  bool fan_out = false;
  for (std::size_t i = before; i < browsing.findings.size(); ++i) fan_out |= browsing.findings[i].kind == Surge::Kind::fan_out;
  EXPECT_TRUE(fan_out);
}

TEST(Surge, a_surge_is_told_anew_only_when_it_has_become_much_less_likely) {
  Office office;
  office.learn();
  const std::size_t before = office.found.size();
  office.work(rush_ns, rush_ns + 30 * minute, [](int member) { return member == 4 ? 10.0 : 1.0; });
  EXPECT_LT(office.found.size() - before, 60u) << "900 actions";
  for (std::size_t i = before + 1; i < office.findings.size(); ++i)
    EXPECT_GT(office.findings[i].score, office.findings[i - 1].score + 2);
}

TEST(Surge, a_new_agent_is_not_judged) {
  Office office;
  office.learn();
  const std::size_t before = office.found.size();
  for (int i = 0; i < 600; ++i) office.act(77, rush_ns + i * 1'000'000'000ll);
  EXPECT_EQ(office.found.size(), before);
}

TEST(Surge, the_clocks_of_three_hundred_roles_have_room_in_the_default_memory) {
  // A twenty-fourth of 256 MiB. A clock that is pushed out and made anew with every event knows no season.
  Surge surge((256u << 20) / 24, 0.5);
  std::vector<Surge::Finding> findings;
  for (int i = 0; i < 3000; ++i) {
    const std::string role = "role-" + std::to_string(i % 300);
    EventKeys keys;
    keys.role = combine(hash_name("tenant"), hash_name(role));
    keys.quota = static_cast<std::uint16_t>(keys.role >> 48 | 1);
    keys.principal = combine(3, hash_name(role));
    Event event;
    event.set(Num::time, static_cast<std::uint64_t>(monday + i * second));
    event.set(Num::action, 1);
    surge.observe(keys, event, false, findings);
  }
  EXPECT_EQ(surge.evictions(), 0u);
}

TEST(Surge, goes_on_after_a_snapshot_as_if_nothing_had_been) {
  Office office;
  office.learn();
  SnapshotWriter saved;
  office.surge.save(saved);
  Surge other(8 << 20, 0.5);
  SnapshotReader in(saved.bytes());
  ASSERT_TRUE(other.load(in));
  EXPECT_TRUE(in.at_end());
  SnapshotWriter again;
  other.save(again);
  EXPECT_EQ(saved.bytes(), again.bytes());
}

TEST(RoleClock, busy_minutes_are_the_season_hour_by_hour_to_the_last_bit) {
  std::mt19937_64 random{5};
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  RoleClock::Role role{};
  role.mean = 7;
  role.norm = 1 / role.mean;
  for (float& expected : role.expected) expected = static_cast<float>(20 * uniform());
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t from = monday + static_cast<std::int64_t>(20 * uniform() * static_cast<double>(day)) - (i % 3 == 0 ? 2 * monday : 0);
    const std::int64_t to = from + (i % 5 == 0 ? i % 7 * hour : static_cast<std::int64_t>(7 * uniform() * static_cast<double>(day)));
    double busy = 0;
    for (std::int64_t at = from; at < to;) {
      const std::int64_t step = std::min(to - at, hour);
      busy += role.season(at + step / 2) * static_cast<double>(step) / 60e9;
      at += step;
    }
    ASSERT_EQ(role.busy_min(from, to), busy) << from << " to " << to;
  }
}

}  // namespace
}  // namespace tidewaiter::detect
