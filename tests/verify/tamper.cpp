#include "tests/verify/tamper.hpp"

#include <filesystem>

#include "core/body.hpp"
#include "store/block.hpp"
#include "store/keys.hpp"
#include "store/leaf.hpp"
#include "store/merkle.hpp"
#include "store/state.hpp"

namespace tidewaiter::test {

using namespace store;

namespace {

std::shared_ptr<Db> open(const std::string& directory) {
  auto db = Db::open_primary({directory, false, nullptr});
  CHECK(db.has_value());
  return std::move(*db);
}

std::string value_of(const Db& db, Cf cf, std::string_view key) {
  const auto value = db.get(cf, key);
  CHECK(value.has_value() && value->has_value());
  return **value;
}

/// The block with the body of one record changed by one letter, encoded as the store would.
std::string rewritten(Block& block, std::uint64_t seq, std::string& body) {
  Record& record = block.records[seq - block.header.first_seq];
  body = record.body;
  body.back() = body.back() == 'x' ? 'y' : 'x';
  record.body = body;
  BlockEncoder encoder(1);
  encoder.begin(block.header.log, block.header.first_seq, block.header.unit);
  for (std::size_t i = 0; i < block.records.size(); ++i)
    encoder.add(block.records[i], block.events.data() + block.records[i].first_event, block.commits[i], block.ordinals[i]);
  return std::string(encoder.finish().raw);
}

}  // namespace

void rewrite_record(const std::string& directory, std::uint16_t log, std::uint64_t seq) {
  const auto db = open(directory);
  auto state = decode_state(value_of(*db, Cf::meta, state_key()));
  CHECK(state.has_value());
  WriteBatch batch(*db);
  Sha256 sha;
  Frontier tree;
  const auto completed = [&](unsigned height, std::uint64_t index, const Hash& hash) {
    batch.put(Cf::tree, tree_key(log, static_cast<std::uint8_t>(height), index), encode_hash(hash));
  };
  while (tree.size < state->logs[log].tree.size) {
    const std::uint64_t first = tree.size;
    auto block = read_block(value_of(*db, Cf::cols, cols_key(log, first)));
    const std::string raw = value_of(*db, Cf::raw, raw_key(log, first));
    CHECK(block.has_value() && attach_bodies(*block, raw).has_value());
    std::string body;
    if (seq >= first && seq < first + block->records.size()) batch.put(Cf::raw, raw_key(log, first), rewritten(*block, seq, body));
    const std::string stored = value_of(*db, Cf::keys, salt_key_key(log, block->header.unit));
    const auto bytes = decode_bytes(stored);
    CHECK(bytes.has_value());
    SaltKey key;
    std::copy(bytes->begin(), bytes->end(), key.begin());
    std::string salts(block->records.size() * salt_size, '\0');
    make_salts(key, log, first, block->records.size(), salts.data());
    for (std::size_t i = 0; i < block->records.size(); ++i)
      tree.append(sha, record_leaf_hash(sha, block->records[i], state->store_id, std::string_view(salts).substr(i * salt_size, salt_size)), completed);
  }
  state->logs[log].tree = tree;
  batch.put(Cf::meta, state_key(), encode_state(*state));
  CHECK(db->write(batch, true).has_value());
}

bool decode_alike(const std::string& directory, Cf cf, const std::string& key, const std::string& a, const std::string& b) {
  if (cf != Cf::raw && cf != Cf::cols) return false;
  const auto db = open(directory);
  const auto log = get_be<std::uint16_t>(key.data());
  const auto first = get_be<std::uint64_t>(key.data() + 2);
  const auto packed = [&](const std::string& value) {
    auto block = read_block(cf == Cf::cols ? value : value_of(*db, Cf::cols, cols_key(log, first)));
    const std::string raw = cf == Cf::raw ? value : value_of(*db, Cf::raw, raw_key(log, first));
    if (!block || !attach_bodies(*block, raw)) return std::string();
    BlockEncoder encoder(1);
    encoder.begin(block->header.log, block->header.first_seq, block->header.unit);
    for (std::size_t i = 0; i < block->records.size(); ++i)
      encoder.add(block->records[i], block->events.data() + block->records[i].first_event, block->commits[i], block->ordinals[i]);
    const EncodedBlock made = encoder.finish();
    return std::string(made.raw) + std::string(made.cols);
  };
  return !packed(a).empty() && packed(a) == packed(b);
}

void forget_heads(const std::string& directory) {
  const auto heads = all_pairs(directory, Cf::heads);
  const auto db = open(directory);
  WriteBatch batch(*db);
  for (const auto& [key, value] : heads) batch.remove(Cf::heads, key);
  CHECK(db->write(batch, true).has_value());
  std::filesystem::remove_all(std::filesystem::path(directory) / "checkpoint");
}

}  // namespace tidewaiter::test
