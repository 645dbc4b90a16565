// Meter: CPU time of the process and of this thread, memory, and calls of the allocator.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidewaiter::bench {

/// All threads, user and system, ns.
std::int64_t process_cpu_ns();
std::int64_t thread_cpu_ns();
std::int64_t wall_ns();

/// Anonymous resident memory of this process: what is ours, without mapped files.
std::uint64_t anonymous_bytes();
/// All resident memory.
std::uint64_t resident_bytes();

/// Calls of malloc, calloc, realloc, memalign and operator new so far, all threads and libraries (meter_malloc.cpp).
std::uint64_t allocations();
/// False when the allocator could not be wrapped.
bool counts_allocations();

/// Middle value; the lower one of two. 0 when empty.
double median(std::vector<double> values);

/// "AMD EPYC ..., 2 cores, Linux 6.1".
std::string machine();

}  // namespace tidewaiter::bench
