// A bit turned in a write-ahead log that a killed store left behind: what is lost is the newest part, as a whole number
// of commits, whichever log it was; the store says so and goes on by the command it names.

#include <gtest/gtest.h>

#include "core/log_line.hpp"
#include "tests/store/fragile_file_system.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

std::unique_ptr<Batch> large_message(std::uint64_t offset, std::mt19937_64& random) {
  auto batch = std::make_unique<Batch>(std::size_t{8} << 20);
  Message message;
  message.offset = offset;
  message.value.resize(3u << 20);
  for (char& c : message.value) c = static_cast<char>(random());
  add(*batch, message);
  return batch;
}

std::vector<std::filesystem::path> files_in(const std::string& directory, const char* extension) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == extension) found.push_back(entry.path());
  return found;
}

void turn_a_bit(const std::filesystem::path& file) {
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(file) / 2);
  std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
  const int old = bytes.seekg(middle).get();
  bytes.seekp(middle).put(static_cast<char>(old ^ 1));
  ASSERT_TRUE(bytes.good());
}

/// Opens a damaged store; the number of messages that are left.
std::uint64_t recovered(Options o, const std::string& what) {
  Metrics metrics;
  auto log = Log::open(o, metrics);
  if (!log) {
    EXPECT_EQ(log.error().code, Code::conflict) << what << ": " << log.error().message;
    EXPECT_NE(log.error().message.find("--reread"), std::string::npos) << log.error().message;
    o.recover = Recover::reread;
    log = Log::open(o, metrics);
  }
  EXPECT_TRUE(log) << what << ": " << log.error().message;
  if (!log) return 0;
  const std::uint64_t held = (*log)->positions().empty() ? 0 : (*log)->positions()[0].next_offset;
  EXPECT_EQ((*log)->counters().records_by_kind["event"], held) << what;
  std::mt19937_64 random(2);
  EXPECT_TRUE((*log)->commit(large_message(held, random), {}, {}, {})) << what;
  auto reader = Reader::open(**log);
  EXPECT_TRUE(reader);
  for (std::uint64_t n = 1; reader && n <= (*reader)->last_commit(); ++n)
    EXPECT_TRUE((*reader)->commit(n, true)) << what << ", commit " << n;
  return held;
}

TEST(DamagedLog, any_write_ahead_log_that_is_damaged_costs_the_newest_commits_and_nothing_else) {
  set_log_level(Level::error);
  TemporaryDirectory directory;
  Options o = options(directory);
  auto disk = std::make_shared<FragileFileSystem>();
  o.file_system = disk;
  std::uint64_t messages = 0;
  std::mt19937_64 random(1);
  {
    Metrics metrics;
    auto log = Log::open(o, metrics);
    ASSERT_TRUE(log) << log.error().message;
    // Until tables were written beside logs that are still needed, and some commits more.
    for (std::uint64_t enough = 60; messages < enough; ++messages) {
      ASSERT_TRUE((*log)->commit(large_message(messages, random), {}, {}, {}));
      if (messages % 3 == 0) {
        ASSERT_TRUE((*log)->publish_checkpoint());
      }
      if (enough == 60 && !files_in(o.directory, ".sst").empty()) enough = messages + 4;
    }
    disk->fail_after(0);
  }
  ASSERT_FALSE(files_in(o.directory, ".sst").empty());
  o.file_system = nullptr;
  const std::string crashed = directory / "crashed";
  std::filesystem::rename(o.directory, crashed);
  std::uint64_t least = messages;
  for (const auto& file : files_in(crashed, ".log")) {
    if (std::filesystem::file_size(file) == 0) continue;
    std::filesystem::remove_all(o.directory);
    std::filesystem::copy(crashed, o.directory, std::filesystem::copy_options::recursive);
    turn_a_bit(o.directory / file.filename());
    least = std::min(least, recovered(o, file.filename().string()));
    if (HasFailure()) return;
  }
  EXPECT_LT(least, messages) << "no damage was felt";
}

}  // namespace
}  // namespace tidewaiter::store
