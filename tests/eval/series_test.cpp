#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/eval.hpp"

namespace tidewaiter::bench {
namespace {

TEST(Series, a_line_per_row_with_a_score_and_both_kinds_of_time) {
  const auto folder = std::filesystem::temp_directory_path() / ("eval_series." + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const auto scores = [&](const std::string& text) {
    std::ofstream(folder / "in.csv", std::ios::binary) << text;
    EvalOptions options;
    options.files = {folder / "in.csv"};
    options.out = folder / "out.csv";
    const auto report = eval_series(options);
    if (!report) return report.error().message;
    EXPECT_EQ((*report)["rows_per_day"], 288);
    std::ifstream file(options.out);
    return (std::ostringstream() << file.rdbuf()).str();
  };
  // One row is known of 288: a score of (1 / 288) / (1 + 1 / 288).
  EXPECT_EQ(scores("timestamp,value\n2014-04-01 00:00:00,1\n2014-04-01 00:05:00,3\n2014-04-01 00:10:00,nan\n"),
            "timestamp,value,anomaly_score\n2014-04-01 00:00:00,1,0\n2014-04-01 00:05:00,3,0.00346021\n2014-04-01 00:10:00,nan,0\n");
  EXPECT_EQ(scores("value,timestamp\n1,1700000000\n3,1700000300\nnan,1700000600\n"),
            "timestamp,value,anomaly_score\n1700000000,1,0\n1700000300,3,0.00346021\n1700000600,nan,0\n");
  EXPECT_THAT(scores("timestamp,value\n2014-04-01 00:00:00,much\n"), testing::HasSubstr("line 2: value 'much'"));
  EXPECT_THAT(scores("timestamp,value\nyesterday,1\n"), testing::HasSubstr("line 2: timestamp 'yesterday'"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tidewaiter::bench
