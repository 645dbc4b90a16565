// Receipts: every commit and event is accounted for, and what never came is told.
#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "tests/detect/alert_schema.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

/// Ten days with an event an hour in each of two partitions, and some that come two hours late.
Stream ten_days() {
  Stream stream;
  stream.tick(monday, {}, {0, 1});
  for (std::int64_t hours = 0; hours < 240; ++hours)
    for (std::uint32_t partition = 0; partition < 2; ++partition) {
      Made made;
      made.time = monday + hours * hour + partition * minute;
      made.partition = partition;
      stream.add(made);
      if (hours % 48 == 30 && partition == 0) {
        made.time -= 2 * hour;
        stream.add(made);
      }
    }
  stream.tick(monday + 10 * day, {0, 1});
  stream.tick(monday + 11 * day, {0, 1});
  return stream;
}

std::vector<OwnRecord> feed(Machine& machine, const Stream& stream) {
  std::vector<OwnRecord> out;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 7; }, out);
  return out;
}

TEST(Receipts, each_day_has_one_and_together_they_cover_every_commit_and_event) {
  AlertSchema schema;
  Machine machine;
  const auto told = receipts(feed(machine, ten_days()));
  ASSERT_GE(told.size(), 9u);
  std::uint64_t next = 1, events = 0, late = 0;
  std::string end;
  for (const auto& receipt : told) {
    EXPECT_EQ(schema.problem(receipt), "");
    const auto& numbers = receipt["explanation"];
    EXPECT_EQ(numbers["first_commit"], next) << "a day may end within a commit";
    EXPECT_LE(numbers["first_commit"], numbers["last_commit"]);
    next = numbers["last_commit"].get<std::uint64_t>();
    events += numbers["events"].get<std::uint64_t>();
    late += numbers["late_events"].get<std::uint64_t>();
    EXPECT_EQ(receipt["window"]["start"], end.empty() ? receipt["window"]["start"] : nlohmann::json(end));
    end = receipt["window"]["end"];
    EXPECT_EQ(numbers["detectors"], "policy, flow, volume, silence, burst, sequence, rhythm, health");
    EXPECT_FALSE(numbers.contains("detectors_off"));
  }
  const Status status = machine.engine->status();
  EXPECT_EQ(events, status.events) << "after the last day nothing is left";
  EXPECT_EQ(late, status.late_events);
  EXPECT_GT(late, 0u);
}

TEST(Receipts, name_what_was_off_and_change_their_settings_with_the_settings) {
  std::set<std::string> settings;
  for (const auto& change : std::vector<std::function<void(EngineConfig&)>>{
           [](EngineConfig&) {}, [](EngineConfig& c) { c.burst = c.flow = false; },
           [](EngineConfig& c) { c.false_alerts_per_day = 3; }, [](EngineConfig& c) { c.out_of_order_ns *= 2; }}) {
    EngineConfig config = small_config();
    change(config);
    Machine machine(config);
    const auto told = receipts(feed(machine, ten_days()));
    ASSERT_FALSE(told.empty());
    const auto& numbers = told.front()["explanation"];
    EXPECT_EQ(numbers.value("detectors_off", ""), config.flow ? "" : "flow, burst");
    EXPECT_EQ(numbers.contains("alerts_flow"), config.flow);
    settings.insert(numbers["settings"].get<std::string>());
  }
  EXPECT_EQ(settings.size(), 4u);
}

TEST(Receipts, go_on_after_a_snapshot_with_nothing_left_out) {
  const Stream stream = ten_days();
  Machine whole, first, second;
  const auto expected = receipts(feed(whole, stream));
  std::vector<OwnRecord> out;
  stream.feed(*first.engine, 0, 210, [] { return 7; }, out);
  ASSERT_TRUE(second.engine->restore(first.engine->snapshot()));
  stream.feed(*second.engine, 210, stream.size(), [] { return 7; }, out);
  EXPECT_EQ(receipts(out), expected);
}

TEST(Receipts, commits_that_never_come_are_an_alert) {
  const Stream stream = ten_days();
  Machine machine;
  AlertSchema schema;
  std::vector<OwnRecord> out;
  machine.engine->process(stream.commit(0, 5, 1), out);
  machine.engine->process(stream.commit(5, 9, 2), out);
  EXPECT_THAT(bodies(out), testing::IsEmpty());
  machine.engine->process(stream.commit(20, 30, 6), out);
  const auto told = parsed(out);
  ASSERT_EQ(told.size(), 1u);
  const auto& alert = told[0];
  EXPECT_EQ(schema.problem(alert), "");
  EXPECT_EQ(alert["rule"], "detection.gap");
  EXPECT_EQ(alert["severity"], "high");
  EXPECT_EQ(alert["title"], "commits 3 to 5 never came to detection: what they hold was not judged");
}

}  // namespace
}  // namespace tidewaiter::detect
