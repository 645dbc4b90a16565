#include "app/writer.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>

#include "core/failpoint.hpp"
#include "store/reader.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::app {
namespace {

namespace samples = store::samples;

store::Options options_of(const samples::TemporaryDirectory& directory) {
  store::Options options;
  options.directory = directory / "store";
  return options;
}

/// Alerts and the snapshot that counts them, taken by the writer at once; killed at the failpoint.
void write_until_killed(const samples::TemporaryDirectory& directory, const char* failpoint) {
  Metrics metrics;
  SystemClock clock;
  auto log = store::Log::open(options_of(directory), metrics);
  CommitFeed feed(16, (*log)->last_commit(), [&] { return store::Reader::open(**log); });
  Writer writer(WriterConfig{}, **log, feed, {}, clock);
  WriterWork alerts, snapshot;
  for (int i = 0; i < 3; ++i) alerts.own.push_back(samples::own(RecordKind::alert, R"({"uid":"a"})"));
  alerts.cursors.push_back({"detect", "3 alerts"});
  snapshot.cursors.push_back({"detect", "3 alerts"});
  snapshot.snapshot = SnapshotPut{"detect", (*log)->last_commit(), "3 alerts"};
  writer.submit(std::move(alerts));
  writer.submit(std::move(snapshot));
  writer.close();
  const auto armed = arm_failpoint(failpoint);
  const auto done = armed ? writer.run() : armed;
  std::fprintf(stderr, "not killed: %s\n", done ? "it ran through" : done.error().message.c_str());
}

TEST(WriterDeathTest, a_snapshot_is_never_stored_before_the_alerts_that_it_counts) {
  for (const char* failpoint : {"snapshot-before-write:1:kill", "snapshot-after-write:1:kill"}) {
    const samples::TemporaryDirectory directory;
    EXPECT_EXIT(write_until_killed(directory, failpoint), ::testing::KilledBySignal(SIGKILL), "");
    auto reader = store::Reader::open(options_of(directory).directory);
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ((*reader)->counters().records_by_kind.at("alert"), 3u) << failpoint;
  }
}

TEST(Writer, who_waits_for_a_record_gets_the_number_of_its_durable_commit_or_learns_that_there_is_none) {
  const samples::TemporaryDirectory directory;
  Metrics metrics;
  SystemClock clock;
  auto log = store::Log::open(options_of(directory), metrics);
  CommitFeed feed(16, (*log)->last_commit(), [&] { return store::Reader::open(**log); });
  std::future<std::uint64_t> first, second, never;
  const auto ask = [&](Writer& writer) {
    WriterWork work;
    work.control.push_back(control_record(R"({"type":"suppression"})", 1));
    std::future<std::uint64_t> number = work.durable.emplace_back().get_future();
    EXPECT_TRUE(writer.submit(std::move(work)));
    return number;
  };
  {
    Writer writer(WriterConfig{}, **log, feed, {}, clock);
    first = ask(writer);
    second = ask(writer);
    writer.close();
    ASSERT_TRUE(writer.run());
    const std::uint64_t number = first.get();
    EXPECT_EQ(second.get(), number);  // they ride along in one commit
    auto reader = store::Reader::open(**log);
    std::size_t held = 0;
    const auto commit = *(*reader)->commit(number, true);
    for (const Record& record : commit->records) held += record.value == R"({"type":"suppression"})";
    EXPECT_EQ(held, 2u);
  }
  {
    Writer writer(WriterConfig{}, **log, feed, {}, clock);
    never = ask(writer);
  }
  EXPECT_THROW(never.get(), std::future_error);
}

}  // namespace
}  // namespace tidewaiter::app
