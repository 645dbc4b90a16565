#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "bench/eval.hpp"
#include "bench/eval_baselines.hpp"
#include "bench/eval_csv.hpp"
#include "bench/eval_metrics.hpp"
#include "bench/eval_output.hpp"
#include "detect/burst.hpp"
#include "detect/edge.hpp"

namespace tidewaiter::bench {
namespace {

using detect::Key;
using Clock = std::chrono::steady_clock;
constexpr std::size_t batch_rows = 64;
constexpr std::int64_t second_ns = 1'000'000'000, minute_ns = 60 * second_ns;

struct EdgeRow {
  Key source, destination;
  std::int64_t time_ns;
  std::string label;
};

bool is_normal(std::string_view label) { return label.empty() || label == "0" || label == "-"; }

struct Clockwork {
  std::int64_t unit_ns = second_ns;
  bool fine = false;  // times are told finer than a minute
};

// What kind of clock the file has, from its first rows.
Result<Clockwork> look_at_times(const EvalOptions& options) {
  constexpr std::size_t rows_looked_at = 20'000;
  Result<CsvReader> csv = CsvReader::open(options.files[0], {"time"}, 1);
  if (!csv) return csv.error();
  std::vector<double> times;
  CsvReader::Fields fields;
  double time = 0;
  while (times.size() < rows_looked_at && csv->next(fields) && parse_number(fields[0], time)) times.push_back(time);
  Clockwork result;
  result.unit_ns = options.unit.empty() ? guess_time_unit(times) : time_unit_ns(options.unit);
  const auto unit = static_cast<double>(result.unit_ns);
  for (const double each : times) result.fine |= static_cast<std::int64_t>(each * unit) % minute_ns != 0;
  return result;
}

// What the tables of so small a file need at most; clearing all of the memory would cost more than its rows. Where scores go to
// stdout all of it is taken at once: what is written there cannot be taken back.
std::uint64_t memory_to_begin_with(const EvalOptions& options) {
  constexpr std::uint64_t per_byte_of_file = 8, least = 16 << 20;
  std::error_code unknown;
  const std::uint64_t file_bytes = std::filesystem::file_size(options.files[0], unknown);
  if (unknown || options.out == "-" || file_bytes > options.memory_bytes / per_byte_of_file) return options.memory_bytes;
  return std::clamp(file_bytes * per_byte_of_file, std::min(least, options.memory_bytes), options.memory_bytes);
}

Result<detect::Ablation> parts_left(const EvalOptions& options) {
  detect::Ablation parts;
  for (const std::string& name : options.without) {
    const auto part = std::ranges::find(detect::ablation_switches, name, &detect::AblationSwitch::name);
    if (part == std::end(detect::ablation_switches) || !part->of_edges) {
      std::string known;
      for (const auto& each : detect::ablation_switches)
        if (each.of_edges) known.append(known.empty() ? "" : ", ").append(each.name);
      return Error{Code::invalid_argument, "--without " + name + ": of edges it is one of " + known};
    }
    parts.*part->on = false;
  }
  return parts;
}

class EdgesRun {
 public:
  EdgesRun(const EvalOptions& options, std::uint64_t memory_bytes, const detect::Ablation& parts, CsvReader csv,
           Clockwork clockwork, ScoreWriter out)
      : options_(options), csv_(std::move(csv)), clockwork_(clockwork), out_(std::move(out)) {
    if (options.detector == "service") service_ = std::make_unique<detect::EdgeScorer>(memory_bytes);
    if (options.detector == "burst") burst_ = std::make_unique<detect::Burst>(memory_bytes);
    if (service_) service_->ablate(parts);
    if (burst_) burst_->ablate(parts);
    if (options.detector == "contact") contact_ = std::make_unique<detect::Contact>(memory_bytes);
    baseline_ = make_edge_baseline(options.detector);
    if (csv_.has(label_column)) metrics_ = std::make_unique<EdgeMetrics>();
  }

  /// Scores and writes all rows.
  Result<void> run() {
    const auto start = Clock::now();
    while (true) {
      Result<std::size_t> read = read_batch();
      if (!read) return read.error();
      if (*read == 0) break;
      score_batch(*read);
      if (Result<void> written = write_batch(*read); !written) return written.error();
    }
    if (Result<void> closed = out_.close(); !closed) return closed.error();
    wall_s_ = std::chrono::duration<double>(Clock::now() - start).count();
    return {};
  }

  std::uint64_t evictions() const {
    return service_ ? service_->evictions() : burst_ ? burst_->evictions() : contact_ ? contact_->evictions() : 0;
  }

  nlohmann::ordered_json report() {
    nlohmann::ordered_json report;
    const auto rows = static_cast<double>(std::max<std::uint64_t>(rows_seen_, 1));
    report["command"] = "edges";
    report["file"] = options_.files[0];
    report["detector"] = options_.detector;
    report["rows"] = rows_seen_;
    report["time_unit_ns"] = clockwork_.unit_ns;
    report["ns_per_row"] = scoring_s_ * 1e9 / rows;
    report["rows_per_s"] = rows / wall_s_;
    if (service_) {
      report["detector_memory_bytes"] = service_->memory_bytes();
      report["evictions"] = service_->evictions();
    }
    if (!metrics_) return report;
    const EdgeFigures figures = metrics_->figures();
    report["attack_rows"] = figures.attacks;
    report["episodes"] = figures.episodes;
    report["episodes_of_10_rows"] = figures.long_episodes;
    report["days_with_rows"] = figures.days;
    report["days_elapsed"] = figures.days_elapsed;
    report["auc"] = figures.auc;
    report["average_precision"] = figures.average_precision;
    for (const BudgetFigures& budget : figures.budgets)
      report["budgets"].push_back({{"incidents_per_day", budget.incidents_per_day},
                                   {"incidents", budget.incidents},
                                   {"episode_recall", budget.recall},
                                   {"episode_recall_of_10_rows", budget.recall_of_long},
                                   {"median_minutes_to_detect", budget.median_delay_min},
                                   {"row_recall_when_rows_are_alerts", budget.rows_recall}});
    return report;
  }

