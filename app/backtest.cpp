#include "app/backtest.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "app/backtest_player.hpp"
#include "app/backtest_range.hpp"
#include "app/command_store.hpp"
#include "app/detect_stage.hpp"
#include "core/text.hpp"
#include "core/thread_name.hpp"

namespace tidewaiter::app {
namespace {

using std::chrono::steady_clock;

constexpr std::int64_t day_ns = 86'400ll * 1'000'000'000;
constexpr std::uint64_t stored_ahead = 1024;  // alerts read from the store at once
constexpr auto look_every = std::chrono::milliseconds(20);

std::int64_t ns_since(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(steady_clock::now() - start).count();
}

/// Records of the log `alerts`, of both runs, from whatever thread they come.
class Comparison {
 public:
  Comparison(DiffRange range, BacktestReport& report) : range_(range), report_(report) {}

  void add(Run run, const AlertFacts& alert) {
    const std::lock_guard lock(mutex_);
    report_.diff.add(run, alert);
  }

  /// A digest, the use of an exception, a join.
  void add_note(Run run, std::string_view body) {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) return;
    const auto window = json.value("window", nlohmann::json::object());
    if (!range_.contains(parse_rfc3339(window.value("start", std::string())).value_or(0))) return;
    const std::string kind = json.value("kind", std::string("unknown"));
    const auto why = json.value("explanation", nlohmann::json::object());
    BacktestSide& side = run == Run::before ? report_.before : report_.after;
    const std::lock_guard lock(mutex_);
    ++side.notes[kind];
    side.held_back += why.value("repeats", std::uint64_t{0}) + why.value("over_budget", std::uint64_t{0}) +
                      why.value("over_daily_cap", std::uint64_t{0}) +  // of logs from before the budget
                      why.value("by_verdicts", std::uint64_t{0});
  }

  BacktestPlayer::Take taker(Run run) {
    return [this, run](std::string_view body) {
      const auto alert = read_alert(body);
      if (alert && *alert) add(run, **alert);
      else add_note(run, body);
    };
  }

 private:
  const DiffRange range_;
  BacktestReport& report_;
  std::mutex mutex_;
};

/// The alerts that the live service stored, a few at a time.
class StoredAlerts {
 public:
  /// The first `count` records of the log.
  StoredAlerts(const store::Reader& reader, std::uint16_t log, std::uint64_t count) : reader_(reader), log_(log), count_(count) {}

  /// Those up to the first one whose time is `until_ns` or later, in order of the log.
  Result<void> give(Comparison& comparison, std::int64_t until_ns) {
    while (true) {
      if (ahead_.empty()) TRY(read());
      if (ahead_.empty() || ahead_.front().first.time_ns >= until_ns) return {};
      const auto& [alert, note] = ahead_.front();
      if (note.empty()) comparison.add(Run::before, alert);
      else comparison.add_note(Run::before, note);
      ahead_.pop_front();
    }
  }

 private:
  Result<void> read() {
    const std::uint64_t end = std::min(count_, next_ + stored_ahead);
    Result<void> bad;
    TRY(reader_.scan(log_, next_, end, true, nullptr, [&](const store::StoredRecord& stored) {
      auto alert = read_alert(stored.record.value);
      if (!alert) bad = std::move(alert).error();
      else if (*alert) ahead_.emplace_back(std::move(**alert), std::string());
      else ahead_.emplace_back(AlertFacts{}, std::string(stored.record.value));
      return bad.has_value();
    }));
    next_ = end;
    return bad;
  }

  const store::Reader& reader_;
  const std::uint16_t log_;
  const std::uint64_t count_;
  std::uint64_t next_ = 0;
  std::deque<std::pair<AlertFacts, std::string>> ahead_;  // an alert, or the body of a note
};

class Backtest {
 public:
  Backtest(const store::Reader& reader, const BacktestPlan& plan)
      : reader_(reader), plan_(plan), comparison_(range_of(plan), report_) {
    report_.diff = AlertDiff(range_of(plan), plan.examples_max);
  }

  Result<BacktestReport> run(const std::function<void(const BacktestProgress&)>& progress) {
    TRY(choose_commits());
    TRY(make_players());
    const auto start = steady_clock::now();
    for (const auto& player : players_)
      player->start(commits_.last, plan_.to_ns ? std::optional(*plan_.to_ns + day_ns) : std::nullopt);
    std::thread feeder([&] { feed(); });
    const Result<void> watched = watch(start, progress);
    for (const auto& player : players_) player->end_feed();  // after an error
    feeder.join();
    for (const auto& player : players_) player->join();
    TRY(watched);
    TRY(fed_);
    finish();
    if (report_.events == 0)
      return fail(Code::invalid_argument, "no event that detection has judged lies in this range: there is nothing to compare");
    return std::move(report_);
  }

 private:
  static DiffRange range_of(const BacktestPlan& plan) {
    DiffRange range;
    if (plan.from_ns) range.from_ns = *plan.from_ns;
    if (plan.to_ns) range.to_ns = *plan.to_ns;
    return range;
  }

