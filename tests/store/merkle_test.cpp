#include "store/merkle.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/text.hpp"

namespace tidewaiter::store {
namespace {

/// RFC 6962 section 2.1 word for word, over all leaves at once.
Hash naive_root(Sha256& sha, const std::vector<Hash>& leaves, std::size_t from, std::size_t n) {
  if (n == 0) return sha256({});
  if (n == 1) return leaves[from];
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return node_hash(sha, naive_root(sha, leaves, from, k), naive_root(sha, leaves, from + k, n - k));
}

std::vector<Hash> leaves(std::size_t n) {
  Sha256 sha;
  std::vector<Hash> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(leaf_hash(sha, "leaf " + std::to_string(i)));
  return out;
}

FetchNode fetch_from(const std::vector<Hash>& all) {
  return [&all](unsigned height, std::uint64_t index) -> Result<Hash> {
    Sha256 sha;
    return naive_root(sha, all, index << height, std::size_t{1} << height);
  };
}

TEST(Merkle, the_roots_of_the_certificate_transparency_test_leaves_are_known) {
  const std::vector<std::string> inputs = {"",         "00",       "10",       "2021",
                                           "3031",     "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const std::vector<std::string> roots = {
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  Sha256 sha;
  Frontier frontier;
  EXPECT_EQ(to_hex(as_view(frontier.root(sha))), roots[0]);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    frontier.append(sha, leaf_hash(sha, *from_hex(inputs[i])), [](unsigned, std::uint64_t, const Hash&) {});
    EXPECT_EQ(to_hex(as_view(frontier.root(sha))), roots[i + 1]) << "size " << i + 1;
  }
}

TEST(Merkle, the_frontier_agrees_with_the_naive_tree_at_every_size) {
  const auto all = leaves(700);
  Sha256 sha;
  Frontier frontier;
  std::map<std::pair<unsigned, std::uint64_t>, Hash> completed;
  for (std::size_t n = 1; n <= all.size(); ++n) {
    frontier.append(sha, all[n - 1], [&](unsigned h, std::uint64_t i, const Hash& hash) { completed[{h, i}] = hash; });
    ASSERT_EQ(frontier.size, n);
    ASSERT_EQ(frontier.root(sha), naive_root(sha, all, 0, n)) << n;
  }
  ASSERT_EQ(completed.size(), 2u);
  EXPECT_EQ((completed[{8, 0}]), naive_root(sha, all, 0, 256));
  EXPECT_EQ((completed[{8, 1}]), naive_root(sha, all, 256, 256));
}

TEST(Merkle, appending_many_leaves_at_once_is_appending_them_one_by_one) {
  Sha256 sha;
  const auto all = leaves(3000);
  Frontier one, many;
  std::map<std::pair<unsigned, std::uint64_t>, Hash> of_one, of_many;
  for (std::size_t from = 0, n = 0; from < all.size(); from += n) {
    n = std::min(all.size() - from, 1 + from * 7 % 97);
    std::vector<Hash> part(all.begin() + static_cast<std::ptrdiff_t>(from),
                           all.begin() + static_cast<std::ptrdiff_t>(from + n));
    many.append_all(part, [&](unsigned h, std::uint64_t i, const Hash& hash) { of_many[{h, i}] = hash; });
    for (std::size_t i = from; i < from + n; ++i)
      one.append(sha, all[i], [&](unsigned h, std::uint64_t index, const Hash& hash) { of_one[{h, index}] = hash; });
    ASSERT_EQ(one.size, many.size);
    ASSERT_EQ(one.root(sha), many.root(sha)) << from;
  }
  EXPECT_EQ(of_one, of_many);
}

TEST(Merkle, the_height_16_node_is_completed_by_leaf_65536) {
  Sha256 sha;
  Frontier frontier;
  const Hash leaf = leaf_hash(sha, "x");
  std::vector<std::pair<unsigned, std::uint64_t>> high;
  for (int i = 0; i < 65536; ++i)
    frontier.append(sha, leaf, [&](unsigned h, std::uint64_t index, const Hash&) {
      if (h > 8) high.emplace_back(h, index);
    });
  EXPECT_EQ(high, (std::vector<std::pair<unsigned, std::uint64_t>>{{16, 0}}));
}

TEST(Merkle, every_inclusion_proof_verifies_and_none_for_another_leaf_or_size) {
  const auto all = leaves(40);
  Sha256 sha;
  for (std::uint64_t size = 1; size <= all.size(); ++size) {
    const Hash root = naive_root(sha, all, 0, size);
    for (std::uint64_t i = 0; i < size; ++i) {
      auto proof = inclusion_proof(i, size, fetch_from(all));
      ASSERT_TRUE(proof);
      EXPECT_TRUE(verify_inclusion(all[i], i, size, *proof, root)) << i << " of " << size;
      EXPECT_FALSE(verify_inclusion(all[(i + 1) % all.size()], i, size, *proof, root));
      if (size > 1) {
        EXPECT_FALSE(verify_inclusion(all[i], (i + 1) % size, size, *proof, root));
        auto cut = *proof;
        cut.pop_back();
        EXPECT_FALSE(verify_inclusion(all[i], i, size, cut, root));
        auto flipped = *proof;
        flipped[0][5] ^= 1;
        EXPECT_FALSE(verify_inclusion(all[i], i, size, flipped, root));
      }
      auto longer = *proof;
      longer.push_back(root);
      EXPECT_FALSE(verify_inclusion(all[i], i, size, longer, root));
    }
  }
  EXPECT_FALSE(inclusion_proof(40, 40, fetch_from(all)));
}

TEST(Merkle, every_consistency_proof_verifies_and_none_for_another_root) {
  const auto all = leaves(33);
  Sha256 sha;
  for (std::uint64_t size = 0; size <= all.size(); ++size)
    for (std::uint64_t old = 0; old <= size; ++old) {
      const Hash root = naive_root(sha, all, 0, size), old_root = naive_root(sha, all, 0, old);
      auto proof = consistency_proof(old, size, fetch_from(all));
      ASSERT_TRUE(proof);
      EXPECT_TRUE(verify_consistency(old, old_root, size, root, *proof)) << old << " to " << size;
      Hash other = old_root;
      other[0] ^= 1;
      EXPECT_FALSE(verify_consistency(old, other, size, root, *proof));
      Hash other_new = root;
      other_new[0] ^= 1;
      if (old != 0) {
        EXPECT_FALSE(verify_consistency(old, old_root, size, other_new, *proof));
      }
    }
  EXPECT_FALSE(consistency_proof(5, 4, fetch_from(all)));
}

}  // namespace
}  // namespace tidewaiter::store
