// Merkle nodes of a log as stored: completed hashes at heights 8, 16, 24 ..., everything below recomputed from bodies
// and salts, everything between from its children. One per question: it remembers the nodes it was asked for and the
// leaves of their tiles.
// Cost: a leaf costs decoding its blocks and hashing the 256 leaves of its tile.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store/block_store.hpp"
#include "store/db.hpp"
#include "store/leaf.hpp"
#include "store/merkle.hpp"

namespace tidewaiter::store {

class TreeReader {
 public:
  /// `size` is the number of leaves that may be asked for.
  TreeReader(const Db& db, const BlockStore& blocks, std::string store_id, std::uint16_t log, std::uint64_t size)
      : db_(db), blocks_(blocks), store_id_(std::move(store_id)), log_(log), size_(size) {}

  Result<Hash> node(unsigned height, std::uint64_t index);
  FetchNode fetch() {
    return [this](unsigned height, std::uint64_t index) { return node(height, index); };
  }
  Result<SaltKey> salt_key(std::uint64_t unit) const;
  Result<std::string> salt(std::uint64_t seq) const;
  Result<std::string> leaf(std::uint64_t seq) const;

 private:
  static constexpr std::size_t tile_leaves = std::size_t{1} << tile_height;
  struct Tile {
    std::array<Hash, tile_leaves> leaves;
    std::bitset<tile_leaves> there;
  };

  /// Appends [first, first + count) of a level to `run_`: leaves of one tile, or stored nodes.
  Result<void> append_leaves(std::uint64_t first, std::uint64_t count);
  Result<void> append_stored(unsigned height, std::uint64_t first, std::uint64_t count);
  Result<Tile> read_tile(std::uint64_t tile);

  const Db& db_;
  const BlockStore& blocks_;
  const std::string store_id_;
  const std::uint16_t log_;
  const std::uint64_t size_;
  Sha256 sha_;
  std::map<std::pair<unsigned, std::uint64_t>, Hash> known_;
  std::map<std::uint64_t, Tile> tiles_;
  std::vector<Hash> run_;
};

}  // namespace tidewaiter::store
