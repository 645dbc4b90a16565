// BlockPacker: the blocks of one commit, encoded by the threads that help with it. Its owner plans them; then each
// helper takes the next block that nobody has taken, until none is left. Keeps its memory from commit to commit.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "store/block.hpp"
#include "store/bytes.hpp"

namespace tidewaiter::store {

class BlockPacker {
 public:
  static constexpr std::size_t helper_count = 2;

  explicit BlockPacker(int zstd_level);
  /// Owner only, as all but help(). Forgets the commit before. `made`, and what is planned of it, must stay until all who
  /// helped have returned.
  void begin(const Commit& made);
  /// The next block: `records`, at least one, are places in the commit, of one log and one erasure unit, with seqs that
  /// follow each other.
  void plan(std::uint64_t unit, std::span<const std::uint32_t> records);
  /// Any thread, each with a number of its own below `helper_count`. Returns when no block is left to take.
  void help(std::size_t number);
  /// After all who helped have returned: in the order of planning. take(const BlockHeader&, raw, cols), views both.
  template <class Take>
  void each(Take take) const {
    for (const Planned& block : planned_) {
      const std::string_view bytes = helpers_[block.helper].bytes.view().substr(block.at);
      take(block.header, bytes.substr(0, block.raw_size), bytes.substr(block.raw_size, block.cols_size));
    }
  }

 private:
  struct Planned {
    std::uint64_t unit;
    std::span<const std::uint32_t> records;
    BlockHeader header{};
    std::size_t helper = 0, at = 0, raw_size = 0, cols_size = 0;  // where its bytes lie, raw before cols
  };
  struct Helper {
    BlockEncoder encoder;
    Bytes bytes{};
  };

  const Commit* made_ = nullptr;
  std::vector<Planned> planned_;
  std::atomic<std::size_t> taken_{0};
  std::array<Helper, helper_count> helpers_;
};

}  // namespace tidewaiter::store
