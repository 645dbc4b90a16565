#include "store/disk_probe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace tidewaiter::store {
namespace {

bool write_all(int fd, std::size_t bytes) {
  const std::vector<char> piece(std::min<std::size_t>(bytes, 256 << 10), '\x5a');
  while (bytes > 0) {
    const ssize_t n = ::write(fd, piece.data(), std::min(bytes, piece.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

Result<void> probe_disk(const std::string& directory, std::size_t bytes) {
  const std::string file = directory + "/disk-probe.tmp";
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::disk, file + ": " + std::strerror(errno));
  int problem = 0;
  if (!write_all(fd, bytes) || ::fsync(fd) != 0) problem = errno;
  if (::close(fd) != 0 && problem == 0) problem = errno;
  (void)::unlink(file.c_str());
  if (problem != 0) return fail(Code::disk, "the disk of " + directory + " takes nothing: " + std::strerror(problem));
  return {};
}

}  // namespace tidewaiter::store
