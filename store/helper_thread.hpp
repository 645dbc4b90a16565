// HelperThread: one thread beside its owner for one task at a time. The owner starts a task, does something else, and
// waits for it. Nothing is allocated per task when the callable is small (two pointers).
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/check.hpp"
#include "core/thread_name.hpp"

namespace tidewaiter::store {

class HelperThread {
 public:
  /// `name` as in core/thread_name.hpp. The thread begins with the first task.
  explicit HelperThread(std::string name) : name_(std::move(name)) {}
  ~HelperThread() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
  }
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;

  /// Owner only, and not while a task runs. The task must not throw, and what it uses must stay until wait().
  void start(std::function<void()> task) {
    if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
    {
      std::lock_guard lock(mutex_);
      CHECK(!task_);
      task_ = std::move(task);
    }
    changed_.notify_all();
  }
  /// Returns when no task runs; what it wrote is then visible to the caller.
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !task_; });
  }

 private:
  void run() {
    name_thread(name_);
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_ || task_; });
      if (!task_) return;
      lock.unlock();
      task_();
      lock.lock();
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  const std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;
  bool stop_ = false;
  std::jthread thread_;  // last: joined before the rest is gone
};

}  // namespace tidewaiter::store
