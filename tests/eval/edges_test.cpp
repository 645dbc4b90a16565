// A small world of our own: 12 departments whose members write to each other, a scan, a flood, and single rows to
// strangers. Nothing here is tuned to: the figures asked for are far below what is measured.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "bench/eval.hpp"
#include "bench/eval_csv.hpp"

namespace tidewaiter::bench {
namespace {

using testing::HasSubstr;

class Edges : public testing::Test {
 protected:
  Edges() : folder_(std::filesystem::temp_directory_path() / ("eval_test." + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Edges() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string read(const std::string& name) {
    std::ifstream file(folder_ / name, std::ios::binary);
    return (std::ostringstream() << file.rdbuf()).str();
  }
  EvalOptions options(const std::string& file, const std::string& out = "") {
    EvalOptions result;
    result.files = {file};
    result.memory_bytes = 64 << 20;
    if (!out.empty()) result.out = folder_ / out;
    return result;
  }
  std::filesystem::path folder_;
};

struct Row {
  std::int64_t time_s;
  std::string source, destination, label;
};

/// 40 days of 240 people in 12 departments, one row every 90 seconds.
std::vector<Row> world(std::mt19937& random) {
  std::vector<Row> rows;
  constexpr int people = 240, department = 20;
  for (std::int64_t time = 0; time < 40 * 86'400; time += 90) {
    const int who = static_cast<int>(random() % people);
    const int near = who / department * department;
    int to = near + static_cast<int>(random() % 6 + static_cast<unsigned>(who) % 10) % department;
    if (random() % 60 == 0) to = near + static_cast<int>(random() % department);
    rows.push_back({time, "p" + std::to_string(who), "p" + std::to_string(to), "0"});
  }
  return rows;
}

std::string csv_of(const std::vector<Row>& rows, std::int64_t divide = 1) {
  std::string text = "label,dst,time,src\n";
  for (const Row& row : rows)
    text += row.label + "," + row.destination + "," + std::to_string(row.time_s / divide) + "," + row.source + "\n";
  return text;
}

TEST_F(Edges, a_row_to_a_stranger_of_another_department_ranks_above_everyday_new_contacts) {
  std::mt19937 random(1);
  std::vector<Row> rows = world(random);
  const std::size_t half = rows.size() / 2;
  for (std::size_t i = half; i < rows.size(); i += 400) {
    Row& row = rows[i];
    row.destination = "p" + std::to_string((std::stoi(row.source.substr(1)) + 120) % 240);
    row.label = "stranger";
  }
  EvalOptions opts = options(write("strangers.csv", csv_of(rows)));
  opts.figures_from = static_cast<double>(half);
  const auto report = eval_edges(opts);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT((*report)["auc"], 0.98);
  EXPECT_GT((*report)["budgets"][2]["episode_recall"], 0.8);
  for (const char* part : {"winsorising", "affinity", "scales", "calibration"}) {
    EvalOptions without = opts;
    without.without = {part};
    EXPECT_NE((*eval_edges(without))["average_precision"], (*report)["average_precision"]) << part;
  }
  EvalOptions unknown = opts;
  unknown.without = {"hierarchy"};
  EXPECT_NE(eval_edges(unknown).error().message.find("one of winsorising, affinity, scales, calibration"), std::string::npos);
  opts.detector = "count";
  EXPECT_LT((*eval_edges(opts))["auc"], 0.7) << "a count per destination must not see them";
}

TEST_F(Edges, a_small_file_gets_small_tables_and_the_scores_of_large_ones) {
  std::mt19937 random(3);
  std::string text = "note,time,src,dst\n";
  for (const Row& row : world(random))
    text += std::string(60, '-') + "," + std::to_string(row.time_s) + "," + row.source + "," + row.destination + "\n";
  EvalOptions opts = options(write("small.csv", text), "small");
  const auto small = eval_edges(opts);
  ASSERT_TRUE(small) << small.error().message;
  opts.memory_bytes = 16 << 20;
  opts.out = folder_ / "smaller";
  const auto smaller = eval_edges(opts);
  ASSERT_TRUE(smaller) << smaller.error().message;
  EXPECT_LT((*small)["detector_memory_bytes"], 60 << 20);
  EXPECT_GT((*small)["detector_memory_bytes"], (*smaller)["detector_memory_bytes"]);
  EXPECT_EQ((*small)["evictions"], 0);
  EXPECT_EQ(read("small"), read("smaller"));
}

TEST_F(Edges, a_file_of_more_edges_than_its_size_tells_gets_all_of_the_memory) {
  std::string text = "time,src,dst\n";
  for (int i = 0; i < 100'000; ++i) text += "1," + std::to_string(i % 500) + "," + std::to_string(i / 500) + "\n";
  const auto report = eval_edges(options(write("grid.csv", text), "grid"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT((*report)["detector_memory_bytes"], 60 << 20);
  const std::string scores = read("grid");
  EXPECT_EQ(std::ranges::count(scores, '\n'), 100'000);
}

TEST_F(Edges, a_flood_is_found_whatever_the_unit_of_time) {
  std::mt19937 random(2);
  std::vector<Row> rows = world(random);
  std::vector<Row> attacked;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    attacked.push_back(rows[i]);
    if (i == rows.size() * 3 / 4)
      for (int j = 0; j < 3000; ++j) attacked.push_back({rows[i].time_s, "bot" + std::to_string(j % 7), "p3", "flood"});
  }
  EvalOptions opts = options(write("seconds.csv", csv_of(attacked)));
  const auto seconds = eval_edges(opts);
  ASSERT_TRUE(seconds) << seconds.error().message;
  EXPECT_GT((*seconds)["auc"], 0.98);
  EXPECT_EQ((*seconds)["budgets"][0]["episode_recall"], 1.0);
  EvalOptions minutes = options(write("minutes.csv", csv_of(attacked, 60)));
  minutes.unit = "min";
  EXPECT_GT((*eval_edges(minutes))["auc"], 0.98);
}

TEST_F(Edges, a_score_and_p_value_per_row_in_order_and_the_same_each_time) {
  std::mt19937 random(3);
  std::vector<Row> rows = world(random);
  rows.resize(5000);
  const std::string file = write("plain.csv", csv_of(rows));
  ASSERT_TRUE(eval_edges(options(file, "first")));
  ASSERT_TRUE(eval_edges(options(file, "second")));
  EXPECT_EQ(read("first"), read("second"));
  std::istringstream lines(read("first"));
  std::string line;
  std::size_t count = 0;
  while (std::getline(lines, line)) {
    ++count;
    double score = -1, p = -1;
    const std::size_t comma = line.find(',');
    ASSERT_TRUE(parse_number(line.substr(0, comma), score) && parse_number(line.substr(comma + 1), p)) << line;
    EXPECT_GE(score, 0);
    EXPECT_GT(p, 0);
    EXPECT_LE(p, 1);
  }
  EXPECT_EQ(count, rows.size());
}

TEST_F(Edges, what_comes_later_changes_no_score) {
  std::mt19937 random(4);
  std::vector<Row> rows = world(random);
  rows.resize(30'000);
  const std::string whole = write("whole.csv", csv_of(rows));
  rows.resize(25'000);
  const std::string part = write("part.csv", csv_of(rows));
  ASSERT_TRUE(eval_edges(options(whole, "whole")));
  ASSERT_TRUE(eval_edges(options(part, "part")));
  EXPECT_TRUE(read("whole").starts_with(read("part")));
}

TEST_F(Edges, faults_name_file_line_and_column) {
  const auto no_column = eval_edges(options(write("a.csv", "time,src,target\n1,a,b\n")));
  ASSERT_FALSE(no_column);
  EXPECT_THAT(no_column.error().message, HasSubstr("no column 'dst'"));
  const auto no_number = eval_edges(options(write("b.csv", "time,src,dst\n1,a,b\nsoon,a,b\n")));
  ASSERT_FALSE(no_number);
  EXPECT_THAT(no_number.error().message, HasSubstr("line 3: time 'soon'"));
  EXPECT_FALSE(eval_edges(options("/nowhere/c.csv")));
}

TEST_F(Edges, fields_may_be_quoted_and_lines_end_as_on_windows) {
  EvalOptions opts = options(write("q.csv", "src,dst,time\r\n\"a,1\",b,1.5\r\n\"a,1\",b,2.5\r\n"), "q");
  opts.detector = "never-seen";
  ASSERT_TRUE(eval_edges(opts));
  EXPECT_EQ(read("q").substr(0, 2), "1,");
  EXPECT_THAT(read("q"), HasSubstr("\n0,"));
}

TEST(TimeUnit, is_told_from_size_and_from_rows_per_value) {
  EXPECT_EQ(guess_time_unit({1.7e9}), 1'000'000'000);
  EXPECT_EQ(guess_time_unit({1.7e12}), 1'000'000);
  EXPECT_EQ(guess_time_unit({1.7e18}), 1);
  EXPECT_EQ(guess_time_unit({0, 5, 9, 120}), 1'000'000'000);
  EXPECT_EQ(guess_time_unit({1, 1, 1, 1, 1, 2, 2, 2, 2, 2}), 60'000'000'000);
}

}  // namespace
}  // namespace tidewaiter::bench
