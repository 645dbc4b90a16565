// CHECK: a broken invariant of ours stops the process, in release builds too.
#pragma once

namespace tidewaiter {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}

#define CHECK(condition)                                                     \
  do {                                                                       \
    if (!(condition)) [[unlikely]]                                           \
      ::tidewaiter::check_failed(#condition, __FILE__, __LINE__);            \
  } while (false)
