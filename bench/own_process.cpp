#include "bench/own_process.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <type_traits>
#include <utility>

namespace tidewaiter::bench {
namespace {

static_assert(std::is_trivially_copyable_v<ServiceFigures>, "they go from process to process as they are");

/// The other end closes without a word when the parent goes: then there is nothing to do.
[[noreturn]] void live(int channel, const OwnProcess::Task& task) {
  char go = 0;
  if (::read(channel, &go, 1) != 1) ::_exit(0);
  const auto figures = task();
  if (!figures) {
    std::cerr << "pipeline_bench: " << figures.error().message << "\n";
    ::_exit(1);
  }
  ::_exit(::write(channel, &*figures, sizeof *figures) == static_cast<ssize_t>(sizeof *figures) ? 0 : 1);
}

Error system_error(const char* what) {
  return fail(Code::internal, std::string("cannot ") + what + ": " + std::strerror(errno));
}

}  // namespace

Result<OwnProcess> OwnProcess::prepare(const Task& task) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return system_error("make a socket pair");
  const pid_t child = ::fork();
  if (child < 0) return system_error("fork");
  if (child == 0) {
    ::close(ends[0]);
    live(ends[1], task);
  }
  ::close(ends[1]);
  return OwnProcess(ends[0], child);
}

OwnProcess::OwnProcess(OwnProcess&& other) noexcept
    : channel_(std::exchange(other.channel_, -1)), child_(std::exchange(other.child_, -1)) {}

OwnProcess::~OwnProcess() {
  if (child_ < 0) return;
  ::close(channel_);
  ::kill(child_, SIGKILL);  // one that was never asked to run: later ones hold its channel open
  ::waitpid(child_, nullptr, 0);
}

Result<ServiceFigures> OwnProcess::run() {
  ServiceFigures figures;
  const bool begun = ::send(channel_, "g", 1, MSG_NOSIGNAL) == 1;
  const ssize_t got = begun ? ::recv(channel_, &figures, sizeof figures, MSG_WAITALL) : -1;
  if (got != static_cast<ssize_t>(sizeof figures)) return fail(Code::internal, "the measured service ended early");
  return figures;
}

}  // namespace tidewaiter::bench
