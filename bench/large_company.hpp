// LargeCompany: the events of a company of 56,000 principals, as many as keep four million keys of detector state in
// use. Every principal and every destination of it is equally likely, which is the hardest for caches.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"

namespace tidewaiter::bench {

class LargeCompany {
 public:
  LargeCompany();

  /// Writes the next `events` events over `commit`, one every `step_ns` of event time.
  void fill(Commit& commit, std::size_t events, std::int64_t step_ns);
  std::int64_t time_ns() const { return time_ns_; }

  static constexpr std::int64_t start_ns = 1'756'684'800'000'000'000;

 private:
  static constexpr std::size_t principals = 56'000, roles = 560, apps = 2'000, internal_hosts = 10'000, external_hosts = 1'000;
  static constexpr std::size_t internal_each = 20, external_each = 2;  // destinations of a principal, out of its role's
  static constexpr std::size_t internal_of_role = 60, external_of_role = 10, resources_of_role = 80;
  static constexpr std::size_t partitions = 6;

  struct Destination {
    std::size_t host;
    bool external;
  };
  Destination destination_of(std::size_t principal, std::size_t number) const;
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::deque<std::string> texts_;
  std::vector<std::string_view> principals_, roles_, apps_, internal_, external_, resources_;
  const Origin* origin_;
  std::mt19937_64 random_{7};
  std::int64_t time_ns_ = start_ns;
  std::uint64_t commits_ = 0, events_ = 0, offsets_[partitions] = {};
};

}  // namespace tidewaiter::bench
