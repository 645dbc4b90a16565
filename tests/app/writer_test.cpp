#include "app/writer.hpp"

#include <gtest/gtest.h>

#include <csignal>

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

}  // namespace
}  // namespace tidewaiter::app
