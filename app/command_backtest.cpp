#include "app/command_backtest.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/assemble.hpp"
#include "app/backtest.hpp"
#include "app/command_store.hpp"
#include "app/text_table.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "store/mask.hpp"

namespace tidewaiter::app {
namespace {

constexpr const char* change_names[change_count] = {"new", "gone", "moved"};
constexpr std::int64_t show_every_ns = 200'000'000;

std::uint64_t allowed(const BacktestOptions& options, Change change) {
  return change == Change::appeared ? options.max_new : change == Change::gone ? options.max_gone : options.max_moved;
}

bool within_allowance(const BacktestOptions& options, const AlertDiff& diff) {
  for (const Change change : {Change::appeared, Change::gone, Change::moved})
    if (diff.changed(change) > allowed(options, change)) return false;
  return true;
}

/// A file that cannot be used is the caller's mistake, whatever is wrong with it.
template <class T>
Result<T> as_usage(Result<T> result) {
  if (!result) result.error().code = Code::invalid_argument;
  return result;
}

Result<BacktestRun> run_of(const std::string& file) {
  TRY_ASSIGN(const Config config, as_usage(load_config(file)));
  BacktestRun run{file, engine_config(config), std::nullopt};
  if (config.policy_file.empty()) return run;
  TRY_ASSIGN(const LoadedPolicy policy, as_usage(load_policy(config.policy_file)));
  run.policy_json = policy.json;
  return run;
}

Result<BacktestPlan> plan_of(const BacktestOptions& options) {
  BacktestPlan plan;
  TRY_ASSIGN(plan.after, run_of(options.config));
  if (!options.against.empty()) {
    TRY_ASSIGN(plan.before, run_of(options.against));
  }
  const std::int64_t now_ns = SystemClock().now_ns();
  TRY_ASSIGN(plan.from_ns, parse_time(options.from, "--from", now_ns));
  TRY_ASSIGN(plan.to_ns, parse_time(options.to, "--to", now_ns));
  if (plan.from_ns && plan.to_ns && *plan.from_ns >= *plan.to_ns)
    return fail(Code::invalid_argument, "--from must be before --to");
  if (!options.warm_up.empty()) {
    plan.warm_up_ns = parse_span(options.warm_up);
    if (!plan.warm_up_ns) return fail(Code::invalid_argument, "--warm-up: '" + options.warm_up + "' is no time span; give 28d, 12h or 90m");
    if (!plan.from_ns) return fail(Code::invalid_argument, "--warm-up goes with --from: it says how long before it the play begins");
  }
  plan.examples_max = options.examples;
  return plan;
}

double per_day(std::uint64_t count, const BacktestReport& report) { return static_cast<double>(count) / report.days(); }

double cpu_per_event(std::int64_t cpu_ns, std::uint64_t events) {
  return events == 0 ? 0 : static_cast<double>(cpu_ns) / static_cast<double>(events);
}

double events_per_second(const BacktestReport& report) {
  return report.wall_ns == 0 ? 0 : static_cast<double>(report.after.events) * 1e9 / static_cast<double>(report.wall_ns);
}

std::string about(const AlertFacts& alert) {
  return alert.entity_type + " " + alert.entity + (alert.tenant.empty() ? "" : " of tenant " + alert.tenant);
}

nlohmann::json example_json(const AlertChange& change, Change kind) {
  const AlertFacts& a = change.alert;
  nlohmann::json json = {{"uid", a.uid}, {"time", format_rfc3339(a.time_ns)}, {"severity", a.severity}, {"title", store::mask_secrets(a.title)},
                         {"entity", {{"type", a.entity_type}, {"id", store::mask_secrets(a.entity)}}}};
  if (!a.tenant.empty()) json["entity"]["tenant"] = a.tenant;
  if (kind == Change::moved) json["before"] = {{"time", format_rfc3339(change.before_ns)}, {"severity", change.before_severity}};
  return json;
}

nlohmann::json side_json(const BacktestSide& side, const BacktestReport& report) {
  nlohmann::json json = {{"alerts", side.alerts}, {"alerts_per_day", per_day(side.alerts, report)}, {"held_back", side.held_back},
                         {"other_records", side.notes}};
  if (side.events > 0) json["cpu_ns_per_event"] = cpu_per_event(side.cpu_ns, side.events);
  return json;
}

void print_json(const BacktestReport& report, bool good) {
  nlohmann::json rules = nlohmann::json::array();
  for (const auto& [name, rule] : report.diff.rules()) {
    nlohmann::json json = {{"detector", name.first}, {"rule", name.second}, {"before", rule.before}, {"after", rule.after}, {"same", rule.same}};
    for (std::size_t i = 0; i < change_count; ++i) {
      json[change_names[i]] = rule.changed[i];
      for (const AlertChange& example : rule.examples[i])
        json["examples"][change_names[i]].push_back(example_json(example, static_cast<Change>(i)));
    }
    rules.push_back(std::move(json));
  }
  const AlertDiff& diff = report.diff;
  fmt::print("{}\n", nlohmann::json{{"ok", good},
                                    {"first_commit", report.first_commit}, {"last_commit", report.last_commit},
                                    {"unjudged_commits", report.unjudged_commits},
                                    {"from", format_rfc3339(report.begin_ns)}, {"to", format_rfc3339(report.end_ns)}, {"days", report.days()},
                                    {"events", report.events}, {"events_played", report.after.events},
                                    {"before", side_json(report.before, report)}, {"after", side_json(report.after, report)},
                                    {"same", diff.same()}, {"new", diff.changed(Change::appeared)}, {"gone", diff.changed(Change::gone)},
                                    {"moved", diff.changed(Change::moved)}, {"settled_early", diff.settled_early()}, {"rules", rules},
                                    {"events_per_second", events_per_second(report)},
                                    {"read_cpu_ns_per_event", cpu_per_event(report.read_cpu_ns, report.after.events)}}
                         .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string sign(std::uint64_t count) { return count == 0 ? "" : grouped(count); }

void print_rules(const BacktestReport& report) {
  TextTable table({"detector", "rule", "before", "after", "same", "new", "gone", "moved"});
  for (std::size_t column = 2; column < 8; ++column) table.align_right(column);
  for (const auto& [name, rule] : report.diff.rules())
    table.add({name.first, name.second, grouped(rule.before), grouped(rule.after), grouped(rule.same), sign(rule.changed[0]),
               sign(rule.changed[1]), sign(rule.changed[2])});
  if (table.rows() > 0) fmt::print("\n{}", table.text());
}

void print_examples(const BacktestReport& report, Change change) {
  const auto at = static_cast<std::size_t>(change);
  TextTable table({"", "time", "severity", "rule", "about", "what"}, 48);
  std::uint64_t left = report.diff.changed(change);
  for (const auto& [name, rule] : report.diff.rules())
    for (const AlertChange& example : rule.examples[at]) {
      const AlertFacts& a = example.alert;
      std::string time = format_rfc3339(a.time_ns), severity = a.severity;
      if (change == Change::moved && example.before_ns != a.time_ns) time = format_rfc3339(example.before_ns) + " -> " + time;
      if (change == Change::moved && example.before_severity != severity) severity = example.before_severity + " -> " + severity;
      table.add({" ", time, severity, a.rule, store::mask_secrets(about(a)), store::mask_secrets(a.title)});
      --left;
    }
  if (table.rows() == 0) return;
  fmt::print("\n{}\n{}", change_names[at], table.text(true));
  if (left > 0) fmt::print("  and {} more\n", grouped(left));
}

void print_side(TextTable& table, const char* what, const std::string& name, const BacktestSide& side, const BacktestReport& report) {
  std::string notes;
  for (const auto& [kind, count] : side.notes)
    if (kind != "suppressed_digest") notes += (notes.empty() ? "" : ", ") + kind + " " + grouped(count);
  table.add({what, grouped(side.alerts), fmt::format("{:.2f}", per_day(side.alerts, report)), grouped(side.held_back),
             side.events == 0 ? "" : fmt::format("{:.0f} ns", cpu_per_event(side.cpu_ns, side.events)), notes, name});
}

void print_text(const BacktestOptions& options, const BacktestReport& report, bool good) {
  fmt::print("{} events of {} to {} compared; {} played, commits {} to {}\n", grouped(report.events), format_rfc3339(report.begin_ns),
             format_rfc3339(report.end_ns), grouped(report.after.events), grouped(report.first_commit), grouped(report.last_commit));
  if (report.unjudged_commits > 0)
    fmt::print("detection has not judged the last {} commits yet: they are left out\n", grouped(report.unjudged_commits));
  TextTable sides({"", "alerts", "a day", "held back", "CPU an event", "other records", "configuration"}, 80);
  for (std::size_t column = 1; column < 5; ++column) sides.align_right(column);
  print_side(sides, "before", options.against.empty() ? "the alerts that are stored" : options.against, report.before, report);
  print_side(sides, "after", options.config, report.after, report);
  sides.drop_empty_columns();
  fmt::print("\n{}", sides.text());
  print_rules(report);
  for (const Change change : {Change::appeared, Change::gone, Change::moved}) print_examples(report, change);
  const AlertDiff& diff = report.diff;
  if (diff.settled_early() > 0)
    fmt::print("\n{} differences were settled early to keep memory bounded: some of them may be alerts that moved\n", grouped(diff.settled_early()));
  fmt::print("\n{:.0f} events a second ({}; reading {:.0f} ns of CPU an event)\n", events_per_second(report), human_duration(report.wall_ns),
             cpu_per_event(report.read_cpu_ns, report.after.events));
  fmt::print("{}: {} the same, {} new (allowed {}), {} gone (allowed {}), {} moved (allowed {})\n", good ? "fine" : "DIFFERENT", grouped(diff.same()),
             grouped(diff.changed(Change::appeared)), options.max_new, grouped(diff.changed(Change::gone)), options.max_gone,
             grouped(diff.changed(Change::moved)), options.max_moved);
}

/// One line that is written over, for terminals.
class ProgressLine {
 public:
  void show(const BacktestProgress& now) {
    if (!on_ || now.wall_ns - shown_ns_ < show_every_ns) return;
    shown_ns_ = now.wall_ns;
    const double share = now.last_commit == 0 ? 1.0 : static_cast<double>(now.commit) / static_cast<double>(now.last_commit);
    fmt::print(stderr, "\r[{:<30}] {:5.1f} %  {} events, {}/s, at {}   ", std::string(static_cast<std::size_t>(share * 30), '#'), share * 100,
               grouped(now.events), grouped(static_cast<std::uint64_t>(static_cast<double>(now.events) * 1e9 / static_cast<double>(now.wall_ns))),
               now.watermark_ns == 0 ? "the beginning" : format_rfc3339(now.watermark_ns / 1'000'000'000 * 1'000'000'000));
    std::fflush(stderr);
  }
  void end() const {
    if (shown_ns_ > 0) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const bool on_ = isatty(STDERR_FILENO) == 1;
  std::int64_t shown_ns_ = 0;
};

}  // namespace

int command_backtest(const BacktestOptions& options) {
  const auto plan = plan_of(options);
  if (!plan) return report_error(plan.error(), options.json);
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), options.json);
  ProgressLine line;
  const auto report = backtest(**reader, *plan, [&](const BacktestProgress& now) { line.show(now); });
  line.end();
  if (!report) return report_error(report.error(), options.json);
  const bool good = within_allowance(options, report->diff);
  if (options.json) print_json(*report, good);
  else print_text(options, *report, good);
  return good ? exit_ok : exit_finding;
}

}  // namespace tidewaiter::app
