// The operations of apps of one role: each does one every half a minute, of which one in forty fails, and takes 100 ms or so.
#include "detect/health.hpp"

#include <cmath>

#include "tests/detect/alert_schema.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

constexpr int apps = 12, days_before = 12;
constexpr std::int64_t trouble_ns = monday + days_before * day + 10 * hour;

std::uint64_t outcome(std::string_view word) { return enums::outcome.find(word).value(); }

struct Floor {
  std::mt19937_64 random{5};
  Health health{4 << 20, 0.2};
  std::vector<Health::Finding> findings;
  std::vector<std::int64_t> found_ns;
  std::vector<int> found;  // apps

  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  static EventKeys keys_of_app(int app) {
    EventKeys keys;
    keys.tenant = 3;
    keys.peers = 5;
    keys.quota = 1;
    keys.app = 1000 + static_cast<Key>(app);
    return keys;
  }
  void operate(int app, std::int64_t time_ns, std::string_view word, double ms = 0) {
    Event event;
    event.set(Num::time, static_cast<std::uint64_t>(time_ns));
    event.set(Num::outcome, outcome(word));
    if (ms > 0) event.set(Num::duration_ns, static_cast<std::uint64_t>(ms * 1e6));
    health.observe(keys_of_app(app), event, findings);
    for (; found.size() < findings.size(); found_ns.push_back(time_ns)) found.push_back(app);
  }
  /// `share(app)` of the operations fail, and they take `slower(app)` times as long as is usual.
  template <class Share, class Slower>
  void work(std::int64_t from_ns, std::int64_t to_ns, Share share, Slower slower) {
    for (std::int64_t time = from_ns; time < to_ns; time += 30 * second)
      for (int app = 0; app < apps; ++app)
        operate(app, time + app * second + static_cast<std::int64_t>(uniform() * 1e9),
                uniform() < share(app) ? "failure" : "success", 100 * slower(app) * std::exp(0.7 * normal()));
  }
  void work(std::int64_t from_ns, std::int64_t to_ns) { work(from_ns, to_ns, usual, as_usual); }
  static double usual(int) { return 0.025; }
  static double as_usual(int) { return 1; }
  std::size_t count_of(Health::Kind kind, int app) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < found.size(); ++i) count += found[i] == app && findings[i].kind == kind;
    return count;
  }
};

/// After twelve ordinary days, once for all tests.
const Floor& learnt() {
  static const Floor* floor = [] {
    auto* made = new Floor;
    made->work(monday, trouble_ns);
    return made;
  }();
  return *floor;
}

/// A copy of it, through a snapshot.
struct Copy : Floor {
  Copy() {
    SnapshotWriter out;
    learnt().health.save(out);
    SnapshotReader in(out.bytes());
    EXPECT_TRUE(health.load(in));
    EXPECT_TRUE(in.at_end());
    random = learnt().random;
  }
};

TEST(Health, ordinary_days_bring_next_to_nothing) {
  EXPECT_LE(learnt().findings.size(), 3u) << "one in five days is allowed for, and five of twelve days are judged";
}

TEST(Health, a_fifth_of_failures_is_found_within_half_an_hour) {
  Copy floor;
  floor.work(trouble_ns, trouble_ns + hour, [](int app) { return app == 4 ? 0.2 : 0.025; }, Floor::as_usual);
  ASSERT_FALSE(floor.found.empty());
  for (const int app : floor.found) EXPECT_EQ(app, 4);
  EXPECT_LE(floor.found_ns[0], trouble_ns + 30 * minute);
  const Health::Finding& finding = floor.findings[0];
  EXPECT_EQ(finding.kind, Health::Kind::errors);
  EXPECT_NEAR(finding.usual, 0.025, 0.005);
  EXPECT_NEAR(finding.shock, 1, 0.3);
  EXPECT_GT(finding.observed, finding.upper);
  EXPECT_LE(finding.not_below, finding.observed);
  EXPECT_GT(finding.not_below, finding.expected);
  EXPECT_LT(finding.rate_per_day, finding.bar_per_day);
}

