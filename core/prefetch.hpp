// Prefetch: a line of memory is asked for before its turn comes, which changes nothing but time.
#pragma once

namespace tidewaiter {

inline void prefetch_line(const void* address) {
  __builtin_prefetch(address);
  // A function that only prefetches has no effect in the eyes of GCC 12, which drops the calls of it; this is one.
  asm volatile("");
}

/// It will be written: no other core may keep a copy of it.
inline void prefetch_line_to_write(void* address) {
  __builtin_prefetch(address, 1);
  asm volatile("");  // as above
}

}  // namespace tidewaiter
