// Power loss at every write. The oracle: the store opens, every commit that was confirmed is there, whole, `verify` finds
// nothing, offsets balance, and the store goes on.

#include <gtest/gtest.h>

#include "core/log_line.hpp"
#include "store/log.hpp"
#include "store/verify.hpp"
#include "tests/store/fragile_file_system.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

#define ASSERT_OK(result) ASSERT_TRUE(result) << (result).error().message

/// Commits until the power fails, one being written while the next is made; returns the end of what was confirmed.
std::uint64_t run_until_power_fails(Log& log, int commits) {
  constexpr std::uint64_t records = 70;  // enough for blocks to be packed beside the hashing
  std::uint64_t confirmed = log.positions().empty() ? 0 : log.positions()[0].next_offset, made = confirmed;
  for (int i = 0; i < commits; ++i) {
    if (!log.append(offsets(made, made + records), {}, {own(RecordKind::alert, "{}")}, {{"detect", "x"}}))
      return confirmed;
    confirmed = made;  // the one before
    made += records;
    if (i % 4 == 1 && !log.publish_checkpoint()) return confirmed;
    if (i % 4 == 2 && !log.put_snapshot("detect", static_cast<std::uint64_t>(i), "state", 2)) return confirmed;
    if (i % 4 == 3 && !log.put_cursors({{"detect", "y"}})) return confirmed;
    if (i % 3 == 2 && !log.seal_one_segment()) return confirmed;
  }
  return log.settle() ? made : confirmed;
}

void expect_confirmed(Options o, std::uint64_t confirmed) {
  o.file_system = std::make_shared<FragileFileSystem>();  // its syncs cost nothing
  Metrics metrics;
  auto log = Log::open(o, metrics);
  ASSERT_OK(log);
  (*log)->set_route([](const Record&, const Event*, std::size_t) { return std::uint16_t{5}; });
  auto reader = Reader::open(**log);
  ASSERT_OK(reader);
  auto coverage = (*reader)->coverage();
  ASSERT_OK(coverage);
  std::uint64_t held = 0;
  if (!coverage->empty()) {
    ASSERT_EQ((*coverage)[0].held.size(), 1u);
    held = (*coverage)[0].held[0].second;
  }
  EXPECT_GE(held, confirmed);
  EXPECT_EQ((*log)->counters().records_by_kind["event"], held);
  std::uint64_t next = 0;
  for (std::uint64_t n = 1; n <= (*reader)->last_commit(); ++n) {
    auto commit = (*reader)->commit(n, true);
    ASSERT_OK(commit);
    for (const Record& r : (*commit)->records) next += r.origin != nullptr;
  }
  EXPECT_EQ(next, held);
  for (const LogInfo& info : (*reader)->logs()) {
    auto heads = (*reader)->heads(info.id);
    ASSERT_OK(heads);
    for (const Head& head : *heads) EXPECT_EQ((*reader)->root(info.id, head.size).value(), head.root);
  }
  auto more = (*log)->commit(offsets(held, held + 5), {}, {}, {});
  ASSERT_OK(more);
  VerifyRequest request;
  request.directory = o.directory;
  auto report = verify_store(request);
  ASSERT_OK(report);
  EXPECT_STREQ(report->verdict(), "consistent") << report->findings[0].place << ": " << report->findings[0].what;
  const Counters counters = (*log)->counters();
  EXPECT_EQ(counters.read, held + 5 + counters.duplicates);
}

class PowerLoss : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(Level::error);
    options_ = options(directory_);
    options_.segment_records = 128;
    Metrics metrics;
    open(options_, metrics).reset();
    std::filesystem::copy(options_.directory, directory_ / "new", std::filesystem::copy_options::recursive);
  }
  void begin_anew() {
    std::filesystem::remove_all(options_.directory);
    std::filesystem::copy(directory_ / "new", options_.directory, std::filesystem::copy_options::recursive);
  }
  TemporaryDirectory directory_;
  Options options_;
};

TEST_F(PowerLoss, what_was_confirmed_survives_it_at_any_write) {
  constexpr int commits = 9;
  std::uint64_t at_open = 0, writes = 0;
  {
    auto fragile = std::make_shared<FragileFileSystem>();
    options_.file_system = fragile;
    Metrics metrics;
    auto log = open(options_, metrics);
    at_open = fragile->writes();
    EXPECT_EQ(run_until_power_fails(*log, commits), 70u * commits);
    writes = fragile->writes() - at_open;
  }
  ASSERT_GT(writes, 10u);
  for (std::uint64_t n = 0; n < writes; ++n) {
    begin_anew();
    auto fragile = std::make_shared<FragileFileSystem>();
    options_.file_system = fragile;
    std::uint64_t confirmed = 0;
    {
      Metrics metrics;
      auto log = open(options_, metrics);
      fragile->fail_after(n);
      confirmed = run_until_power_fails(*log, commits);
    }
    fragile->lose_power();
    options_.file_system = nullptr;
    expect_confirmed(options_, confirmed);
    if (HasFailure()) FAIL() << "after " << n << " of " << writes << " writes";
  }
}

