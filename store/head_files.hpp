// Head files: the newest published heads beside the database (DIR/checkpoint/LOG, one note each) and in one file
// outside it (JSON, all logs). Written so that after a crash either the old or the new content is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

/// `file` is there with just this content.
bool holds_content(const std::string& file, std::string_view content);

std::string checkpoint_file(const std::string& directory, const std::string& log);
/// The file outside: {"format":1,"store":...,"generation":...,"heads":[{"log":...,"note":...}]}
std::string encode_head_file(const std::string& store_id, std::uint32_t generation,
                             const std::vector<NamedHead>& heads);

/// Every note in DIR/checkpoint and in `head_file` (may be empty or missing), with where it was found.
struct FoundNote {
  std::string place, note;
};
Result<std::vector<FoundNote>> find_notes(const std::string& directory, const std::string& head_file);

/// The last three parts of an origin: what precedes them is the user's to change.
struct OriginParts {
  std::string store_id, log;
  std::uint32_t generation = 0;
};
std::optional<OriginParts> split_origin(const std::string& origin);

/// Whether heads may be shown to others: only what is in the files, or is older, may (semantics 21). Owned by one thread.
class PublishedHeads {
 public:
  PublishedHeads(std::string directory, std::string head_file)
      : directory_(std::move(directory)), head_file_(std::move(head_file)) {}
  /// Of a head of `control`. Looks at the files when it is newer than what was seen there before.
  bool holds(const std::string& note);

 private:
  /// Order of heads: by generation, then size.
  using Age = std::pair<std::uint32_t, std::uint64_t>;
  static std::optional<Age> age_of(const std::string& note);
  /// The newest that both places hold; {} when there is none.
  Age look() const;

  const std::string directory_, head_file_;
  Age newest_{};
};

}  // namespace tidewaiter::store
