// Keeps freed memory in the process: batches of some MiB come and go hundreds of times a second, and giving their pages
// back to the system and having them zeroed anew costs about 170 ns per event.
#pragma once

namespace tidewaiter {

/// Once, at the start of main. The process keeps at most about 64 MiB that it does not use; no effect without glibc.
void keep_freed_memory();

}  // namespace tidewaiter
