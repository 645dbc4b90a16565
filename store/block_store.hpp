// Finds and decodes blocks, with a bounded cache of decoded ones. Thread-safe. Errors name the log, the seq and the
// column family.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "store/block.hpp"
#include "store/db.hpp"

namespace tidewaiter::store {

using BlockPtr = std::shared_ptr<const Block>;

class BlockStore {
 public:
  BlockStore(std::shared_ptr<Db> db, std::uint64_t cache_bytes) : db_(std::move(db)), cache_bytes_(cache_bytes) {}

  /// The block that holds `seq`. Error: corruption when there is none.
  Result<BlockPtr> find(std::uint16_t log, std::uint64_t seq, bool bodies, std::uint8_t version = 0) const;

  /// Visits the blocks that overlap [from, to) in order. `take` gets the header, the part of [from, to) that it is to
  /// use of this block, and a function that decodes it, whose error it returns; it returns false to stop.
  /// Packing beside it changes where blocks begin and end, never what is visited. Of each block the newest columns up to
  /// `version` are taken (column_versions.hpp).
  struct Range {
    std::uint64_t from, to;
  };
  using Decode = std::function<Result<BlockPtr>()>;
  using Take = std::function<Result<bool>(const BlockHeader&, const Range&, const Decode&)>;
  Result<void> each(std::uint16_t log, std::uint64_t from, std::uint64_t to, bool bodies, const Take& take,
                    std::uint8_t version = 0) const;

 private:
  using CacheKey = std::tuple<std::uint16_t, std::uint64_t, std::uint32_t, std::uint8_t>;  // log, first seq, records, version
  struct Cached {
    CacheKey key;
    BlockPtr block;
    std::size_t bytes;
  };
  struct Pass;
  Result<bool> pass(Pass& pass, const Take& take) const;
  Result<BlockPtr> decode(Pass& pass, const BlockHeader& header) const;
  BlockPtr cached(const CacheKey& key, bool bodies) const;
  void keep(const CacheKey& key, BlockPtr block) const;

  std::shared_ptr<Db> db_;
  const std::uint64_t cache_bytes_;
  mutable std::mutex mutex_;
  mutable std::list<Cached> newest_first_;
  mutable std::map<CacheKey, std::list<Cached>::iterator> by_key_;
  mutable std::uint64_t used_bytes_ = 0;
};

}  // namespace tidewaiter::store
