// The store seen from, and killed in, other processes.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "core/failpoint.hpp"
#include "store/log.hpp"
#include "store/merkle.hpp"
#include "store/verify.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

#define ASSERT_OK(result) ASSERT_TRUE(result) << (result).error().message

/// Commits batches of 50 offsets from where the store ends until it is killed; reports each durable end to `fd`.
[[noreturn]] void write_until_killed(const Options& o, int fd, bool seal) {
  Metrics metrics;
  auto log = open(o, metrics);
  std::uint64_t next = log->positions().empty() ? 0 : log->positions()[0].next_offset;
  for (std::uint64_t round = 0;; ++round) {
    if (!log->commit(offsets(next, next + 50), {}, {own(RecordKind::alert, "{}")}, {{"detect", std::to_string(next)}}))
      ::_exit(3);
    next += 50;
    if (::write(fd, &next, sizeof next) != sizeof next) ::_exit(4);
    if (round % 5 == 4 && !log->publish_checkpoint()) ::_exit(5);
    if (seal && !log->seal_one_segment()) ::_exit(6);
  }
}

struct Child {
  pid_t pid = -1;
  int from = -1;
};
Child start_writer(const Options& o, bool seal) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    write_until_killed(o, ends[1], seal);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}
std::uint64_t read_until(const Child& child, std::uint64_t wanted) {
  std::uint64_t durable = 0, n = 0;
  while (durable < wanted && ::read(child.from, &n, sizeof n) == sizeof n) durable = n;
  return durable;
}
std::uint64_t end_child(const Child& child, std::uint64_t durable) {
  ::kill(child.pid, SIGKILL);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with " << WEXITSTATUS(status);
  std::uint64_t n = 0;
  while (::read(child.from, &n, sizeof n) == sizeof n) durable = n;
  ::close(child.from);
  return durable;
}

/// Every commit reads back, every offset is held once, the roots fit, counters balance.
void expect_whole(const Reader& reader, std::uint64_t durable) {
  auto coverage = reader.coverage();
  ASSERT_OK(coverage);
  if (coverage->empty()) {
    EXPECT_EQ(durable, 0u);
    return;
  }
  ASSERT_EQ((*coverage)[0].held.size(), 1u);
  EXPECT_EQ((*coverage)[0].held[0].first, 0u);
  EXPECT_GE((*coverage)[0].held[0].second, durable);
  std::uint64_t next = 0;
  for (std::uint64_t n = 1; n <= reader.last_commit(); ++n) {
    auto commit = reader.commit(n, true);
    ASSERT_OK(commit);
    for (const Record& r : (*commit)->records) {
      if (r.origin == nullptr) continue;
      ASSERT_EQ(r.offset, next++);
    }
  }
  EXPECT_EQ(next, (*coverage)[0].held[0].second);
  EXPECT_EQ(reader.counters().records_by_kind["event"], next);
  EXPECT_EQ(reader.counters().read, next);
  for (const LogInfo& log : reader.logs()) {
    Sha256 sha;
    Frontier model;
    for (std::uint64_t seq = 0; seq < reader.size(log.id); ++seq)
      model.append(sha, leaf_hash(sha, *reader.leaf(log.id, seq)), [](unsigned, std::uint64_t, const Hash&) {});
    EXPECT_EQ(model.root(sha), reader.root(log.id, reader.size(log.id)).value()) << log.name;
    auto heads = reader.heads(log.id);
    ASSERT_OK(heads);
    for (const Head& head : *heads) EXPECT_EQ(reader.root(log.id, head.size).value(), head.root);
  }
}

TEST(Processes, a_killed_writer_loses_nothing_that_was_confirmed_and_the_store_stays_whole) {
  TemporaryDirectory directory;
  Options o = options(directory);
  o.segment_records = 256;
  std::uint64_t durable = 0;
  for (int life = 1; life <= 6; ++life) {
    const Child child = start_writer(o, true);
    std::uint64_t n = read_until(child, durable + 200);
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * life % 23));
    durable = end_child(child, std::max(n, durable));
  }
  Metrics metrics;
  auto log = open(o, metrics);
  EXPECT_GE(log->positions()[0].next_offset, durable);
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  expect_whole(**reader, durable);
}

