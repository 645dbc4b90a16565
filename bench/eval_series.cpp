#include <algorithm>
#include <chrono>
#include <cmath>

#include "bench/eval.hpp"
#include "bench/eval_csv.hpp"
#include "bench/eval_output.hpp"
#include "bench/eval_series_baselines.hpp"
#include "core/text.hpp"
#include "detect/level.hpp"

namespace tidewaiter::bench {
namespace {

constexpr double day_s = 86'400;

// "2014-04-01 00:00:00" and RFC 3339; no zone = UTC.
bool parse_text_time(std::string_view text, double& seconds) {
  std::string full(text);
  if (full.size() > 10 && full[10] == ' ') full[10] = 'T';
  if (full.find_first_of("Z+", 10) == std::string::npos && full.rfind('-') < 10) full += 'Z';
  const auto time_ns = parse_rfc3339(full);
  seconds = static_cast<double>(time_ns.value_or(0)) / 1e9;
  return time_ns.has_value();
}

// From the median distance of the first rows; 0 when there is none.
Result<std::size_t> rows_per_day(const std::string& path) {
  constexpr std::size_t rows_looked_at = 101;
  Result<CsvReader> csv = CsvReader::open(path, {"timestamp", "value"}, 2);
  if (!csv) return csv.error();
  std::vector<double> numbers, seconds;
  CsvReader::Fields fields;
  while (std::max(numbers.size(), seconds.size()) < rows_looked_at && csv->next(fields)) {
    double time = 0;
    if (parse_number(fields[0], time))
      numbers.push_back(time);
    else if (parse_text_time(fields[0], time))
      seconds.push_back(time);
    else
      return Error{Code::invalid_argument, path + ", line " + std::to_string(csv->line_number()) + ": timestamp '" +
                                               std::string(fields[0]) + "' is neither a number nor a date and time"};
  }
  const auto unit = static_cast<double>(guess_time_unit(numbers));
  for (const double number : numbers) seconds.push_back(number * unit / 1e9);
  std::vector<double> steps;
  for (std::size_t i = 1; i < seconds.size(); ++i) steps.push_back(seconds[i] - seconds[i - 1]);
  if (steps.empty()) return std::size_t{0};
  std::nth_element(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2), steps.end());
  const double step = steps[steps.size() / 2];
  return step <= 0 ? std::size_t{0} : static_cast<std::size_t>(std::lround(day_s / step));
}

}  // namespace

Result<nlohmann::ordered_json> eval_series(const EvalOptions& options) {
  const Result<std::size_t> day = rows_per_day(options.files[0]);
  if (!day) return day.error();
  Result<CsvReader> csv = CsvReader::open(options.files[0], {"timestamp", "value"}, 2);
  if (!csv) return csv.error();
  Result<ScoreWriter> out = ScoreWriter::open(options.out);
  if (!out) return out.error();
  const auto start = std::chrono::steady_clock::now();
  detect::Level level(*day);
  const auto baseline = make_series_baseline(options.detector);
  CsvReader::Fields fields;
  std::uint64_t rows = 0;
  out->text("timestamp,value,anomaly_score\n");
  for (; csv->next(fields); ++rows) {
    double value = 0;
    if (!parse_number(fields[1], value))
      return Error{Code::invalid_argument, options.files[0] + ", line " + std::to_string(csv->line_number()) + ": value '" +
                                               std::string(fields[1]) + "' is not a number"};
    out->text(fields[0]);
    out->text(",");
    out->text(fields[1]);
    out->text(",");
    out->number(baseline ? baseline->observe(value) : level.observe(value));
    out->text("\n");
    if (Result<void> written = out->flush_when_full(); !written) return written.error();
  }
  if (Result<void> closed = out->close(); !closed) return closed.error();
  const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  nlohmann::ordered_json report;
  report["command"] = "series";
  report["file"] = options.files[0];
  report["detector"] = options.detector;
  report["rows"] = rows;
  report["rows_per_day"] = *day;
  report["rows_per_s"] = static_cast<double>(rows) / wall_s;
  return report;
}

}  // namespace tidewaiter::bench
