// Renderer: a Plan as a CloudEvents message. Stateless but for its buffers: the same plan gives the same bytes.
#pragma once

#include <string>

#include "app/generator_plan.hpp"
#include "app/generator_text.hpp"

namespace tidewaiter::app::generate {

class Renderer {
 public:
  Renderer(const World& world, const GeneratorConfig& config) : world_(world), config_(config) {}

  /// Views in `out` hold until the next call.
  void render(const Plan& plan, Message& out);

 private:
  void agent_call(const Plan& plan, Random& random);
  void agent_approval(const Plan& plan, Random& random);
  void flow(const Plan& plan, Random& random);
  void dns(const Plan& plan, Random& random);
  void pipeline(const Plan& plan, Random& random);
  void pipeline_approval(const Plan& plan, Random& random);
  void damage(const Plan& plan, Random& random, Message& out);

  void envelope(const Plan& plan, Random& random, const App& app, std::string_view type);
  void who(std::string_view principal, std::string_view principal_type, const App& app);
  void token(const Plan& plan, const Agent& agent);
  void endpoint(const Destination& destination, bool address);
  const Destination& browse(Random& random);
  std::int64_t release(const Role& role, const Plan& plan) const;  // what it adds to the level
  void outcome(const Plan& plan, Random& random, const App& app);
  /// Of its own dice: where it is left out everything else is the same.
  void duration(const Plan& plan, const App& app, std::uint8_t act, std::uint64_t host);
  void trace(Random& random, std::uint64_t link);
  std::uint32_t choose_destination(const Plan& plan, Random& random, const Agent& agent, bool any) const;
  std::uint64_t usual_bytes(const Plan& plan, Random& random, std::int64_t level, std::uint64_t key) const;

  const World& world_;
  const GeneratorConfig& config_;
  Text text_;
  Destination browsed_;  // a public host seen once
};

}  // namespace tidewaiter::app::generate
