#include "app/backtest_player.hpp"

#include <chrono>
#include <ctime>

#include "app/command_store.hpp"
#include "core/thread_name.hpp"

namespace tidewaiter::app {

std::int64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000ll + time.tv_nsec;
}

Result<std::unique_ptr<BacktestPlayer>> BacktestPlayer::create(const BacktestRun& run, const store::Reader& reader,
                                                               Take take) {
  std::unique_ptr<BacktestPlayer> player(new BacktestPlayer(std::move(take)));
  detect::EngineConfig config = run.engine;
  for (const store::LogInfo& log : reader.logs()) config.log_names[log.id] = log.name;
  TRY_ASSIGN(player->engine_, detect::Engine::create(std::move(config), player->metrics_));
  if (run.policy_json) {
    TRY_ASSIGN(PolicySwap swap, PolicySwap::make(*run.policy_json));
    player->swap_.emplace(std::move(swap));
  }
  return player;
}

BacktestPlayer::~BacktestPlayer() {
  end_feed();
  join();
}

Result<void> BacktestPlayer::prepare(const store::Reader& reader, std::uint64_t first_commit) {
  if (swap_) {
    engine_->process(swap_->first(), found_);
    take_found();
  }
  if (first_commit <= 1) return {};
  TRY_ASSIGN(const std::uint16_t control, find_log(reader, "control"));
  return reader.scan(control, 0, reader.size(control), true, nullptr,
                     [&](const store::StoredRecord& stored) {
                       if (stored.commit >= first_commit) return false;
                       auto commit = std::make_shared<Commit>();
                       commit->number = stored.commit;
                       commit->time_ns = stored.record.receive_time_ns;
                       commit->records = {stored.record};
                       play(commit);
                       return true;
                     });
}

void BacktestPlayer::start(std::uint64_t last_commit, std::optional<std::int64_t> until_ns) {
  score_thread_ = std::thread([this] { score(); });
  judge_thread_ = std::thread([this, last_commit, until_ns] { judge(last_commit, until_ns); });
}

void BacktestPlayer::score() {
  name_thread("backtest-score");
  while (true) {
    const auto commit = queue_.pop_for(std::chrono::milliseconds(100));
    if (!commit && queue_.drained()) break;
    if (!commit) continue;
    CommitPtr fitted = swap_ ? swap_->fit(*commit) : *commit;
    auto scores = engine_->score(*fitted);
    if (!scored_.push({std::move(fitted), std::move(scores)})) break;
  }
  scored_.close();
  score_cpu_ns_ = thread_cpu_ns();
}

void BacktestPlayer::judge(std::uint64_t last_commit, std::optional<std::int64_t> until_ns) {
  name_thread("backtest-judge");
  while (true) {
    const auto scored = scored_.pop_for(std::chrono::milliseconds(100));
    if (!scored && scored_.drained()) break;
    if (!scored) continue;
    engine_->process(*scored->commit, *scored->scores, found_);
    take_found();
    if (until_ns && scored->commit->number >= last_commit && watermark_ns_.load() >= *until_ns) break;
  }
  scored_.close();
  queue_.close();
  judge_cpu_ns_ = thread_cpu_ns();
  done_.store(true);
}

void BacktestPlayer::join() {
  for (std::thread* thread : {&score_thread_, &judge_thread_})
    if (thread->joinable()) thread->join();
}

void BacktestPlayer::play(const CommitPtr& commit) {
  engine_->process(swap_ ? *swap_->fit(commit) : *commit, found_);
  take_found();
}

void BacktestPlayer::take_found() {
  for (const OwnRecord& found : found_) take_(found.body);
  found_.clear();
  const detect::Status status = engine_->status();
  commit_.store(status.commit);
  events_.store(status.events);
  watermark_ns_.store(status.watermark_ns);
}

}  // namespace tidewaiter::app
