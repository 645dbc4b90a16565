// Plan: one message before it is written as JSON. Small, sortable, made hour by hour.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/generator.hpp"
#include "app/generator_world.hpp"

namespace tidewaiter::app::generate {

inline constexpr std::int64_t second_ns = 1'000'000'000, minute_ns = 60 * second_ns, hour_ns = 60 * minute_ns,
                              day_ns = 24 * hour_ns;

enum class Step : std::uint8_t {
  agent_call, agent_approval, flow, dns, build, sbom, sign, verify, approval, deploy
};

/// Whose approval a sensitive action leans on.
enum class Approval : std::uint8_t { none, by_human, by_agent };

struct Plan {
  std::int64_t time_ns = 0, delivery_ns = 0;
  std::uint64_t seed = 0;         // of everything that is random in the message
  std::uint64_t bytes = 0;        // 0 = as usual
  std::uint64_t link = 0;         // run of a pipeline or id of a change
  std::string_view data_class;    // empty = as usual
  std::string_view resource;      // empty = as usual
  std::int32_t destination = -1;  // -1 = as usual
  std::uint32_t actor = 0;        // agent for agent_*, else app
  std::uint16_t incident = 0;
  Step step = Step::flow;
  MessageKind kind = MessageKind::event;
  std::uint8_t act = act_count;   // act_count = as usual
  Approval approval = Approval::none;
  bool expired_token = false, late = false;
};

/// Injects incidents and look-alikes: adds hosts to the world, silences a source, returns the plans.
struct Injection {
  std::vector<Incident> truth, look_alikes;
  std::vector<Plan> plans;
  // Agents, apps and destinations times days, and agents times days on which something is injected; 0 = not counted.
  std::uint64_t entity_days = 0, incident_entity_days = 0;
};
Injection inject(World& world, const GeneratorConfig& config, std::int64_t learning_end_ns);
/// The scenarios of the companies made to measure, four of each.
Injection inject_scenarios(World& world, const GeneratorConfig& config, std::int64_t learning_end_ns);

/// The company that the configuration asks for.
World make_world(const GeneratorConfig& config);

/// What a nightly backup sends, and how many messages it takes.
inline constexpr std::uint32_t backup_parts = 4;
inline constexpr std::uint64_t backup_part_bytes = 1'500'000'000;

}  // namespace tidewaiter::app::generate