TEST_F(PowerLoss, what_was_confirmed_survives_it_at_any_write_of_an_open_that_recovers_and_of_a_close) {
  std::uint64_t confirmed = 0;
  auto first = std::make_shared<FragileFileSystem>();
  options_.file_system = first;
  {
    Metrics metrics;
    auto log = open(options_, metrics);
    confirmed = run_until_power_fails(*log, 5);
    first->fail_after(0);  // nothing is flushed: all of it lies in the write-ahead log
  }
  first->lose_power();
  std::filesystem::remove_all(directory_ / "new");
  std::filesystem::rename(options_.directory, directory_ / "new");
  std::uint64_t points = 0;
  for (bool whole = false; !whole; ++points) {
    begin_anew();
    auto fragile = std::make_shared<FragileFileSystem>();
    options_.file_system = fragile;
    fragile->fail_after(points);
    {
      Metrics metrics;
      auto log = Log::open(options_, metrics);
    }
    whole = !fragile->failing();
    fragile->lose_power();
    expect_confirmed(options_, confirmed);
    if (HasFailure()) FAIL() << "after " << points << " writes";
  }
  EXPECT_GT(points, 20u);
}

TEST_F(PowerLoss, a_store_whose_making_was_interrupted_is_no_store_yet_and_is_made_when_opened_again) {
  constexpr std::uint64_t step = 5;  // a reader waits some seconds for the state of a store that has none yet
  std::uint64_t points = 0;
  for (bool whole = false; !whole; points += step) {
    std::filesystem::remove_all(options_.directory);
    auto fragile = std::make_shared<FragileFileSystem>();
    options_.file_system = fragile;
    fragile->fail_after(points);
    {
      Metrics metrics;
      auto log = Log::open(options_, metrics);
      whole = static_cast<bool>(log);
      if (whole) fragile->fail_after(0);
    }
    fragile->lose_power();
    options_.file_system = nullptr;
    Metrics metrics;
    if (auto reader = Reader::open(options_.directory); !reader && !whole) {
      const Error& error = reader.error();
      EXPECT_TRUE(error.code == Code::not_found || error.code == Code::unavailable) << error.message;
    }
    auto log = Log::open(options_, metrics);
    ASSERT_OK(log) << "after " << points << " writes";
    log->reset();
    expect_confirmed(options_, 0);
    if (HasFailure()) FAIL() << "after " << points << " writes";
  }
  EXPECT_GT(points, 20u);
}

TEST_F(PowerLoss, a_store_whose_syncs_are_lies_loses_what_it_confirmed) {
  auto lying = std::make_shared<FragileFileSystem>(false);
  options_.file_system = lying;
  {
    Metrics metrics;
    auto log = open(options_, metrics);
    ASSERT_EQ(run_until_power_fails(*log, 5), 350u);
    lying->fail_after(0);
  }
  lying->lose_power();
  options_.file_system = nullptr;
  Metrics metrics;
  auto log = Log::open(options_, metrics);
  EXPECT_TRUE(!log || (*log)->positions().empty()) << "this test could not see a missing sync";
}

TEST_F(PowerLoss, after_a_failed_sync_the_log_takes_nothing_more_until_it_is_opened_again) {
  auto fragile = std::make_shared<FragileFileSystem>();
  options_.file_system = fragile;
  {
    Metrics metrics;
    auto log = open(options_, metrics);
    ASSERT_OK(log->commit(offsets(0, 10), {}, {}, {}));
    fragile->fail_after(1);  // the write goes through, its sync does not
    auto failed = log->commit(offsets(10, 20), {}, {}, {});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::disk);
    fragile->fail_after(~std::uint64_t{0});
    auto again = log->commit(offsets(10, 20), {}, {}, {});
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().message.find("open it again"), std::string::npos) << again.error().message;
    EXPECT_FALSE(log->put_cursors({{"a", "b"}}));
    EXPECT_FALSE(log->publish_checkpoint());
  }
  options_.file_system = nullptr;
  expect_confirmed(options_, 10);
}

TEST_F(PowerLoss, a_commit_that_fails_while_the_next_is_made_takes_both_with_it) {
  auto fragile = std::make_shared<FragileFileSystem>();
  options_.file_system = fragile;
  {
    Metrics metrics;
    auto log = open(options_, metrics);
    ASSERT_OK(log->append(offsets(0, 100), {}, {}, {}));
    ASSERT_OK(log->settle());
    const std::uint64_t before = log->last_commit();
    fragile->fail_after(0);
    ASSERT_OK(log->append(offsets(100, 200), {}, {}, {}));
    auto next = log->append(offsets(200, 300), {}, {}, {});
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().code, Code::disk);
    EXPECT_EQ(log->last_commit(), before);
    EXPECT_EQ(log->counters().records_by_kind["event"], 100u);
    EXPECT_FALSE(log->append(offsets(300, 400), {}, {}, {}));
  }
  options_.file_system = nullptr;
  expect_confirmed(options_, 100);
}

}  // namespace
}  // namespace tidewaiter::store
