#include "ingest/file_source.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tidewaiter::ingest {
namespace {

class FileSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("tidewaiter-file-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view text) {
    const auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  struct Line {
    const Origin* origin;
    std::uint64_t offset;
    std::string text;
  };
  /// All lines of the files, and the number of batches in which they came.
  std::vector<Line> read(FileSourceOptions options, std::size_t* batches = nullptr) {
    auto opened = FileSource::open(std::move(options), clock_);
    EXPECT_TRUE(opened.has_value());
    source_ = std::move(opened).value();
    std::vector<Line> lines;
    for (int i = 0; i < 100'000 && !source_->finished(); ++i) {
      auto batch = source_->poll(10);
      EXPECT_TRUE(batch.has_value());
      if (!batch || !batch.value()) continue;
      if (batches) ++*batches;
      for (const Record& record : batch.value()->records)
        lines.push_back({record.origin, record.offset, std::string(record.value)});
    }
    EXPECT_TRUE(source_->finished());
    return lines;
  }

  std::filesystem::path folder_;
  SystemClock clock_;
  std::unique_ptr<FileSource> source_;
};

FileSourceOptions files(std::vector<std::string> paths) {
  FileSourceOptions options;
  options.paths = std::move(paths);
  return options;
}

TEST_F(FileSourceTest, lines_are_records_and_their_numbers_offsets) {
  const auto lines = read(files({write("a", "one\ntwo\r\n\nfour")}));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "one");
  EXPECT_EQ(lines[1].text, "two");
  EXPECT_EQ(lines[2].text, "four");
  EXPECT_EQ(lines[2].offset, 3u) << "an empty line keeps its number";
  EXPECT_EQ(lines[0].origin->cluster, "file");
}

TEST_F(FileSourceTest, an_empty_file_gives_nothing) { EXPECT_TRUE(read(files({write("a", "")})).empty()); }

TEST_F(FileSourceTest, the_identity_is_path_and_first_line) {
  const std::string path = write("a", "one\ntwo\n");
  const TopicId before = read(files({path}))[0].origin->topic_id;
  write("a", "one\ntwo\nthree\n");
  EXPECT_EQ(read(files({path}))[0].origin->topic_id, before) << "it has only grown";
  EXPECT_NE(read(files({write("b", "one\ntwo\n")}))[0].origin->topic_id, before);
  write("a", "other\ntwo\n");
  EXPECT_NE(read(files({path}))[0].origin->topic_id, before);
}

TEST_F(FileSourceTest, reading_goes_on_where_the_store_ends) {
  auto options = files({write("a", "0\n1\n2\n3\n4")});
  options.position_for = [](const Origin&, std::uint32_t) { return std::optional<std::uint64_t>(3); };
  const auto lines = read(options);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].text, "3");
  EXPECT_EQ(lines[0].offset, 3u);
  EXPECT_EQ(lines[1].text, "4");
}

TEST_F(FileSourceTest, a_file_that_the_store_holds_adds_nothing) {
  auto options = files({write("a", "0\n1\n2\n")});
  options.position_for = [](const Origin&, std::uint32_t) { return std::optional<std::uint64_t>(3); };
  EXPECT_TRUE(read(options).empty());
}

TEST_F(FileSourceTest, batches_are_cut_at_their_size_and_lose_nothing) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "line number " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 97), '.') + "\n";
  auto options = files({write("a", text), write("b", text)});
  options.batch.commit_bytes = 4096;
  std::size_t batches = 0;
  const auto lines = read(options, &batches);
  ASSERT_EQ(lines.size(), 10'000u);
  EXPECT_GT(batches, 100u);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].offset, i % 5000);
    EXPECT_TRUE(lines[i].text.starts_with("line number " + std::to_string(i % 5000)));
  }
  EXPECT_EQ(source_->status().bytes_done, source_->status().bytes_total);
  EXPECT_EQ(source_->status().messages, 10'000u);
}

TEST_F(FileSourceTest, a_huge_line_is_cut_and_its_neighbours_stay_whole) {
  const std::string huge(300'000, 'x');
  auto options = files({write("a", "before\n" + huge + "\nafter\n" + huge)});
  options.line_bytes_max = 100'000;
  options.batch.commit_bytes = 50'000;
  const auto lines = read(options);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].text, "before");
  EXPECT_EQ(lines[1].text, std::string(100'000, 'x'));
  EXPECT_EQ(lines[2].text, "after");
  EXPECT_EQ(lines[2].offset, 2u);
  EXPECT_EQ(lines[3].offset, 3u);
}

TEST_F(FileSourceTest, a_missing_file_is_an_error_before_anything_is_read) {
  const auto opened = FileSource::open(files({write("a", "x\n"), (folder_ / "none").string()}), clock_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::not_found);
  EXPECT_NE(opened.error().message.find("none"), std::string::npos);
  EXPECT_EQ(FileSource::open(files({folder_.string()}), clock_).error().code, Code::invalid_argument);
}

TEST_F(FileSourceTest, a_paused_source_gives_nothing_until_it_is_resumed) {
  auto source = std::move(FileSource::open(files({write("a", "x\n")}), clock_)).value();
  source->pause();
  EXPECT_EQ(source->poll(1).value(), nullptr);
  EXPECT_EQ(source->status().state, SourceState::paused);
  source->resume();
  EXPECT_NE(source->poll(1).value(), nullptr);
}

}  // namespace
}  // namespace tidewaiter::ingest