  Result<void> choose_commits() {
    newest_ = reader_.last_commit();
    if (!plan_.before) {
      const auto text = reader_.cursor(std::string(detect_cursor_name));
      if (!text && text.error().code == Code::not_found)
        return fail(Code::invalid_argument, "no alerts are stored here, for detection has judged nothing yet: compare with "
                                            "another configuration, --against FILE");
      if (!text) return text.error();
      TRY_ASSIGN(const DetectCursor judged, DetectCursor::decode(*text));
      TRY(count_unjudged(judged.commit));
      newest_ = judged.commit;
      TRY_ASSIGN(const std::uint16_t log, find_log(reader_, "alerts"));
      stored_.emplace(reader_, log, judged.alerts);
    }
    std::optional<std::int64_t> play_from;
    if (plan_.from_ns && plan_.warm_up_ns) play_from = *plan_.from_ns - *plan_.warm_up_ns;
    TRY_ASSIGN(commits_, commits_of(reader_, play_from, plan_.to_ns, newest_));
    report_.first_commit = commits_.first;
    return {};
  }

  /// From the first commit with events on: what comes before are records of our own, such as the last alerts.
  Result<void> count_unjudged(std::uint64_t judged) {
    for (std::uint64_t number = judged + 1; number <= newest_; ++number) {
      TRY_ASSIGN(const CommitPtr commit, reader_.commit(number, false));
      const auto has_events = [](const Record& record) { return !is_own(record.kind) && record.event_count > 0; };
      if (std::none_of(commit->records.begin(), commit->records.end(), has_events)) continue;
      report_.unjudged_commits = newest_ - number + 1;
      break;
    }
    return {};
  }

  Result<void> make_players() {
    const auto add = [&](const BacktestRun& run, Run which) -> Result<void> {
      TRY_ASSIGN(auto player, BacktestPlayer::create(run, reader_, comparison_.taker(which)));
      TRY(player->prepare(reader_, commits_.first));
      players_.push_back(std::move(player));
      return {};
    };
    TRY(add(plan_.after, Run::after));
    if (plan_.before) TRY(add(*plan_.before, Run::before));
    return {};
  }

  /// Reads commits until no run wants more.
  void feed() {
    name_thread("backtest-read");
    fed_ = [&]() -> Result<void> {
      // An empty range plays nothing, not even what comes after it.
      for (std::uint64_t number = commits_.first; number <= newest_ && commits_.last > 0; ++number) {
        TRY_ASSIGN(const CommitPtr commit, reader_.commit(number, false));
        count_events(*commit);
        bool wanted = false;
        for (const auto& player : players_) wanted = player->feed(commit) || wanted;
        if (!wanted) break;
      }
      return {};
    }();
    for (const auto& player : players_) player->end_feed();
    report_.read_cpu_ns = thread_cpu_ns();
  }

  void count_events(const Commit& commit) {
    const DiffRange range = range_of(plan_);
    const bool first = report_.events == 0;
    std::vector<std::int64_t> times;
    for (const Record& record : commit.records) {
      if (is_own(record.kind)) continue;
      for (std::uint32_t i = 0; i < record.event_count; ++i) {
        const std::int64_t time_ns = commit.events[record.first_event + i].time_ns();
        if (!range.contains(time_ns)) continue;
        ++report_.events;
        if (first) times.push_back(time_ns);
      }
    }
    if (times.empty()) return;
    // Not the very first of many: one clock that is years behind would make every rate nothing.
    const auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 100);
    std::nth_element(times.begin(), place, times.end());
    report_.begin_ns = *place;
  }

  bool all_done() const {
    return std::all_of(players_.begin(), players_.end(), [](const auto& player) { return player->done(); });
  }

  /// Hands over what is stored, not far ahead of the run that it is compared with.
  Result<void> watch(steady_clock::time_point start, const std::function<void(const BacktestProgress&)>& progress) {
    while (!all_done()) {
      std::this_thread::sleep_for(look_every);
      const BacktestPlayer& player = *players_.front();
      if (stored_) TRY(stored_->give(comparison_, player.watermark_ns() + day_ns));
      if (progress) progress({player.commit(), newest_, player.events(), player.watermark_ns(), ns_since(start)});
    }
    report_.wall_ns = ns_since(start);
    if (stored_) return stored_->give(comparison_, std::numeric_limits<std::int64_t>::max());
    return {};
  }

  void finish() {
    report_.diff.settle();
    const auto fill = [](BacktestSide& side, const BacktestPlayer& player) {
      side.events = player.events();
      side.cpu_ns = player.cpu_ns();
    };
    const BacktestPlayer& after = *players_.front();
    fill(report_.after, after);
    if (plan_.before) fill(report_.before, *players_.back());
    report_.before.alerts = report_.diff.alerts(Run::before);
    report_.after.alerts = report_.diff.alerts(Run::after);
    report_.last_commit = after.commit();
    report_.end_ns = std::max(report_.begin_ns, std::min(after.watermark_ns(), range_of(plan_).to_ns));
  }

  const store::Reader& reader_;
  const BacktestPlan& plan_;
  BacktestReport report_;
  Comparison comparison_;
  std::optional<StoredAlerts> stored_;
  std::uint64_t newest_ = 0;
  CommitRange commits_;
  std::vector<std::unique_ptr<BacktestPlayer>> players_;
  Result<void> fed_;
};

}  // namespace

double BacktestReport::days() const {
  return std::max(1.0, static_cast<double>(end_ns - begin_ns) / static_cast<double>(day_ns));
}

Result<BacktestReport> backtest(const store::Reader& reader, const BacktestPlan& plan,
                                const std::function<void(const BacktestProgress&)>& progress) {
  return Backtest(reader, plan).run(progress);
}

}  // namespace tidewaiter::app
