// Counts calls of the allocator by standing in front of glibc's: a program's own malloc wins over the library's for
// every shared library too, operator new included.
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "bench/meter.hpp"

namespace {

// One line per few threads would be finer; relaxed adds per allocation do not show where allocations are rare.
std::uint64_t calls = 0;
void count() { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); }

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t items, std::size_t size) {
  count();
  return __libc_calloc(items, size);
}
void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  count();
  void* memory = __libc_memalign(alignment, size);
  if (memory == nullptr) return ENOMEM;
  *out = memory;
  return 0;
}

}  // extern "C"

namespace tidewaiter::bench {

std::uint64_t allocations() { return __atomic_load_n(&calls, __ATOMIC_RELAXED); }

bool counts_allocations() {
  const std::uint64_t before = allocations();
  int* volatile probe = new int(1);
  delete probe;
  return allocations() != before;
}

}  // namespace tidewaiter::bench
