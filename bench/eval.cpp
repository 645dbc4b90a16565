#include "bench/eval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "bench/eval_csv.hpp"

namespace {

using namespace tidewaiter;
using namespace tidewaiter::bench;

constexpr std::string_view usage =
    R"(usage: eval COMMAND FILE|DIR [options]

Scores files of other people, and generated companies, with the detectors of the service and one configuration for every
data set. Each row of edges is scored before it is learnt. Docs: docs/detectors.md, "Evaluation".

  eval edges FILE --out SCORES
      CSV with a header that names time, src and dst, in any order, and if there is one label (empty, 0 or - = normal;
      any other word is the name of an attack). Other columns, such as bytes, are ignored. Times are numbers in any unit;
      ties are fine, a time that runs back counts as the newest. SCORES gets one line per row, in the order of the file:
      score,p-value. A higher score is more anomalous.
      --detector NAME    service (default), burst, contact, or a baseline: count, never-seen, midas-f
      --unit UNIT        of time: ns, us, ms, s, min, h, d; guessed from the first 20,000 rows when left out
      --memory MIB       of the detectors' tables at most, allocated once (512); a small file gets less of it
                         as long as no slot has to give way, with the same scores
      --figures-from N   rows before it are scored and learnt but not counted in the figures (0)
      --without NAME     an ablation of service or burst: winsorising, affinity, scales, calibration; repeatable

  eval sessions --train NORMAL FILE --out SCORES
      A session per line, its tokens apart by blanks. NORMAL is learnt, FILE is scored without learning from it, so the
      order of its lines does not matter. SCORES gets one line per session of FILE: its surprise in nats.

  eval series FILE --out SCORES
      CSV with a header that names timestamp (date and time, or a number) and value. SCORES is the same CSV with
      anomaly_score in [0, 1): how far the value or its level is beyond what the series has shown. 0 for most rows.
      --detector NAME    service (default), or a baseline: static-threshold, windowed-gaussian, half-space-trees,
                         random-cut-forest

  eval scenarios DIR
      DIR/events.ndjson and DIR/truth.json as `tidewaiter generate --company full --truth DIR/truth.json` writes them; the
      events may be a pipe. They go through the parser and all detectors of the service with its default policy and
      configuration, but for the budget. Printed per scenario: recall, median time to detect from the begin of the harm, which detectors found it;
      per detector: incidents and false incidents per day, CPU ns per event.
      --detector NAME    service (default), or all: the baselines too, each at 10 incidents a day and at as many as the
                         service makes: static-threshold, windowed-gaussian, half-space-trees, random-cut-forest, midas-f,
                         count, never-seen
      --budget N         alerts a day that the service may make (10)
      --false-alerts F   what of them ordinary days may bring, detect.false_alerts_per_day (two fifths of the budget)
      --without NAME     an ablation: the service without one of its detectors (flow, volume, silence, burst, sequence, rhythm,
                         health) or without a part of them; repeatable. Parts: winsorising (what is hot is learnt as it comes),
                         hierarchy (of how often something new comes), affinity (what peers use), scales (one time scale
                         is left), calibration (scores at their word, p = exp(-nats)), correction (of p-values by their
                         past), combination (an incident is as rare as its rarest finding)

With labels the figures of edges are printed: area under the ROC curve, average precision, recall of episodes at 1, 5 and 10 incidents a
day, minutes to detect. Always: ns per row of the detectors, rows per second of the whole.

  --out FILE   scores; - = stdout; left out = none are written
  --json FILE  the report as JSON; - = stdout, in place of the printed one
Exit status: 0 done, 1 a file cannot be read or written, 2 wrong usage or a row that cannot be understood.
)";

bool to_number(const std::string& text, double& out) { return parse_number(text, out) && out >= 0; }

