// CommitPacker: leaves, column digests and blocks of one commit, made by the threads that help with it. Its owner plans
// parts and blocks; then each helper takes the next block that nobody has taken, hashes its records and, while it has
// their bytes at hand, encodes them. Keeps its memory from commit to commit.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/block.hpp"
#include "store/bytes.hpp"
#include "store/column_digest.hpp"
#include "store/sha256_lanes.hpp"

namespace tidewaiter::store {

class CommitPacker {
 public:
  static constexpr std::size_t helper_count = 2;

  explicit CommitPacker(int zstd_level);

  // Owner only, before anybody helps.
  /// Forgets the commit before. `made`, and what is planned of it, must stay until all who helped have returned.
  void begin(const Commit& made, std::string_view store_id);
  /// All records of one log, at least one: places in the commit, whose seqs follow each other. Returns where the salts of
  /// all of them must be put.
  char* begin_part(std::span<const std::uint32_t> records);
  /// The next block: the next `records`, at least one, of this part, of one erasure unit.
  void plan(std::uint64_t unit, std::size_t records);

  /// Any thread, each with a number of its own below `helper_count`. Returns when no block is left to take.
  void help(std::size_t number);

  // Owner only, after all who helped have returned. Parts are numbered in the order in which they began.
  std::vector<Hash>& leaves(std::size_t part);
  /// What ColumnDigest::commit_digest() is made of.
  std::span<const Hash> column_runs(std::size_t part) const;
  /// In the order of planning. take(const BlockHeader&, raw, cols), views both.
  template <class Take>
  void each(Take take) const {
    for (const Planned& block : planned_) {
      const std::string_view bytes = helpers_[block.helper].bytes.view().substr(block.at);
      take(block.header, bytes.substr(0, block.raw_size), bytes.substr(block.raw_size, block.cols_size));
    }
  }

 private:
  struct Part {
    std::span<const std::uint32_t> records;
    std::string salts{};
    std::vector<Hash> leaves{}, column_runs{};
    std::size_t planned = 0;  // records
  };
  struct Planned {
    std::uint64_t unit;
    std::size_t part, from, to;  // records of the part
    BlockHeader header{};
    std::size_t helper = 0, at = 0, raw_size = 0, cols_size = 0;  // where its bytes lie, raw before cols
  };
  struct Helper {
    BlockEncoder encoder;
    Bytes bytes{};
    ColumnDigest digest{};
    std::vector<HashJob> jobs{};
    std::vector<Hash> commitments{};
    std::string leaf_bytes{};
  };

  void hash(Helper& helper, Part& part, std::size_t from, std::size_t to) const;
  EncodedBlock encode(Helper& helper, const Planned& block) const;

  const Commit* made_ = nullptr;
  std::string_view store_id_;
  std::vector<Part> parts_;  // of which `parts_used_` are of this commit
  std::size_t parts_used_ = 0;
  std::vector<Planned> planned_;
  std::atomic<std::size_t> taken_{0};
  std::array<Helper, helper_count> helpers_;
};

}  // namespace tidewaiter::store
