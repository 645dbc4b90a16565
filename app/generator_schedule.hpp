// Schedule: which plans fall into which hour, so that exactly the asked number of messages comes out, in the
// families' shares and with everybody's rhythm.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "app/generator_plan.hpp"

namespace tidewaiter::app::generate {

class Schedule {
 public:
  Schedule(const World& world, const GeneratorConfig& config, std::vector<Plan> injected);

  /// Plans delivered in the next hour, by delivery time; false after the last one.
  bool next_hour(std::vector<Plan>& out);

 private:
  enum Family : unsigned { agents, pipelines, flows, family_count };

  std::uint64_t weight(Family family, std::size_t actor, std::int64_t hour) const;
  std::uint64_t actors(Family family) const;
  void weigh_hours();
  void draw(Family family, std::int64_t hour, std::uint64_t count);
  void agent_unit(std::uint32_t agent, std::int64_t time);
  void pipeline_run(std::uint32_t app, std::int64_t time, std::int64_t limit);
  void backups(std::int64_t hour);
  void add(Plan plan);
  bool silent(std::uint32_t app, std::int64_t time) const { return time >= world_.apps[app].silent_from_ns; }
  Plan base(Step step, std::uint32_t actor, std::int64_t time);
  std::int64_t end_ns() const { return config_.start_ns + hours_ * hour_ns; }

  const World& world_;
  const GeneratorConfig& config_;
  Random random_;
  std::int64_t hours_, hour_ = 0;
  std::array<std::vector<std::uint64_t>, family_count> upto_;  // cumulative weight after each hour
  std::array<std::uint64_t, family_count> made_{};              // messages planned so far
  std::uint64_t planned_ = 0;
  std::vector<std::vector<Plan>> pending_;  // by hour of delivery; the last one is after the end
  std::vector<std::uint64_t> cumulative_;
};

}  // namespace tidewaiter::app::generate