TEST(Health, a_person_can_redo_the_judgement) {
  Copy floor;
  floor.work(trouble_ns, trouble_ns + hour, [](int app) { return app == 4 ? 0.2 : 0.025; }, Floor::as_usual);
  ASSERT_FALSE(floor.findings.empty());
  const Health::Finding& of = floor.findings[0];
  const double n = of.operations, past = of.baseline_events, both = (n * of.observed + past * of.expected) / (n + past);
  const auto divergence = [&](double a) { return a * std::log(a / both) + (1 - a) * std::log((1 - a) / (1 - both)); };
  EXPECT_NEAR((n * divergence(of.observed) + past * divergence(of.expected)) / of.dispersion, of.score, 0.01 * of.score);
}

TEST(Health, four_times_as_slow_is_found_within_half_an_hour) {
  Copy floor;
  floor.work(trouble_ns, trouble_ns + hour, Floor::usual, [](int app) { return app == 7 ? 4.0 : 1.0; });
  ASSERT_GE(floor.count_of(Health::Kind::latency, 7), 1u);
  for (const int app : floor.found) EXPECT_EQ(app, 7);
  EXPECT_LE(floor.found_ns[0], trouble_ns + 30 * minute);
  EXPECT_NEAR(floor.findings[0].usual, 100, 10);
  EXPECT_GT(floor.findings[0].observed, floor.findings[0].upper);
}

TEST(Health, one_call_that_hangs_is_no_finding) {
  Copy floor;
  floor.operate(7, trouble_ns, "success", 3'600'000);
  EXPECT_TRUE(floor.findings.empty());
}

TEST(Health, an_outage_of_the_whole_role_is_nobodys) {
  Copy floor;
  floor.work(trouble_ns, trouble_ns + hour, [](int) { return 0.3; }, [](int) { return 5.0; });
  EXPECT_LE(floor.findings.size(), 2u) << "twelve apps fail and are slow, and what one has more than the others is little";
}

TEST(Health, outcomes_that_are_not_known_do_not_count) {
  Copy floor, other;
  for (int i = 0; i < 500; ++i) {
    floor.operate(2, trouble_ns + i * second, "pending");
    floor.operate(2, trouble_ns + i * second, "unknown");
  }
  SnapshotWriter with, without;
  floor.health.save(with);
  other.health.save(without);
  EXPECT_TRUE(with.bytes() == without.bytes());
}

TEST(Health, few_operations_are_no_finding) {
  Floor floor;
  for (std::int64_t time = monday; time < trouble_ns; time += hour) floor.operate(1, time, "success");
  for (int i = 0; i < 4; ++i) floor.operate(1, trouble_ns + i * minute, "error");
  EXPECT_TRUE(floor.findings.empty());
}

TEST(Health, an_operation_is_judged_before_it_is_learnt) {
  Copy floor;
  for (int i = 0; i < 200; ++i) floor.operate(3, trouble_ns + i * second, "denied");
  ASSERT_FALSE(floor.findings.empty());
  EXPECT_NEAR(floor.findings.back().usual, 0.025, 0.005);
}

TEST(Health, trouble_does_not_become_ordinary_at_once) {
  Copy floor;
  const auto failing = [](int app) { return app == 4 ? 0.5 : 0.025; };
  floor.work(trouble_ns, trouble_ns + 6 * hour, failing, Floor::as_usual);
  floor.work(trouble_ns + 6 * hour, trouble_ns + 4 * day);
  const std::size_t before = floor.count_of(Health::Kind::errors, 4);
  floor.work(trouble_ns + 4 * day, trouble_ns + 4 * day + 2 * hour, failing, Floor::as_usual);
  ASSERT_GT(floor.count_of(Health::Kind::errors, 4), before);
  EXPECT_LT(floor.findings.back().usual, 0.03);
}

