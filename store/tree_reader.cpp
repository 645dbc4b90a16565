#include "store/tree_reader.hpp"

#include <algorithm>

#include "store/keys.hpp"
#include "store/state.hpp"

namespace tidewaiter::store {

Result<Hash> TreeReader::node(unsigned height, std::uint64_t index) {
  if (const auto known = known_.find({height, index}); known != known_.end()) return known->second;
  Hash hash;
  if (height == 0) {
    TRY(read_leaves(index >> tile_height));
    const auto leaf = known_.find({0, index});
    if (leaf == known_.end())
      return fail(Code::corruption, "log " + std::to_string(log_) + ": leaf " + std::to_string(index) + " is missing");
    return leaf->second;
  }
  if (height % tile_height == 0) {
    TRY_ASSIGN(const auto bytes, db_.get(Cf::tree, tree_key(log_, static_cast<std::uint8_t>(height), index)));
    const std::string place = "tree, log " + std::to_string(log_) + ", height " + std::to_string(height) +
                              ", index " + std::to_string(index);
    if (!bytes) return fail(Code::corruption, place + ": the node is missing");
    auto stored = decode_hash(*bytes);
    if (!stored) return fail(Code::corruption, place + ": the node cannot be decoded");
    hash = *stored;
  } else {
    TRY_ASSIGN(const Hash left, node(height - 1, index * 2));
    TRY_ASSIGN(const Hash right, node(height - 1, index * 2 + 1));
    hash = node_hash(sha_, left, right);
  }
  known_[{height, index}] = hash;
  return hash;
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

Result<void> TreeReader::read_leaves(std::uint64_t tile) {
  const std::uint64_t from = tile << tile_height, to = std::min(size_, (tile + 1) << tile_height);
  std::string salts;
  const auto hash_block = [&](const BlockHeader& header, const BlockStore::Range& range,
                              const BlockStore::Decode& decode) -> Result<bool> {
    TRY_ASSIGN(const BlockPtr block, decode());
    TRY_ASSIGN(const SaltKey key, salt_key(header.unit));
    salts.resize((range.to - range.from) * salt_size);
    make_salts(key, log_, range.from, range.to - range.from, salts.data());
    for (std::uint64_t seq = range.from; seq < range.to; ++seq)
      known_[{0, seq}] =
          record_leaf_hash(sha_, block->records[seq - block->header.first_seq], store_id_,
                           std::string_view(salts).substr((seq - range.from) * salt_size, salt_size));
    return true;
  };
  return blocks_.each(log_, from, to, true, hash_block);
}

}  // namespace tidewaiter::store
