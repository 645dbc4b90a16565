// The name of a thread, as `top -H`, `perf` and a debugger show it.
#pragma once

#include <pthread.h>

#include <string>
#include <string_view>

namespace tidewaiter {

/// Names the calling thread; Linux keeps the first 15 bytes.
inline void name_thread(std::string_view name) {
  ::pthread_setname_np(::pthread_self(), std::string(name.substr(0, 15)).c_str());
}

}  // namespace tidewaiter
