#include "app/commit_feed.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace tidewaiter::app {

CommitFeed::CommitFeed(std::size_t commits_max, std::uint64_t last_commit, OpenReader open_reader)
    : commits_max_(commits_max), open_reader_(std::move(open_reader)), last_(last_commit) {}

CommitFeed::Follower::Follower(CommitFeed& feed, bool bodies) : feed_(feed), bodies_(bodies) {
  std::lock_guard lock(feed_.mutex_);
  feed_.followers_.push_back(this);
}

CommitFeed::Follower::~Follower() {
  std::lock_guard lock(feed_.mutex_);
  std::erase(feed_.followers_, this);
}

void CommitFeed::prune(std::vector<CommitPtr>& dropped) {
  std::uint64_t wanted = followers_.empty() ? 0 : UINT64_MAX;
  for (const Follower* follower : followers_) wanted = std::min(wanted, follower->wants_);
  const auto too_much = [&] {
    return tail_.size() > commits_max_ || (tail_.size() > 1 && tail_bytes_ > tail_bytes_max);
  };
  while (!tail_.empty() && (too_much() || tail_.front().commit->number < wanted)) {
    tail_bytes_ -= tail_.front().bytes;
    dropped.push_back(std::move(tail_.front().commit));
    tail_.pop_front();
  }
}

void CommitFeed::append(CommitPtr commit) {
  std::vector<CommitPtr> dropped;
  std::size_t bytes = commit->events.size() * sizeof(Event);
  for (const Record& record : commit->records) bytes += sizeof(Record) + record.body.size();
  {
    std::lock_guard lock(mutex_);
    CHECK(commit->number == last_.load() + 1);
    last_.store(commit->number, std::memory_order_release);
    tail_.push_back({std::move(commit), bytes});
    tail_bytes_ += bytes;
    prune(dropped);
  }
  appended_.notify_all();
}

void CommitFeed::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  appended_.notify_all();
}

CommitPtr CommitFeed::wait_for(Follower& follower, std::uint64_t number, std::chrono::milliseconds timeout) {
  std::vector<CommitPtr> dropped;
  std::unique_lock lock(mutex_);
  follower.wants_ = number;
  prune(dropped);
  if (!dropped.empty()) {
    lock.unlock();
    dropped.clear();
    lock.lock();
  }
  appended_.wait_for(lock, timeout, [&] { return closed_ || last_.load() >= number; });
  if (tail_.empty() || number < tail_.front().commit->number || number > last_.load()) return nullptr;
  return tail_[number - tail_.front().commit->number].commit;
}

Result<CommitPtr> CommitFeed::Follower::next(std::uint64_t number, std::chrono::milliseconds timeout) {
  if (CommitPtr commit = feed_.wait_for(*this, number, timeout)) {
    from_memory_ = true;
    reader_.reset();  // a snapshot held for long would keep old blocks alive
    return commit;
  }
  if (number > feed_.last_commit()) return CommitPtr();
  from_memory_ = false;
  if (!reader_) {
    TRY_ASSIGN(reader_, feed_.open_reader_());
  } else if (reader_->last_commit() < number) {
    TRY(reader_->refresh());
  }
  return reader_->commit(number, bodies_);
}

}  // namespace tidewaiter::app
