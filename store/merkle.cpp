#include "store/merkle.hpp"

#include <bit>
#include <cstring>

#include "store/sha256_lanes.hpp"

namespace tidewaiter::store {
namespace {

/// Largest power of two below n, as its exponent; n > 1.
unsigned split_height(std::uint64_t n) { return static_cast<unsigned>(std::bit_width(n - 1)) - 1; }

/// Root over leaves [from, from + n), where `from` is a multiple of the next power of two of n.
Result<Hash> range_root(Sha256& sha, std::uint64_t from, std::uint64_t n, const FetchNode& fetch) {
  if (std::has_single_bit(n)) {
    const auto height = static_cast<unsigned>(std::countr_zero(n));
    return fetch(height, from >> height);
  }
  const std::uint64_t left_size = std::uint64_t{1} << split_height(n);
  TRY_ASSIGN(const Hash left, range_root(sha, from, left_size, fetch));
  TRY_ASSIGN(const Hash right, range_root(sha, from + left_size, n - left_size, fetch));
  return node_hash(sha, left, right);
}

/// RFC 6962 section 2.1.1, PATH(m, D[n]).
Result<void> path(Sha256& sha, std::uint64_t m, std::uint64_t from, std::uint64_t n, const FetchNode& fetch,
                  std::vector<Hash>& out) {
  if (n == 1) return {};
  const std::uint64_t k = std::uint64_t{1} << split_height(n);
  if (m < k) {
    TRY(path(sha, m, from, k, fetch, out));
    TRY_ASSIGN(const Hash right, range_root(sha, from + k, n - k, fetch));
    out.push_back(right);
  } else {
    TRY(path(sha, m - k, from + k, n - k, fetch, out));
    TRY_ASSIGN(const Hash left, range_root(sha, from, k, fetch));
    out.push_back(left);
  }
  return {};
}

/// RFC 6962 section 2.1.2, SUBPROOF(m, D[n], whole).
Result<void> subproof(Sha256& sha, std::uint64_t m, std::uint64_t from, std::uint64_t n, bool whole,
                      const FetchNode& fetch, std::vector<Hash>& out) {
  if (m == n) {
    if (whole) return {};
    TRY_ASSIGN(const Hash hash, range_root(sha, from, n, fetch));
    out.push_back(hash);
    return {};
  }
  const std::uint64_t k = std::uint64_t{1} << split_height(n);
  if (m <= k) {
    TRY(subproof(sha, m, from, k, whole, fetch, out));
    TRY_ASSIGN(const Hash right, range_root(sha, from + k, n - k, fetch));
    out.push_back(right);
  } else {
    TRY(subproof(sha, m - k, from + k, n - k, false, fetch, out));
    TRY_ASSIGN(const Hash left, range_root(sha, from, k, fetch));
    out.push_back(left);
  }
  return {};
}

}  // namespace

Hash leaf_hash(Sha256& sha, std::string_view leaf) { return sha.digest(std::string_view("\0", 1), leaf); }

Hash node_hash(Sha256& sha, const Hash& left, const Hash& right) {
  char bytes[65];
  bytes[0] = 1;
  std::memcpy(bytes + 1, left.data(), 32);
  std::memcpy(bytes + 33, right.data(), 32);
  return sha.digest({bytes, sizeof bytes});
}

Hash empty_root() { return sha256({}); }

void Frontier::append_all(std::vector<Hash>& leaves, const Completed& completed) {
  std::uint64_t first = size;  // index of nodes[0] on its level
  size += leaves.size();
  thread_local std::vector<Hash> above;
  thread_local std::vector<HashJob> jobs;
  std::vector<Hash>& nodes = leaves;
  static_assert(sizeof(Hash) == 32, "neighbours lie side by side");
  for (unsigned height = 0; !nodes.empty(); ++height, first >>= 1) {
    if (height != 0 && height % tile_height == 0)
      for (std::size_t i = 0; i < nodes.size(); ++i) completed(height, first + i, nodes[i]);
    if (first & 1) {  // the left neighbour is the peak of this height
      nodes.insert(nodes.begin(), peaks[height]);
      --first;
    }
    if ((nodes.size() & 1) != 0) peaks[height] = nodes.back();
    above.resize(nodes.size() / 2);
    jobs.clear();
    for (std::size_t i = 0; i < above.size(); ++i)
      jobs.push_back({{"\1", 1}, {reinterpret_cast<const char*>(nodes[2 * i].data()), 64}, &above[i]});
    hash_all(jobs);
    nodes.swap(above);
  }
}

Hash Frontier::root(Sha256& sha) const {
  if (size == 0) return empty_root();
  auto height = static_cast<unsigned>(std::countr_zero(size));
  Hash hash = peaks[height];
  for (++height; height < 64; ++height)
    if (size >> height & 1) hash = node_hash(sha, peaks[height], hash);
  return hash;
}

Result<Hash> root_at(std::uint64_t size, const FetchNode& fetch) {
  if (size == 0) return empty_root();
  Sha256 sha;
  return range_root(sha, 0, size, fetch);
}

Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size, const FetchNode& fetch) {
  if (index >= size) return fail(Code::invalid_argument, "a leaf outside the tree has no inclusion proof");
  Sha256 sha;
  std::vector<Hash> out;
  TRY(path(sha, index, 0, size, fetch, out));
  return out;
}

Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const FetchNode& fetch) {
  if (old_size > size) return fail(Code::invalid_argument, "the older tree is larger than the newer one");
  Sha256 sha;
  std::vector<Hash> out;
  if (old_size == 0 || old_size == size) return out;
  TRY(subproof(sha, old_size, 0, size, true, fetch, out));
  return out;
}

// RFC 9162 section 2.1.3.2.
bool verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, const std::vector<Hash>& proof,
                      const Hash& root) {
  if (index >= size) return false;
  Sha256 sha;
  std::uint64_t node = index, last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sha, sibling, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(sha, hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

// RFC 9162 section 2.1.4.2.
bool verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size, const Hash& root,
                        const std::vector<Hash>& proof) {
  if (old_size > size) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  if (old_size == 0) return proof.empty() && old_root == empty_root();
  Sha256 sha;
  std::size_t next = 0;
  std::uint64_t node = old_size - 1, last = size - 1;
  while ((node & 1) != 0) {
    node >>= 1;
    last >>= 1;
  }
  Hash old_hash = old_root;  // an old tree that is one complete node of the new one needs no first hash
  if (!std::has_single_bit(old_size)) {
    if (proof.empty()) return false;
    old_hash = proof[next++];
  }
  Hash hash = old_hash;
  for (; next < proof.size(); ++next) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(sha, proof[next], old_hash);
      hash = node_hash(sha, proof[next], hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(sha, hash, proof[next]);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && hash == root;
}

}  // namespace tidewaiter::store
