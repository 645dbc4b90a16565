#include "core/memory.hpp"

#if defined(__GLIBC__) || __has_include(<malloc.h>)
#include <malloc.h>
#endif

namespace tidewaiter {

void keep_freed_memory() {
#if defined(M_MMAP_THRESHOLD)
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes: batches live in heaps, not in mappings
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

}  // namespace tidewaiter
