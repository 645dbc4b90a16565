// How good scores are: area under the ROC curve, average precision, and what an analyst with a budget of incidents a day
// would have seen. Scores are counted in bins of 1/4096 of their size, so memory does not grow with the rows; of the rows
// themselves the last half million is held, and those before it go to a file that has no name.
//
// The incident rule, fixed before anything was compared: rows at or above a threshold join an incident when they share
// its source or its destination within 60 minutes; a row that belongs to two joins them; an incident older than 6 hours
// takes no more rows. The threshold for a budget of B a day is the lowest one, coming from above, that makes no more than
// B incidents per day on which there are rows. An episode is a run of rows of one label with gaps under 60 minutes; it is
// recalled when one of its rows is at or above the threshold.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tidewaiter::bench {

/// Rows by score, attacks and others apart.
class RankCounts {
 public:
  RankCounts();
  void add(double score, bool attack) { add_to_bin(bin_of(score), attack); }
  void add_to_bin(std::size_t bin, bool attack) {
    ++(attack ? counts_[bin].attacks : counts_[bin].others);
    begin_ = std::min(begin_, bin);
    end_ = std::max(end_, bin + 1);
  }
  double auc() const;                // ties count half; NaN when one of the classes is empty
  double average_precision() const;
  double recall_at_false_positive_rate(double rate) const;
  /// Share of the attacks among the `rows` highest.
  double recall_of_top(double rows) const;
  std::uint64_t attacks() const { return sum(&Bin::attacks); }
  std::uint64_t others() const { return sum(&Bin::others); }
  std::uint64_t in_bin(std::size_t bin) const { return counts_[bin].attacks + counts_[bin].others; }
  /// All others are empty.
  std::size_t first_bin() const { return begin_; }
  std::size_t end_bin() const { return end_; }

  static constexpr std::size_t bins = 1 << 20;  // sign and exponent 8 bits, 12 of the fraction
  static std::size_t bin_of(double score);

 private:
  struct Bin {
    std::uint64_t attacks, others;
  };
  std::uint64_t sum(std::uint64_t Bin::*count) const;
  struct Free {
    void operator()(Bin* counts) const { std::free(counts); }
  };
  std::unique_ptr<Bin[], Free> counts_;  // from calloc: of the bins that stay empty no page is touched
  std::size_t begin_ = bins, end_ = 0;
};

struct BudgetFigures {
  double incidents_per_day = 0;  // the budget
  double recall = 0;             // of episodes
  double recall_of_long = 0;     // of episodes of at least 10 rows
  double median_delay_min = 0;   // of the recalled ones, from the first row of the episode
  double rows_recall = 0;        // of attack rows, when every row is an alert; per day from the first row to the last
  std::uint64_t incidents = 0;
};

struct EdgeFigures {
  std::uint64_t rows = 0, attacks = 0, episodes = 0, long_episodes = 0, days = 0;
  double days_elapsed = 0;
  double auc = 0, average_precision = 0;
  std::array<BudgetFigures, 3> budgets{{{1}, {5}, {10}}};
};

class EdgeMetrics {
 public:
  /// `rows_held`: how many rows stay in memory.
  explicit EdgeMetrics(std::size_t rows_held = 1 << 19);
  /// In file order; `label` empty = normal. `time_ns` may run back.
  void add(double score, std::uint64_t source, std::uint64_t destination, std::int64_t time_ns, std::string_view label);
  EdgeFigures figures();

 private:
  struct Row {
    std::int64_t time_ns;
    std::uint64_t source, destination;
    std::uint32_t bin;
    std::int32_t episode;  // -1 = normal
  };
  struct Episode {
    std::int64_t first_ns, last_ns;
    std::uint32_t rows;
  };
  struct Pass {
    std::uint64_t incidents = 0;
    std::vector<std::int64_t> detected_ns;  // per episode; -1 = not
  };
  struct Incident;
  struct Incidents;
  void put_aside();
  Pass pass(std::uint32_t threshold_bin) const;
  std::vector<std::uint32_t> thresholds() const;
  void fill(BudgetFigures& budget, const Pass& pass) const;
  std::int32_t episode_of(std::string_view label, std::int64_t time_ns);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  /// Calls visit(row) for every row, in their order.
  template <class Visit>
  void each_row(Visit visit) const;

  const std::size_t rows_held_;
  std::unique_ptr<std::FILE, Close> rows_;  // made when there are more than are held
  std::vector<Row> held_;                   // the rows behind those of the file
  std::uint64_t count_ = 0;
  RankCounts ranks_;
  std::vector<Episode> episodes_;
  std::unordered_map<std::string, std::int32_t> newest_;  // episode of each label
  std::unordered_set<std::int64_t> days_;
  std::int64_t first_ns_ = 0, last_ns_ = 0, last_day_ = 0;
};

}  // namespace tidewaiter::bench
