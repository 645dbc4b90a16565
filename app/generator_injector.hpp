// Injector: how incidents are written down, in the truth and as plans. What is injected, when and on whom is the affair of
// those who derive from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/generator_plan.hpp"

namespace tidewaiter::app::generate {

class Injector {
 protected:
  Injector(World& world, const GeneratorConfig& config, std::int64_t learning_end, std::uint64_t salt)
      : world_(world), config_(config), random_(mix(config.seed, salt)), learning_end_(learning_end) {}

  /// Begins an incident; plans made by base() and send() belong to the newest.
  Incident& open(std::string kind, std::string expect, const App& app);
  Plan base(Step step, std::uint32_t actor, std::int64_t time);
  Plan send(std::uint32_t agent, std::int64_t time, std::int32_t destination, std::string_view data_class);
  void add(Plan plan);
  /// `count` sends within `minutes` minutes; bytes_each 0 = as usual.
  void sends(std::uint32_t agent, std::int64_t time, int count, int minutes, std::int32_t destination,
             std::string_view data_class, std::uint64_t bytes_each = 0);
  void look_alikes();
  /// The plans with their times of delivery.
  Injection finish();

  std::uint32_t new_host(std::string_view domain) {
    return world_.add_destination(Place::open, "drop." + make_word(random_) + std::string(domain));
  }
  const std::string& host(std::int32_t at) const { return world_.destinations[static_cast<std::size_t>(at)].host; }
  static bool closed(const Agent& agent, const Role& role) {
    return !role.open && agent.destinations.size() > agent.inner;
  }
  static std::int32_t known_outside(const Agent& agent) {
    return static_cast<std::int32_t>(agent.destinations[agent.inner]);
  }
  static std::string megabytes(std::uint64_t bytes) {
    return bytes < 10'000'000 ? std::to_string(bytes / 1000) + " kB" : std::to_string(bytes / 1'000'000) + " MB";
  }

  World& world_;
  const GeneratorConfig& config_;
  Random random_;
  std::int64_t learning_end_;
  Injection out_;
};

}  // namespace tidewaiter::app::generate
