#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bench/eval.hpp"

namespace tidewaiter::bench {
namespace {

TEST(Sessions, one_score_per_session_in_order_and_the_order_changes_none) {
  const auto folder = std::filesystem::temp_directory_path() / ("eval_sessions." + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  };
  std::string normal;
  for (int i = 0; i < 40; ++i) normal += "open read read close\nopen write close \n";
  EvalOptions options;
  options.memory_bytes = 16 << 20;
  options.train = write("normal", normal);
  options.out = folder / "scores";
  const auto scores = [&](const std::string& sessions) {
    options.files = {write("sessions", sessions)};
    const auto report = eval_sessions(options);
    EXPECT_TRUE(report);
    std::ifstream file(options.out);
    return std::vector<double>(std::istream_iterator<double>(file), {});
  };
  const std::vector<double> one = scores("open read close\nclose delete open\n\nopen read read close\n");
  const std::vector<double> other = scores("open read read close\n\nclose delete open\r\nopen read close");
  ASSERT_EQ(one.size(), 4u);
  ASSERT_EQ(other.size(), 4u);
  EXPECT_EQ(one[0], other[3]);
  EXPECT_EQ(one[1], other[2]);
  EXPECT_EQ(one[3], other[0]);
  EXPECT_GT(one[1], one[0] + 1);
  EXPECT_GT(one[2], one[3]) << "an empty session is no ordinary one";
  std::filesystem::remove_all(folder);
  options.train = "/nowhere/normal";
  EXPECT_FALSE(eval_sessions(options));
}

}  // namespace
}  // namespace tidewaiter::bench
