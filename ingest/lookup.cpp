#include "ingest/lookup.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

// FNV-1a: made byte by byte, so that the hashes of all suffixes or beginnings cost one pass.
constexpr std::uint64_t hash_begin = 0xCBF29CE484222325;
std::uint64_t hash_on(std::uint64_t hash, char c) { return (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3; }

std::uint64_t forward_hash(std::string_view text) {
  std::uint64_t hash = hash_begin;
  for (const char c : text) hash = hash_on(hash, c);
  return hash;
}

std::uint64_t backward_hash(std::string_view text) {
  std::uint64_t hash = hash_begin;
  for (std::size_t i = text.size(); i-- > 0;) hash = hash_on(hash, text[i]);
  return hash;
}

}  // namespace

void TextRows::add(std::string_view text, std::uint32_t row) { rows_.add(forward_hash(text), std::string(text), row); }

std::uint32_t TextRows::find(std::string_view text) const {
  return rows_.empty() ? no_row : rows_.find(forward_hash(text), text);
}

void SuffixRows::add(std::string_view host, std::uint32_t row) {
  rows_.add(backward_hash(host), std::string(host), row);
  bytes_max_ = std::max(bytes_max_, host.size());
}

std::uint32_t SuffixRows::find(std::string_view host) const {
  if (rows_.empty()) return no_row;
  std::uint32_t longest = no_row;
  std::uint64_t hash = hash_begin;
  for (std::size_t i = host.size(); i-- > 0 && host.size() - i <= bytes_max_;) {
    hash = hash_on(hash, host[i]);
    if (i > 0 && host[i - 1] != '.') continue;
    if (const std::uint32_t row = rows_.find(hash, host.substr(i)); row != no_row) longest = row;
  }
  return longest;
}

void BeginningRows::add(std::string_view beginning, std::uint32_t row) {
  rows_.add(forward_hash(beginning), std::string(beginning), row);
  if (lengths_.size() <= beginning.size()) lengths_.resize(beginning.size() + 1);
  lengths_[beginning.size()] = true;
}

std::uint32_t BeginningRows::find(std::string_view text) const {
  std::uint32_t longest = no_row;
  std::uint64_t hash = hash_begin;
  for (std::size_t length = 0; length < lengths_.size(); ++length) {
    if (lengths_[length])
      if (const std::uint32_t row = rows_.find(hash, text.substr(0, length)); row != no_row) longest = row;
    if (length == text.size()) break;
    hash = hash_on(hash, text[length]);
  }
  return longest;
}

NetRows::Net NetRows::net_of(const Ip& address, int prefix_bits) {
  const char* bytes = reinterpret_cast<const char*>(address.data());
  const auto mask = [](int bits) { return bits <= 0 ? 0 : bits >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} << (64 - bits); };
  return {get_be<std::uint64_t>(bytes) & mask(prefix_bits), get_be<std::uint64_t>(bytes + 8) & mask(prefix_bits - 64), prefix_bits};
}

std::uint64_t NetRows::hash(const Net& net) {
  std::uint64_t hash = net.high * 0x9E3779B97F4A7C15 ^ (net.low + static_cast<std::uint64_t>(net.prefix_bits)) * 0xD6E8FEB86659FD93;
  return hash ^ hash >> 29;
}

void NetRows::add(const Ip& base, int prefix_bits, std::uint32_t row) {
  const Net net = net_of(base, prefix_bits);
  rows_.add(hash(net), net, row);
  if (std::ranges::count(lengths_, prefix_bits) > 0) return;
  lengths_.push_back(prefix_bits);
  std::ranges::sort(lengths_, std::greater());
}

std::uint32_t NetRows::find(const Ip& address) const {
  for (const int bits : lengths_) {
    const Net net = net_of(address, bits);
    if (const std::uint32_t row = rows_.find(hash(net), net); row != no_row) return row;
  }
  return no_row;
}

}  // namespace tidewaiter::ingest
