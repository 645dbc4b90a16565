// Changes stored values behind the store's back, through the database's own interface, so that its checksums are right.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "store/db.hpp"

namespace tidewaiter::test {

using Pair = std::pair<std::string, std::string>;

inline std::vector<Pair> all_pairs(const std::string& directory, store::Cf cf) {
  auto db = store::Db::open_primary({directory, false, nullptr});
  CHECK(db.has_value());
  std::vector<Pair> pairs;
  const auto it = (*db)->iterate(cf);
  for (it->seek({}); it->valid(); it->next()) pairs.emplace_back(it->key(), it->value());
  return pairs;
}

inline void put(const std::string& directory, store::Cf cf, const std::string& key, const std::string& value) {
  auto db = store::Db::open_primary({directory, false, nullptr});
  CHECK(db.has_value());
  store::WriteBatch batch(**db);
  batch.put(cf, key, value);
  CHECK((*db)->write(batch, true).has_value());
}

inline void remove(const std::string& directory, store::Cf cf, const std::string& key) {
  auto db = store::Db::open_primary({directory, false, nullptr});
  CHECK(db.has_value());
  store::WriteBatch batch(**db);
  batch.remove(cf, key);
  CHECK((*db)->write(batch, true).has_value());
}

/// The value with bit `bit` of its bits turned.
inline std::string flipped(std::string value, std::size_t bit) {
  value[bit / 8] = static_cast<char>(value[bit / 8] ^ 1 << bit % 8);
  return value;
}

/// Two values of a block's part that hold the same records, though their bytes differ; false for other tables.
bool decode_alike(const std::string& directory, store::Cf cf, const std::string& key, const std::string& a, const std::string& b);
/// What somebody with write access and without the signing key can do: another body, and leaf, tree and state to match.
void rewrite_record(const std::string& directory, std::uint16_t log, std::uint64_t seq);
/// Every kept head gone, in the database and beside it.
void forget_heads(const std::string& directory);

}  // namespace tidewaiter::test
