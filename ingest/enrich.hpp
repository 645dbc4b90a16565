// Destinations: which category (internal, partner ...) a host or address belongs to; fills the column dst_category.
// Host suffixes are asked before address blocks, each in the order of the groups; what fits nothing is "public".
// One table per policy in force, made when it changes and swapped between batches; owned by one thread, for it remembers
// the hosts it has seen. A known host costs one hash and one compare.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/record.hpp"

namespace tidewaiter::ingest {

struct DestinationNet {
  Ip base{};
  int prefix_bits = 0;  // of the 128-bit address; an IPv4 net is v4-mapped, + 96
  bool operator==(const DestinationNet&) const = default;
};

struct DestinationGroup {
  std::string category;
  std::vector<std::string> hosts;  // "corp.example" is itself and everything below it; any case
  std::vector<DestinationNet> nets;
  bool operator==(const DestinationGroup&) const = default;
};

class Destinations {
 public:
  explicit Destinations(const std::vector<DestinationGroup>& groups);

  /// `host` in lower case without a trailing dot, as the parser leaves it; empty = none. The view never dies.
  std::string_view category_of(std::string_view host, const Ip* address);

  /// dst_category of every event that has dst_host or dst_ip.
  void apply(Batch& batch);

 private:
  struct Text {
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    using is_transparent = void;
  };
  struct Net {
    DestinationNet net;
    std::uint32_t group;
  };
  struct Known {
    std::string host;
    std::uint32_t group = unknown;
  };
  static constexpr std::uint32_t nowhere = 0xFFFFFFFF, unknown = 0xFFFFFFFE;

  std::uint32_t group_of_host(std::string_view host);
  std::uint32_t search_host(std::string_view host) const;
  std::uint32_t search_address(const Ip& address) const;

  std::vector<std::string_view> categories_;  // by group
  std::unordered_map<std::string, std::uint32_t, Text, std::equal_to<>> suffixes_;  // to the first group that has it
  std::vector<Net> nets_;
  std::vector<Known> known_;  // direct-mapped by the host's hash
};

}  // namespace tidewaiter::ingest
