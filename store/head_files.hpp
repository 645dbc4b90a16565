// Head files: the newest published heads beside the database (DIR/checkpoint/LOG, one note each) and in one file
// outside it (JSON, all logs). Written so that after a crash either the old or the new content is there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "store/log.hpp"

namespace tidewaiter::store {

/// Write to a neighbour, fsync, rename, fsync of the directory. Error: disk.
Result<void> replace_file(const std::string& file, std::string_view content);

struct NamedHead {
  std::string log;   // name
  std::string note;
};

std::string checkpoint_file(const std::string& directory, const std::string& log);
/// The file outside: {"format":1,"store":...,"generation":...,"heads":[{"log":...,"note":...}]}
std::string encode_head_file(const std::string& store_id, std::uint32_t generation,
                             const std::vector<NamedHead>& heads);

/// Every note in DIR/checkpoint and in `head_file` (may be empty or missing), with where it was found.
struct FoundNote {
  std::string place, note;
};
Result<std::vector<FoundNote>> find_notes(const std::string& directory, const std::string& head_file);

}  // namespace tidewaiter::store
