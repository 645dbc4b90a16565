#include "store/block_store.hpp"

#include <algorithm>

#include "store/keys.hpp"

namespace tidewaiter::store {
namespace {

Error at_place(Error error, std::uint16_t log, std::uint64_t seq, Cf cf) {
  error.message = "log " + std::to_string(log) + ", seq " + std::to_string(seq) + ", " + cf_name(cf) + ": " +
                  error.message;
  return error;
}

bool is_cols_key_of(std::string_view key, std::uint16_t log) {
  return key.size() == cols_key_size && get_be<std::uint16_t>(key.data()) == log;
}

std::uint64_t first_seq_of(std::string_view cols_key) { return get_be<std::uint64_t>(cols_key.data() + 2); }
std::uint8_t version_of(std::string_view cols_key) { return static_cast<std::uint8_t>(cols_key.back()); }

Result<BlockHeader> header_at(const Iterator& it, std::uint16_t log) {
  const std::uint64_t first_seq = first_seq_of(it.key());
  auto header = read_block_header(it.value());
  if (header && (header->log != log || header->first_seq != first_seq))
    return at_place(fail(Code::corruption, "the block names another place"), log, first_seq, Cf::cols);
  if (!header) return at_place(std::move(header).error(), log, first_seq, Cf::cols);
  return header;
}

}  // namespace

/// One walk over the blocks of a range with iterators that were opened together.
struct BlockStore::Pass {
  std::uint16_t log;
  std::uint64_t from, to;
  bool bodies;
  std::uint8_t version;
  std::unique_ptr<Iterator> cols, raw;
  bool torn = false;  // the iterators stand on both sides of a packing
};

/// Of the block whose columns pass.cols stands at.
Result<BlockPtr> BlockStore::decode(Pass& pass, const BlockHeader& header) const {
  const CacheKey key{header.log, header.first_seq, header.records, version_of(pass.cols->key())};
  if (BlockPtr known = cached(key, pass.bodies)) return known;
  auto block = read_block(pass.cols->value());
  if (!block) return at_place(std::move(block).error(), header.log, header.first_seq, Cf::cols);
  if (pass.bodies) {
    const Key place = raw_key(header.log, header.first_seq);
    pass.raw->seek(place);
    TRY(pass.raw->status());
    if (!pass.raw->valid() || pass.raw->key() != std::string_view(place)) {
      pass.torn = true;
      return at_place(fail(Code::corruption, "the bodies are missing"), header.log, header.first_seq, Cf::raw);
    }
    if (auto attached = attach_bodies(*block, pass.raw->value()); !attached) {
      pass.torn = true;
      return at_place(std::move(attached).error(), header.log, header.first_seq, Cf::raw);
    }
  }
  auto made = std::make_shared<const Block>(std::move(block).value());
  keep(key, made);
  return BlockPtr(std::move(made));
}

Result<BlockPtr> BlockStore::find(std::uint16_t log, std::uint64_t seq, bool bodies, std::uint8_t version) const {
  BlockPtr found;
  TRY(each(log, seq, seq + 1, bodies, [&](const BlockHeader&, const Range&, const Decode& decode) -> Result<bool> {
    TRY_ASSIGN(found, decode());
    return false;
  }, version));
  if (!found) return at_place(fail(Code::corruption, "no block holds this record"), log, seq, Cf::cols);
  return found;
}

/// False when `take` has stopped it or the range is through; pass.from moves along.
Result<bool> BlockStore::pass(Pass& pass, const Take& take) const {
  Iterator& it = *pass.cols;
  const Key first = cols_key(pass.log, pass.from, 0);
  it.seek(first);  // a commit begins with a block, and looking back reads one of each young file
  if (!it.valid() || it.key() != std::string_view(first)) it.seek_for_prev(first);
  if (!it.valid() || !is_cols_key_of(it.key(), pass.log)) it.seek(first);
  if (it.valid() && is_cols_key_of(it.key(), pass.log) && version_of(it.key()) != 0)
    it.seek(cols_key(pass.log, first_seq_of(it.key()), 0));
  for (; it.valid() && is_cols_key_of(it.key(), pass.log); it.next()) {
    if (version_of(it.key()) != 0) continue;  // of the block that was visited
    // All columns of a block lie beside each other, so this never leaves it.
    if (pass.version != 0) it.seek_for_prev(cols_key(pass.log, first_seq_of(it.key()), pass.version));
    TRY_ASSIGN(const BlockHeader header, header_at(it, pass.log));
    const std::uint64_t end = header.first_seq + header.records;
    if (header.first_seq >= pass.to) break;
    if (end <= pass.from) continue;
    const Range range{std::max(pass.from, header.first_seq), std::min(pass.to, end)};
    TRY_ASSIGN(const bool more, take(header, range, [&] { return decode(pass, header); }));
    if (!more || end >= pass.to) return false;  // the next block is not read in vain
    pass.from = end;
  }
  TRY(it.status());
  return false;
}

Result<void> BlockStore::each(std::uint16_t log, std::uint64_t from, std::uint64_t to, bool bodies,
                              const Take& take, std::uint8_t version) const {
  if (from >= to) return {};
  constexpr int attempts = 4;  // packing moves on slowly: the second one succeeds
  Pass now{log, from, to, bodies, version, nullptr, nullptr};
  for (int attempt = 1;; ++attempt) {
    now.cols = db_->iterate(Cf::cols);
    now.raw = bodies ? db_->iterate(Cf::raw) : nullptr;
    now.torn = false;
    auto done = pass(now, take);
    if (done) return {};
    if (!now.torn || attempt == attempts) return std::move(done).error();
  }
}

BlockPtr BlockStore::cached(const CacheKey& key, bool bodies) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  if (bodies && !found->second->block->body_bytes) return nullptr;
  newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
  return found->second->block;
}

void BlockStore::keep(const CacheKey& key, BlockPtr block) const {
  const std::size_t bytes = block->memory_bytes();
  const std::lock_guard lock(mutex_);
  if (const auto old = by_key_.find(key); old != by_key_.end()) {
    used_bytes_ -= old->second->bytes;
    newest_first_.erase(old->second);
    by_key_.erase(old);
  }
  newest_first_.push_front({key, std::move(block), bytes});
  by_key_[key] = newest_first_.begin();
  used_bytes_ += bytes;
  while (used_bytes_ > cache_bytes_ && newest_first_.size() > 1) {
    used_bytes_ -= newest_first_.back().bytes;
    by_key_.erase(newest_first_.back().key);
    newest_first_.pop_back();
  }
}

}  // namespace tidewaiter::store