  static constexpr std::size_t time_column = 0, source_column = 1, destination_column = 2, label_column = 3;

 private:
  Result<std::size_t> read_batch() {
    std::size_t count = 0;
    CsvReader::Fields fields;
    for (; count < batch_rows && csv_.next(fields); ++count) {
      EdgeRow& row = rows_[count];
      double time = 0;
      if (!parse_number(fields[time_column], time))
        return Error{Code::invalid_argument, options_.files[0] + ", line " + std::to_string(csv_.line_number()) +
                                                 ": time '" + std::string(fields[time_column]) + "' is not a number"};
      row.time_ns = static_cast<std::int64_t>(time * static_cast<double>(clockwork_.unit_ns));
      row.source = detect::hash_name(fields[source_column]);
      row.destination = detect::hash_name(fields[destination_column]);
      if (service_) service_->prefetch(row.source, row.destination);
      if (contact_) contact_->prefetch(row.source, row.destination);
      const std::string_view label = fields[label_column];
      row.label.assign(is_normal(label) ? std::string_view() : label);
    }
    return count;
  }

  void score_batch(std::size_t count) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const EdgeRow& row = rows_[i];
      newest_ns_ = rows_seen_++ == 0 ? row.time_ns : std::max(newest_ns_, row.time_ns);
      if (service_) {
        const auto scored = service_->observe(row.source, row.destination, newest_ns_, clockwork_.fine);
        scores_[i] = {scored.score, scored.p_value};
        continue;
      }
      double score = 0;
      if (burst_)
        score = std::max(burst_->observe(detect::combine(row.source, 1), 1, newest_ns_, clockwork_.fine),
                         burst_->observe(detect::combine(row.destination, 2), 1, newest_ns_));
      else if (contact_)
        score = contact_->observe(row.source, row.destination, 1, newest_ns_).score;
      else
        score = baseline_->observe(row.source, row.destination, newest_ns_);
      const double rank = std::log1p(score);  // scores of baselines have no upper end
      scores_[i] = {score, ranks_.p_value(rank)};
      ranks_.learn(rank);
    }
    scoring_s_ += std::chrono::duration<double>(Clock::now() - start).count();
  }

  Result<void> write_batch(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      out_.number(scores_[i].first);
      out_.text(",");
      out_.number(scores_[i].second);
      out_.text("\n");
      if (metrics_ && static_cast<double>(counted_++) >= options_.figures_from)
        metrics_->add(scores_[i].first, rows_[i].source, rows_[i].destination, rows_[i].time_ns, rows_[i].label);
    }
    return out_.flush_when_full();
  }

  const EvalOptions& options_;
  CsvReader csv_;
  const Clockwork clockwork_;
  ScoreWriter out_;
  std::unique_ptr<detect::EdgeScorer> service_;
  std::unique_ptr<detect::Burst> burst_;
  std::unique_ptr<detect::Contact> contact_;
  std::unique_ptr<EdgeBaseline> baseline_;
  detect::RankCalibrator ranks_;
  std::unique_ptr<EdgeMetrics> metrics_;
  std::array<EdgeRow, batch_rows> rows_;
  std::array<std::pair<double, double>, batch_rows> scores_;
  std::uint64_t rows_seen_ = 0, counted_ = 0;
  std::int64_t newest_ns_ = 0;
  double scoring_s_ = 0, wall_s_ = 0;
};

}  // namespace

std::vector<std::string_view> edge_baselines() { return {"burst", "contact", "count", "never-seen", "midas-f"}; }

Result<nlohmann::ordered_json> eval_edges(const EvalOptions& options) {
  const Result<detect::Ablation> parts = parts_left(options);
  if (!parts) return parts.error();
  Result<Clockwork> clockwork = look_at_times(options);
  if (!clockwork) return clockwork.error();
  // As long as no slot has to give way scores do not depend on the memory; else all of it is taken, and they are made anew.
  for (std::uint64_t memory_bytes = memory_to_begin_with(options);; memory_bytes = options.memory_bytes) {
    Result<CsvReader> csv = CsvReader::open(options.files[0], {"time", "src", "dst", "label", "bytes"}, 3);
    if (!csv) return csv.error();
    Result<ScoreWriter> out = ScoreWriter::open(options.out);
    if (!out) return out.error();
    const auto run = std::make_unique<EdgesRun>(options, memory_bytes, *parts, std::move(*csv), *clockwork, std::move(*out));
    if (const Result<void> done = run->run(); !done) return done.error();
    if (run->evictions() == 0 || memory_bytes == options.memory_bytes) return run->report();
  }
}

}  // namespace tidewaiter::bench
