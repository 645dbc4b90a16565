#include "store/tree_reader.hpp"

#include <algorithm>

#include "store/keys.hpp"
#include "store/state.hpp"

namespace tidewaiter::store {

Result<Hash> TreeReader::node(unsigned height, std::uint64_t index) {
  if (const auto known = known_.find({height, index}); known != known_.end()) return known->second;
  const unsigned above = height % tile_height, stored = height - above;
  std::uint64_t count = std::uint64_t{1} << above;
  run_.clear();
  TRY(stored == 0 ? append_leaves(index << above, count) : append_stored(stored, index << above, count));
  for (; count > 1; count /= 2)
    for (std::size_t i = 0; i < count / 2; ++i) run_[i] = node_hash(sha_, run_[2 * i], run_[2 * i + 1]);
  known_[{height, index}] = run_[0];
  return run_[0];
}

Result<void> TreeReader::append_leaves(std::uint64_t first, std::uint64_t count) {
  const std::uint64_t number = first >> tile_height;
  auto tile = tiles_.find(number);
  if (tile == tiles_.end()) {
    TRY_ASSIGN(const Tile read, read_tile(number));
    tile = tiles_.emplace(number, read).first;
  }
  for (std::uint64_t leaf = first; leaf < first + count; ++leaf) {
    const std::size_t at = leaf % tile_leaves;
    if (!tile->second.there[at])
      return fail(Code::corruption, "log " + std::to_string(log_) + ": leaf " + std::to_string(leaf) + " is missing");
    run_.push_back(tile->second.leaves[at]);
  }
  return {};
}

Result<void> TreeReader::append_stored(unsigned height, std::uint64_t first, std::uint64_t count) {
  const auto it = db_.iterate(Cf::tree);
  it->seek(tree_key(log_, static_cast<std::uint8_t>(height), first));
  for (std::uint64_t index = first; index < first + count; ++index, it->next()) {
    TRY(it->status());
    const auto wrong = [&](const char* what) {
      return fail(Code::corruption, "tree, log " + std::to_string(log_) + ", height " + std::to_string(height) +
                                        ", index " + std::to_string(index) + what);
    };
    const Key key = tree_key(log_, static_cast<std::uint8_t>(height), index);
    if (!it->valid() || it->key() != std::string_view(key)) return wrong(": the node is missing");
    const auto hash = decode_hash(it->value());
    if (!hash) return wrong(": the node cannot be decoded");
    run_.push_back(*hash);
  }
  return {};
}

Result<SaltKey> TreeReader::salt_key(std::uint64_t unit) const {
  TRY_ASSIGN(const auto stored, db_.get(Cf::keys, salt_key_key(log_, unit)));
  const std::string place = "keys, log " + std::to_string(log_) + ", unit " + std::to_string(unit);
  if (!stored) return fail(Code::corruption, place + ": the salt key is missing");
  TRY_ASSIGN(const std::string_view bytes, decode_bytes(*stored));
  SaltKey key;
  if (bytes.size() != key.size()) return fail(Code::corruption, place + ": the salt key has a wrong length");
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

Result<std::string> TreeReader::salt(std::uint64_t seq) const {
  TRY_ASSIGN(const BlockPtr block, blocks_.find(log_, seq, false));
  TRY_ASSIGN(const SaltKey key, salt_key(block->header.unit));
  std::string out(salt_size, '\0');
  make_salts(key, log_, seq, 1, out.data());
  return out;
}

Result<std::string> TreeReader::leaf(std::uint64_t seq) const {
  TRY_ASSIGN(const BlockPtr block, blocks_.find(log_, seq, true));
  TRY_ASSIGN(const std::string bytes, salt(seq));
  return leaf_bytes(block->records[seq - block->header.first_seq], store_id_, bytes);
}

Result<TreeReader::Tile> TreeReader::read_tile(std::uint64_t number) {
  const std::uint64_t from = number << tile_height, to = std::min(size_, (number + 1) << tile_height);
  Tile tile;
  std::string salts;
  const auto hash_block = [&](const BlockHeader& header, const BlockStore::Range& range,
                              const BlockStore::Decode& decode) -> Result<bool> {
    TRY_ASSIGN(const BlockPtr block, decode());
    TRY_ASSIGN(const SaltKey key, salt_key(header.unit));
    salts.resize((range.to - range.from) * salt_size);
    make_salts(key, log_, range.from, range.to - range.from, salts.data());
    for (std::uint64_t seq = range.from; seq < range.to; ++seq) {
      tile.leaves[seq % tile_leaves] =
          record_leaf_hash(sha_, block->records[seq - block->header.first_seq], store_id_,
                           std::string_view(salts).substr((seq - range.from) * salt_size, salt_size));
      tile.there.set(seq % tile_leaves);
    }
    return true;
  };
  TRY(blocks_.each(log_, from, to, true, hash_block));
  return tile;
}

}  // namespace tidewaiter::store
