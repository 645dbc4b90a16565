#include "app/commit_feed.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "core/body.hpp"
#include "store/log.hpp"

namespace tidewaiter::app {
namespace {

using std::chrono::milliseconds;

struct CommitFeedTest : testing::Test {
  CommitFeedTest() {
    directory = std::filesystem::temp_directory_path() / ("commit-feed-" + std::to_string(getpid()));
    std::filesystem::remove_all(directory);
    store::Options options;
    options.directory = directory;
    options.event_logs = {{0, "events", 0}};
    auto opened = store::Log::open(options, metrics);
    if (!opened) ADD_FAILURE() << opened.error().message;
    log = std::move(*opened);
  }
  ~CommitFeedTest() override {
    log.reset();
    std::filesystem::remove_all(directory);
  }

  CommitPtr write() {
    auto batch = std::make_unique<Batch>(1 << 12);
    BodyParts parts;
    const std::string value = "message " + std::to_string(next_offset);
    parts.value = value;
    EXPECT_TRUE(append_message(*batch, intern_origin("c", {}, "t"), 0, next_offset++, -1, parts));
    auto commit = log->commit(std::move(batch), {}, {}, {});
    EXPECT_TRUE(commit) << commit.error().message;
    return *commit;
  }
  CommitFeed feed(std::size_t commits_max) {
    return CommitFeed(commits_max, log->last_commit(), [this] { return store::Reader::open(*log); });
  }

  std::filesystem::path directory;
  Metrics metrics;
  std::unique_ptr<store::Log> log;
  std::uint64_t next_offset = 0;
};

TEST_F(CommitFeedTest, a_slow_follower_sees_the_same_sequence_through_memory_and_store) {
  for (int i = 0; i < 5; ++i) write();
  const std::uint64_t before = log->last_commit();
  CommitFeed feed = this->feed(3);
  for (int i = 0; i < 10; ++i) feed.append(write());
  CommitFeed::Follower follower(feed, true);
  std::vector<std::string> values;
  int from_memory = 0;
  for (std::uint64_t number = 1; number <= feed.last_commit(); ++number) {
    auto commit = follower.next(number, milliseconds(0));
    ASSERT_TRUE(commit) << commit.error().message;
    ASSERT_TRUE(*commit);
    EXPECT_EQ((*commit)->number, number);
    from_memory += follower.from_memory();
    for (const Record& record : (*commit)->records)
      if (!is_own(record.kind)) values.emplace_back(record.value);
  }
  EXPECT_EQ(feed.last_commit(), before + 10);
  EXPECT_EQ(from_memory, 3);
  ASSERT_EQ(values.size(), 15u);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], "message " + std::to_string(i));
}

TEST_F(CommitFeedTest, a_follower_at_the_end_waits_and_is_woken_by_the_next_commit) {
  CommitFeed feed = this->feed(3);
  CommitFeed::Follower follower(feed, true);
  const std::uint64_t next = feed.last_commit() + 1;
  EXPECT_EQ(*follower.next(next, milliseconds(1)), nullptr);
  std::jthread writer([&] { feed.append(write()); });
  const auto commit = follower.next(next, milliseconds(10'000));
  ASSERT_TRUE(commit && *commit);
  EXPECT_EQ((*commit)->number, next);
}

TEST_F(CommitFeedTest, what_every_follower_has_passed_leaves_memory) {
  CommitFeed feed = this->feed(10);
  CommitFeed::Follower fast(feed, true), slow(feed, true);
  const std::uint64_t first = feed.last_commit() + 1;
  std::vector<std::weak_ptr<const Commit>> commits;
  for (int i = 0; i < 4; ++i) {
    CommitPtr commit = write();
    commits.push_back(commit);
    feed.append(std::move(commit));
  }
  for (std::uint64_t number = first; number < first + 4; ++number) ASSERT_TRUE(*fast.next(number, milliseconds(0)));
  EXPECT_FALSE(commits[0].expired());
  ASSERT_TRUE(*slow.next(first, milliseconds(0)));
  ASSERT_TRUE(*slow.next(first + 1, milliseconds(0)));
  EXPECT_TRUE(commits[0].expired());
  EXPECT_FALSE(commits[1].expired());
  ASSERT_TRUE(*fast.next(first, milliseconds(0))) << "what has left memory is read from the store";
  EXPECT_FALSE(fast.from_memory());
}

TEST_F(CommitFeedTest, closing_wakes_everybody_with_nothing) {
  CommitFeed feed = this->feed(3);
  CommitFeed::Follower follower(feed, true);
  std::jthread closer([&] { feed.close(); });
  EXPECT_EQ(*follower.next(feed.last_commit() + 1, milliseconds(60'000)), nullptr);
}

}  // namespace
}  // namespace tidewaiter::app
