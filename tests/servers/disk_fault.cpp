// A library to be preloaded: calls that write or sync files under one path fail, or take their time, as a control file
// says that can be changed at any moment. Control file (DISK_FAULT_FILE): 4096 bytes, text, padded with zeros:
//   under=/path write=28 sync=5 create=30 change=30 delay_us=20000
// The numbers are values of errno; a key that is not there leaves its calls alone. `create` is for opening a file to
// write, `change` for rename, unlink and mkdir, `delay_us` for each write and each sync.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::size_t control_size = 4096;

#define REAL(name)                                                                                  \
  ([] {                                                                                             \
    static const auto next = reinterpret_cast<decltype(&::name)>(::dlsym(RTLD_NEXT, #name));        \
    return next;                                                                                    \
  }())

const char* control() {
  static const char* const text = [] {
    static const char none[control_size] = {};
    const char* file = std::getenv("DISK_FAULT_FILE");
    const int fd = file != nullptr ? REAL(open)(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return none;
    void* place = ::mmap(nullptr, control_size, PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    return place == MAP_FAILED ? none : static_cast<const char*>(place);
  }();
  return text;
}

long setting(const char* key) {
  const char* found = std::strstr(control(), key);
  return found == nullptr ? 0 : std::strtol(found + std::strlen(key), nullptr, 10);
}

bool lies_under(const char* path) {
  const char* prefix = std::strstr(control(), "under=");
  if (prefix == nullptr || path == nullptr) return false;
  prefix += std::strlen("under=");
  const std::size_t size = std::strcspn(prefix, " ");
  return std::strncmp(path, prefix, size) == 0;
}

bool concerns(int fd) {
  if (*control() == '\0') return false;
  char link[64], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return lies_under(path);
}

bool concerns(const char* path) {
  if (*control() == '\0' || path == nullptr) return false;
  if (path[0] == '/') return lies_under(path);
  char whole[PATH_MAX];
  const char* place = ::getcwd(whole, sizeof whole);
  if (place == nullptr) return false;
  const std::size_t size = std::strlen(whole);
  std::snprintf(whole + size, sizeof whole - size, "/%s", path);
  return lies_under(whole);
}

/// True when the call is to fail: errno is set then.
template <class Where>
bool fails(Where where, const char* key, bool takes_time = false) {
  if (!concerns(where)) return false;
  if (const long us = takes_time ? setting(" delay_us=") : 0; us > 0) ::usleep(static_cast<useconds_t>(us));
  const long error = setting(key);
  if (error == 0) return false;
  errno = static_cast<int>(error);
  return true;
}

bool opens_to_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0; }

}  // namespace

extern "C" {

#define OPEN(name)                                                              \
  int name(const char* path, int flags, ...) {                                  \
    va_list rest;                                                               \
    va_start(rest, flags);                                                      \
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;      \
    va_end(rest);                                                               \
    if (opens_to_write(flags) && fails(path, " create=")) return -1;            \
    return REAL(name)(path, flags, mode);                                       \
  }
OPEN(open)
OPEN(open64)

FILE* fopen(const char* path, const char* mode) {
  if (mode[0] != 'r' && fails(path, " create=")) return nullptr;
  return REAL(fopen)(path, mode);
}
ssize_t write(int fd, const void* data, size_t size) {
  return fails(fd, " write=", true) ? -1 : REAL(write)(fd, data, size);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  return fails(fd, " write=", true) ? -1 : REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  return fails(fd, " write=", true) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec* parts, int count) {
  return fails(fd, " write=", true) ? -1 : REAL(writev)(fd, parts, count);
}
int fallocate(int fd, int mode, off_t from, off_t size) {
  return fails(fd, " write=") ? -1 : REAL(fallocate)(fd, mode, from, size);
}
int fallocate64(int fd, int mode, off64_t from, off64_t size) {
  return fails(fd, " write=") ? -1 : REAL(fallocate64)(fd, mode, from, size);
}
int ftruncate(int fd, off_t size) { return fails(fd, " write=") ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails(fd, " write=") ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return fails(fd, " sync=", true) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd, " sync=", true) ? -1 : REAL(fdatasync)(fd); }
int sync_file_range(int fd, off64_t from, off64_t size, unsigned flags) {
  return fails(fd, " sync=", true) ? -1 : REAL(sync_file_range)(fd, from, size, flags);
}
int rename(const char* from, const char* to) { return fails(to, " change=") ? -1 : REAL(rename)(from, to); }
int unlink(const char* path) { return fails(path, " change=") ? -1 : REAL(unlink)(path); }
int mkdir(const char* path, mode_t mode) { return fails(path, " change=") ? -1 : REAL(mkdir)(path, mode); }

}  // extern "C"
