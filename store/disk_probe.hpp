// Whether the disk under a store takes bytes again: asked before a store that failed is opened anew, so that a full disk
// is not filled further with the files of vain attempts. Any thread; costs one small file, written and synced.
#pragma once

#include <cstddef>
#include <string>

#include "core/result.hpp"

namespace tidewaiter::store {

/// Writes, syncs and removes a file of so many bytes in `directory`. Error: disk, with the system's own words.
Result<void> probe_disk(const std::string& directory, std::size_t bytes);

}  // namespace tidewaiter::store