TEST(Processes, a_reader_in_another_process_sees_whole_commits_while_blocks_are_written_and_packed) {
  TemporaryDirectory directory;
  Options o = options(directory);
  o.segment_records = 256;
  const Child child = start_writer(o, true);
  const std::uint64_t begun = read_until(child, 100);
  auto reader = Reader::open(o.directory);
  ASSERT_OK(reader);
  std::uint64_t last = 0, views = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < until) {
    ASSERT_OK((*reader)->refresh());
    const std::uint64_t now = (*reader)->last_commit();
    EXPECT_GE(now, last);
    for (std::uint64_t n = now > 20 ? now - 20 : 1; n <= now; ++n) ASSERT_OK((*reader)->commit(n, true));
    for (const LogInfo& log : (*reader)->logs())
      if (const std::uint64_t size = (*reader)->size(log.id); size > 0) {
        ASSERT_OK((*reader)->record(log.id, size - 1));
        ASSERT_OK((*reader)->inclusion_path(log.id, size / 2, size));
      }
    views += now != last;
    last = now;
  }
  EXPECT_GT(views, 3u);
  const std::uint64_t durable = end_child(child, begun);
  ASSERT_OK((*reader)->refresh());
  expect_whole(**reader, durable);
}

TEST(Processes, a_reader_leaves_nothing_in_the_store_directory_and_works_without_write_permission) {
  TemporaryDirectory directory;
  Metrics metrics;
  const Options o = options(directory);
  open(o, metrics)->commit(offsets(0, 20), {}, {}, {}).value();
  const auto list = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(o.directory))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  };
  const auto before = list();
  std::filesystem::permissions(o.directory, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  auto reader = Reader::open(o.directory);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->size(5), 20u);
  ASSERT_OK((*reader)->record(5, 19));
  reader->reset();
  std::filesystem::permissions(o.directory, std::filesystem::perms::owner_all);
  EXPECT_EQ(list(), before);
}

TEST(Processes, a_directory_without_a_store_is_named) {
  TemporaryDirectory directory;
  auto reader = Reader::open(directory / "nothing");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, Code::not_found);
}

TEST(Processes, heads_that_a_kill_left_out_are_signed_when_the_store_is_opened_again) {
  for (const char* place : {"checkpoint-before-sign:1:kill", "checkpoint-before-store:1:kill"}) {
    TemporaryDirectory directory;
    Options o = options(directory);
    if (const pid_t pid = ::fork(); pid == 0) {
      Metrics metrics;
      auto log = open(o, metrics);
      if (log->commit(offsets(0, 9), {}, {}, {}) && arm_failpoint(place)) (void)log->publish_checkpoint();
      ::_exit(1);
    } else {
      int status = 0;
      ::waitpid(pid, &status, 0);
      ASSERT_TRUE(WIFSIGNALED(status)) << place << " was not passed";
    }
    Metrics metrics;
    auto log = open(o, metrics);
    const std::uint64_t commit = log->last_commit();
    ASSERT_FALSE(log->newest_heads().empty());
    auto reader = Reader::open(*log);
    ASSERT_OK(reader);
    EXPECT_EQ(log->newest_heads().back().size, (*reader)->size(0)) << "the coverage record is under its head";
    ASSERT_OK(log->publish_checkpoint());
    EXPECT_EQ(log->last_commit(), commit) << "one coverage record is enough";
    VerifyRequest request;
    request.directory = o.directory;
    auto report = verify_store(request);
    ASSERT_OK(report);
    EXPECT_TRUE(report->good());
  }
}

TEST(Processes, a_view_beside_a_writer_that_flushes_all_the_time_lacks_no_commit) {
  TemporaryDirectory directory;
  Options o = options(directory);
  {
    Metrics metrics;
    open(o, metrics).reset();
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    Metrics metrics;
    auto log = open(o, metrics);
    std::string large(5u << 20, '\0');  // three of them fill the memory for snapshots, and all tables are written
    std::mt19937 random(1);
    for (char& byte : large) byte = static_cast<char>(random());  // what cannot be compressed
    for (std::uint64_t next = 0;; next += 5)
      if (!log->commit(offsets(next, next + 5), {}, {}, {}) || !log->put_snapshot("detect", next, large, 1)) ::_exit(1);
  }
  for (int views = 0; views < 60; ++views) {
    auto reader = Reader::open(o.directory);
    ASSERT_OK(reader);
    ASSERT_OK((*reader)->coverage());
    for (std::uint64_t n = 1; n <= (*reader)->last_commit(); ++n) {
      auto commit = (*reader)->commit(n, false);
      ASSERT_OK(commit) << ": commit " << n << " of " << (*reader)->last_commit() << ", view " << views;
    }
  }
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with " << WEXITSTATUS(status);
}

}  // namespace
}  // namespace tidewaiter::store