// The option's name for the message, or "" when all is well.
std::string read_options(int count, char** arguments, EvalOptions& options) {
  for (int i = 2; i < count; ++i) {
    const std::string word = arguments[i];
    if (!word.starts_with("--")) {
      options.files.push_back(word);
      continue;
    }
    if (i + 1 == count) return word + " needs a value";
    const std::string value = arguments[++i];
    double number = 0;
    if (word == "--out")
      options.out = value;
    else if (word == "--json")
      options.json = value;
    else if (word == "--train")
      options.train = value;
    else if (word == "--detector")
      options.detector = value;
    else if (word == "--without")
      options.without.push_back(value);
    else if (word == "--unit") {
      options.unit = value;
      if (time_unit_ns(value) == 0) return "--unit " + value + ": it is one of ns, us, ms, s, min, h, d";
    } else if (word == "--memory") {
      if (!to_number(value, number) || number < 16) return "--memory takes at least 16 (MiB), not " + value;
      options.memory_bytes = static_cast<std::uint64_t>(number) << 20;
    } else if (word == "--budget") {
      if (!to_number(value, options.budget_per_day) || options.budget_per_day < 1) return "--budget takes at least 1 (a day), not " + value;
    } else if (word == "--false-alerts") {
      if (!to_number(value, options.false_alerts_per_day) || !(options.false_alerts_per_day > 0))
        return "--false-alerts takes a number above 0 (a day), not " + value;
    } else if (word == "--figures-from") {
      if (!to_number(value, options.figures_from)) return "--figures-from takes a number of rows, not " + value;
    } else {
      return "unknown option " + word;
    }
  }
  return options.files.size() == 1 ? "" : "one FILE or DIR is needed";
}

struct Command {
  std::string_view name;
  Result<nlohmann::ordered_json> (*run)(const EvalOptions&);
  std::vector<std::string_view> detectors;  // besides "service"
};

std::vector<Command> commands() {
  return {{"edges", eval_edges, edge_baselines()},
          {"sessions", eval_sessions, {}},
          {"series", eval_series, series_baselines()},
          {"scenarios", eval_scenarios, {"all"}}};
}

int fail(const std::string& message, int status) {
  fmt::print(stderr, "eval: {}\n{}", message, status == 2 ? "Try 'eval --help'.\n" : "");
  return status;
}

void print(const nlohmann::ordered_json& report, int indent) {
  for (const auto& [name, value] : report.items()) {
    if (value.is_object()) {
      fmt::print("{:{}}{}\n", "", indent, name);
      print(value, indent + 2);
    } else if (value.is_array() && (value.empty() || !value[0].is_object())) {
      fmt::print("{:{}}{:<36} {}\n", "", indent, name, value.dump());
    } else if (value.is_array()) {
      for (const auto& each : value) {
        fmt::print("{:{}}{}\n", "", indent, name);
        print(each, indent + 2);
      }
    } else if (value.is_number_float()) {
      fmt::print("{:{}}{:<36} {:.4f}\n", "", indent, name, value.get<double>());
    } else {
      fmt::print("{:{}}{:<36} {}\n", "", indent, name, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

int finish(const EvalOptions& options, const Result<nlohmann::ordered_json>& report) {
  if (!report) return fail(report.error().message, report.error().code == Code::invalid_argument ? 2 : 1);
  if (options.json != "-" && options.out != "-") print(*report, 0);
  if (options.json.empty()) return 0;
  const std::string text = report->dump(2) + "\n";
  if (options.json == "-") {
    fmt::print("{}", text);
    return 0;
  }
  std::ofstream file(options.json, std::ios::binary);
  file << text;
  file.close();
  return file ? 0 : fail(options.json + " cannot be written", 1);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string command = count > 1 ? arguments[1] : "";
  if (command == "--help" || command == "-h" || command == "help") {
    fmt::print("{}", usage);
    return 0;
  }
  EvalOptions options;
  const std::vector<Command> all = commands();
  const Command* known = nullptr;
  for (const Command& each : all)
    if (each.name == command) known = &each;
  if (known == nullptr) return fail(command.empty() ? "a command is needed" : "unknown command '" + command + "'", 2);
  if (const std::string wrong = read_options(count, arguments, options); !wrong.empty()) return fail(wrong, 2);
  if (command == "sessions" && options.train.empty()) return fail("sessions needs --train with what is normal", 2);
  if (options.detector != "service" && std::ranges::count(known->detectors, options.detector) == 0)
    return fail(fmt::format("--detector {}: {} knows service{}{}", options.detector, command,
                            known->detectors.empty() ? "" : ", ", fmt::join(known->detectors, ", ")), 2);
  if (!options.without.empty() && command != "scenarios" && command != "edges")
    return fail("--without belongs to scenarios and edges", 2);
  if (!options.without.empty() && command == "edges" && options.detector != "service" && options.detector != "burst")
    return fail("--without leaves out parts of service and burst, not of " + options.detector, 2);
  try {
    return finish(options, known->run(options));
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}