TEST(Health, of_a_new_app_is_usual_what_is_usual_for_its_role) {
  Floor floor;
  const std::int64_t begin_ns = monday + 8 * day, end_ns = begin_ns + 5 * day;
  for (std::int64_t time = monday; time < end_ns; time += 2 * minute) {
    for (int app = 0; app < 3; ++app) floor.operate(app, time, floor.uniform() < 0.3 ? "failure" : "success");
    if (time >= begin_ns && time % hour == 0) floor.operate(3, time, "success");
  }
  EXPECT_EQ(floor.count_of(Health::Kind::errors, 3), 0u);
  for (int i = 0; i < 60; ++i) floor.operate(3, end_ns + i * second, "failure");
  ASSERT_GE(floor.count_of(Health::Kind::errors, 3), 1u);
  EXPECT_NEAR(floor.findings.back().usual, 0.3 * 50 / 170, 0.02) << "120 successes of its own, 50 operations of its role";
}

TEST(Health, of_an_app_as_steady_as_a_clock_a_little_more_is_no_trouble) {
  for (const double ms : {11.0, 40.0}) {
    Floor floor;
    for (std::int64_t time = monday; time < trouble_ns + 2 * hour; time += 30 * second) {
      const bool steady = time < trouble_ns;
      floor.operate(0, time, "success", steady ? 10 : ms);
      for (int app = 1; app < apps; ++app) floor.operate(app, time + app * second, "success", 100 * std::exp(0.7 * floor.normal()));
    }
    EXPECT_EQ(floor.count_of(Health::Kind::latency, 0) > 0, ms == 40) << ms;
  }
}

TEST(Health, goes_on_after_a_snapshot_as_if_there_had_been_none) {
  Copy whole, halved;
  const auto failing = [](int app) { return app == 4 ? 0.2 : 0.025; };
  const std::int64_t middle_ns = trouble_ns + 7 * minute;
  for (Floor* floor : {static_cast<Floor*>(&whole), static_cast<Floor*>(&halved)}) floor->work(trouble_ns, middle_ns, failing, Floor::as_usual);
  Floor after;
  SnapshotWriter out;
  halved.health.save(out);
  SnapshotReader in(out.bytes());
  ASSERT_TRUE(after.health.load(in));
  after.random = halved.random;
  const std::size_t before = whole.findings.size();
  whole.work(middle_ns, trouble_ns + 2 * hour, failing, Floor::as_usual);
  after.work(middle_ns, trouble_ns + 2 * hour, failing, Floor::as_usual);
  ASSERT_GT(after.findings.size(), 0u);
  EXPECT_EQ(after.findings.size(), whole.findings.size() - before);
  SnapshotWriter of_whole, of_after;
  whole.health.save(of_whole);
  after.health.save(of_after);
  EXPECT_TRUE(of_whole.bytes() == of_after.bytes());
}

TEST(Health, the_engine_tells_it_of_the_app_with_numbers_that_fit_the_schema) {
  Company company;
  company.days = 18;
  Stream stream;
  const std::int64_t from = monday + 16 * day + 9 * hour;
  company.play([&](Made made) {
    const bool bad = made.app == "app-4" && made.time >= from && made.time < from + 4 * hour;
    made.numbers = {{Num::outcome, outcome(company.uniform() < (bad ? 0.6 : 0.02) ? "failure" : "success")},
                    {Num::duration_ns, static_cast<std::uint64_t>(1e8 * std::exp(0.5 * company.normal()) * (bad ? 8 : 1))}};
    stream.add(made);
  });
  EngineConfig config = small_config();
  config.false_alerts_per_day = 4;
  AlertSchema schema;
  std::size_t told = 0;
  for (const nlohmann::json& alert : judge(stream, config)) {
    EXPECT_EQ(schema.problem(alert), "");
    if (alert["detector"] != "health" || alert["kind"] != "alert") continue;
    ++told;
    EXPECT_EQ(alert["entity"]["type"], "app");
    EXPECT_EQ(alert["entity"]["id"], "app-4") << alert.dump();
    EXPECT_FALSE(alert["evidence"].empty());
  }
  EXPECT_GE(told, 1u);
}

}  // namespace
}  // namespace tidewaiter::detect
