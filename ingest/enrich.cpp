#include "ingest/enrich.hpp"

#include <algorithm>
#include <cstring>

#include "ingest/host_name.hpp"
#include "ingest/plan.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t known_bits = 12;
constexpr std::string_view no_category = "public";

bool contains(const DestinationNet& net, const Ip& address) {
  const auto whole = static_cast<std::size_t>(net.prefix_bits) / 8;
  if (std::memcmp(net.base.data(), address.data(), whole) != 0) return false;
  const int rest = net.prefix_bits % 8;
  return rest == 0 || ((net.base[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

/// Which place of the known hosts is this one's. Eight bytes at a time; the host itself is compared there.
std::size_t place_of(std::string_view host) {
  std::uint64_t hash = host.size(), word = 0;
  const auto mix = [&] {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
  };
  if (host.size() < sizeof word) {
    for (const char c : host) word = word << 8 | static_cast<unsigned char>(c);
    mix();
  } else {
    for (std::size_t at = 0; at + sizeof word < host.size(); at += sizeof word) {
      std::memcpy(&word, host.data() + at, sizeof word);
      mix();
    }
    std::memcpy(&word, host.data() + host.size() - sizeof word, sizeof word);
    mix();
  }
  return hash * 0x9E3779B97F4A7C15 >> (64 - known_bits);
}

}  // namespace

Destinations::Destinations(const std::vector<DestinationGroup>& groups) : known_(std::size_t{1} << known_bits) {
  for (const DestinationGroup& group : groups) {
    const auto number = static_cast<std::uint32_t>(categories_.size());
    categories_.push_back(lasting_text(group.category));
    for (const std::string& host : group.hosts) suffixes_.emplace(normal_host(host), number);
    for (const DestinationNet& net : group.nets) nets_.push_back({net, number});
  }
}

std::uint32_t Destinations::search_host(std::string_view host) const {
  std::uint32_t first = nowhere;
  for (;;) {
    if (const auto found = suffixes_.find(host); found != suffixes_.end()) first = std::min(first, found->second);
    const std::size_t dot = host.find('.');
    if (dot == std::string_view::npos) return first;
    host.remove_prefix(dot + 1);
  }
}

std::uint32_t Destinations::search_address(const Ip& address) const {
  for (const Net& net : nets_)
    if (contains(net.net, address)) return net.group;
  return nowhere;
}

std::uint32_t Destinations::group_of_host(std::string_view host) {
  Known& known = known_[place_of(host)];
  if (known.group == unknown || known.host != host) {
    known.group = search_host(host);
    known.host.assign(host);
  }
  return known.group;
}

std::string_view Destinations::category_of(std::string_view host, const Ip* address) {
  std::uint32_t group = host.empty() || suffixes_.empty() ? nowhere : group_of_host(host);
  if (group == nowhere && address != nullptr) group = search_address(*address);
  return group == nowhere ? no_category : categories_[group];
}

void Destinations::apply(Batch& batch) {
  for (Event& event : batch.events)
    if (event.has(Str::dst_host) || event.has(Addr::dst_ip))
      event.set(Str::dst_category, category_of(event.get(Str::dst_host), event.get(Addr::dst_ip)));
}

}  // namespace tidewaiter::ingest
