// Merkle trees as RFC 6962 / RFC 9162 define them: leaf hash SHA-256(0x00 || leaf), node SHA-256(0x01 || left || right).
// Pure: what is stored comes in through a Fetch function. Height 0 is the leaves; node (h, i) covers leaves
// [i * 2^h, (i + 1) * 2^h). append() costs one node hash on average.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/sha256.hpp"

namespace tidewaiter::store {

/// Heights whose completed hashes are stored: 8, 16, 24 ... (a C2SP tile has 8 levels).
inline constexpr unsigned tile_height = 8;

Hash leaf_hash(Sha256& sha, std::string_view leaf);
Hash node_hash(Sha256& sha, const Hash& left, const Hash& right);
/// Root of the tree of no leaves: SHA-256 of nothing.
Hash empty_root();

/// The complete subtrees of a tree of `size` leaves: peaks[h] holds where bit h of size is set.
struct Frontier {
  std::uint64_t size = 0;
  std::array<Hash, 64> peaks{};

  /// `completed(height, index, hash)` is called for each node of a stored height that this leaf completes.
  template <class Completed>
  void append(Sha256& sha, const Hash& leaf, Completed&& completed) {
    Hash hash = leaf;
    unsigned height = 0;
    while (size >> height & 1) {
      hash = node_hash(sha, peaks[height], hash);
      ++height;
      if (height % tile_height == 0) completed(height, size >> height, hash);
    }
    peaks[height] = hash;
    ++size;
  }
  /// The same as append() for each of `leaves`, level by level, so that hashes can be made side by side.
  /// `leaves` is used up. `completed` is called in order of height, then index.
  using Completed = std::function<void(unsigned height, std::uint64_t index, const Hash& hash)>;
  void append_all(std::vector<Hash>& leaves, const Completed& completed);
  Hash root(Sha256& sha) const;
};

/// Hash of a complete node. The caller of a proof function gives only nodes inside the tree asked about.
using FetchNode = std::function<Result<Hash>(unsigned height, std::uint64_t index)>;

Result<Hash> root_at(std::uint64_t size, const FetchNode& fetch);
/// From the leaf's sibling upwards. Error: invalid_argument when index >= size.
Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size, const FetchNode& fetch);
/// Error: invalid_argument when old_size > size. Empty when old_size is 0 or size.
Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const FetchNode& fetch);

bool verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, const std::vector<Hash>& proof,
                      const Hash& root);
bool verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size, const Hash& root,
                        const std::vector<Hash>& proof);

}  // namespace tidewaiter::store
