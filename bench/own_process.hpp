// OwnProcess: runs a measurement in a process that has done nothing else before, as the service runs: heap and caches of
// what was measured earlier change its speed by some percent and its memory by a fifth.
#pragma once

#include <functional>

#include "bench/measure.hpp"

namespace tidewaiter::bench {

class OwnProcess {
 public:
  using Task = std::function<Result<ServiceFigures>()>;

  /// Forks, so before the first thread of this process. `task` waits in the child until run(). Error: internal.
  static Result<OwnProcess> prepare(const Task& task);
  OwnProcess(OwnProcess&& other) noexcept;
  ~OwnProcess();

  /// Once. What the task returned; why it failed is then on stderr. Error: internal.
  Result<ServiceFigures> run();

 private:
  OwnProcess(int channel, int child) : channel_(channel), child_(child) {}
  int channel_, child_;  // -1 = moved away
};

}  // namespace tidewaiter::bench
