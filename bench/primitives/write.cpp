#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

namespace tidewaiter::bench::primitives {

bool write_and_sync(const char* path, const char* bytes, std::size_t size, std::size_t writes) {
  const int file = ::open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const std::size_t part = std::max<std::size_t>(size / std::max<std::size_t>(writes, 1), 1);
  bool good = true;
  for (std::size_t at = 0; good && at < size;) {
    const std::size_t end = std::min(at + part, size);
    while (good && at < end) {
      const ssize_t made = ::write(file, bytes + at, end - at);
      good = made > 0;
      if (good) at += static_cast<std::size_t>(made);
    }
    good = good && ::fdatasync(file) == 0;
  }
  ::close(file);
  ::unlink(path);
  return good;
}

}  // namespace tidewaiter::bench::primitives
