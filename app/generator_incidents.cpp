// The incidents: what happens, when, to whom, and the sentence that says so.
#include <algorithm>
#include <functional>
#include <set>

#include "app/generator_injector.hpp"

namespace tidewaiter::app::generate {
namespace {

using Match = std::function<bool(const Agent&, const App&, const Role&)>;

class Planner : Injector {
 public:
  Planner(World& world, const GeneratorConfig& config, std::int64_t learning_end)
      : Injector(world, config, learning_end, 0x696e636964) {}

  Injection run() {
    silence();
    policy_incidents();
    flow_incidents();
    volume_incidents();
    look_alikes();
    return finish();
  }

 private:
  /// An agent that existed all along, in an app that no other incident touches.
  std::uint32_t choose_agent(const Match& match) {
    const std::size_t count = world_.agents.size(), start = random_.below(count);
    for (std::uint64_t least_weight : {8u, 0u})
      for (std::size_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::uint32_t>((start + i) % count);
        const Agent& agent = world_.agents[at];
        const App& app = world_.apps[agent.app];
        if (agent.from_day > 0 || agent.weight < least_weight || used_.contains(agent.app)) continue;
        if (!match(agent, app, world_.roles[agent.role])) continue;
        used_.insert(agent.app);
        return at;
      }
    return static_cast<std::uint32_t>(start);
  }
  std::uint32_t choose_app(const std::function<bool(const App&)>& match) {
    const std::size_t count = world_.apps.size(), start = random_.below(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::uint32_t>((start + i) % count);
      if (used_.contains(at) || !match(world_.apps[at])) continue;
      used_.insert(at);
      return at;
    }
    return static_cast<std::uint32_t>(start);
  }
  /// A working hour of a weekday after the learning period, another day for each call.
  std::int64_t choose_time() {
    const std::int64_t first = (learning_end_ - config_.start_ns) / day_ns;
    const std::int64_t last = std::max<std::int64_t>(first + 1, config_.days - 2);
    std::int64_t day = first + 1 + (slot_++ * 3) % std::max<std::int64_t>(last - first, 1);
    while (day % 7 >= 5 && day < last) ++day;
    while (day % 7 >= 5 && day > first) --day;
    return config_.start_ns + day * day_ns + static_cast<std::int64_t>(random_.between(9, 15)) * hour_ns +
           static_cast<std::int64_t>(random_.below(50)) * minute_ns;
  }
  std::uint64_t daily_bytes(const Agent& agent) const {
    const std::uint64_t per_day_x16 =
        config_.events / 2 * 16 * agent.weight / (8 * world_.agents.size() * std::max(config_.days, 1u));
    return exp2_q16(agent.level_q16 + 45'000) * std::max<std::uint64_t>(per_day_x16, 16) / 32;
  }
  static std::string_view sensitive_class(const Role& role) {
    for (std::string_view word : role.inner_classes)
      if (word == "pii" || word == "restricted") return word;
    return {};
  }
  void policy_incidents();
  void sensitive_actions();
  void flow_incidents();
  void volume_incidents();
  void silence();

  std::int64_t slot_ = 0;
  std::set<std::uint32_t> used_;  // apps
};

void Planner::policy_incidents() {
  const auto high_sensitive = [](const Agent& agent, const App& app, const Role& role) {
    return app.tier == Tier::high && !sensitive_class(role).empty() && closed(agent, role);
  };
  for (bool known : {false, true}) {
    const std::uint32_t at = choose_agent(high_sensitive);
    const Agent& agent = world_.agents[at];
    const std::string_view word = sensitive_class(world_.roles[agent.role]);
    const std::int32_t to = known ? known_outside(agent) : static_cast<std::int32_t>(new_host(".example.org"));
    Incident& incident = open("forbidden_flow", "policy", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " of the high-tier app " + incident.app + " sends " + std::string(word) +
                        " data to the public host " + host(to) + (known ? ", which it knows well" : "");
    sends(at, choose_time(), 3, 10, to, word);
  }
  {
    const std::uint32_t at = choose_agent([](const Agent& agent, const App& app, const Role& role) {
      return app.tier == Tier::high && closed(agent, role);
    });
    const Agent& agent = world_.agents[at];
    const auto to = static_cast<std::int32_t>(new_host(".example.net"));
    Incident& incident = open("unapproved_destination", "policy", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " of the high-tier app " + incident.app + " sends to " + host(to) +
                        ", which nobody approved";
    sends(at, choose_time(), 2, 6, to, "internal");
  }
  {
    const std::uint32_t at = choose_agent([](const Agent& agent, const App&, const Role&) {
      return !(agent.mask >> act_execute & 1);
    });
    const Agent& agent = world_.agents[at];
    Incident& incident = open("outside_capability", "policy", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " executes code, but its capability token allows only: " + agent.scopes;
    const std::int64_t time = choose_time();
    for (int i = 0; i < 3; ++i) {
      Plan plan = base(Step::agent_call, at, time + i * 3 * minute_ns);
      plan.act = act_execute;
      plan.destination = static_cast<std::int32_t>(agent.destinations[0]);
      add(plan);
    }
  }
  {
    const std::uint32_t at = choose_agent([](const Agent&, const App&, const Role&) { return true; });
    const Agent& agent = world_.agents[at];
    Incident& incident = open("expired_token", "policy", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " goes on working with a capability token that expired hours ago";
    const std::int64_t time = choose_time();
    for (int i = 0; i < 4; ++i) {
      Plan plan = base(Step::agent_call, at, time + i * 5 * minute_ns);
      plan.act = act_read;
      plan.destination = static_cast<std::int32_t>(agent.destinations[0]);
      plan.expired_token = true;
      add(plan);
    }
  }
  sensitive_actions();
  {
    const std::uint32_t at = choose_app([](const App& app) { return app.rhythm == Rhythm::steady; });
    const App& app = world_.apps[at];
    std::uint32_t to = 0;
    while (world_.destinations[to].place != Place::partner) ++to;
    Incident& incident = open("egress_cap", "policy", app);
    incident.principals = {app.service};
    incident.sentence = "The running app " + app.name + " moves 20 GB to " + host(static_cast<std::int32_t>(to)) +
                        " within an hour";
    const std::int64_t time = choose_time();
    for (int i = 0; i < 40; ++i) {
      Plan plan = base(Step::flow, at, time + i * 80 * second_ns);
      plan.destination = static_cast<std::int32_t>(to);
      plan.bytes = 480'000'000 + random_.below(40'000'000);
      add(plan);
    }
  }
}

void Planner::sensitive_actions() {
  {
    const std::uint32_t at = choose_app([](const App& app) { return app.tier != Tier::low; });
    const App& app = world_.apps[at];
    Incident& incident = open("missing_approval", "policy", app);
    incident.principals = {app.pipeline};
    incident.sentence = "The pipeline of " + app.name + " deploys although nobody approved the change";
    Plan plan = base(Step::deploy, at, choose_time());
    plan.link = random_.next();
    add(plan);
  }
  {
    const std::uint32_t at = choose_agent([](const Agent& agent, const App&, const Role&) {
      return (agent.mask >> act_delete & 1) != 0;
    });
    const Agent& agent = world_.agents[at];
    Incident& incident = open("missing_approval", "policy", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " deletes records on the word of another agent, without a human approval";
    Plan approval = base(Step::agent_approval, at, choose_time());
    approval.link = random_.next();
    approval.approval = Approval::by_agent;
    Plan deletion = base(Step::agent_call, at, approval.time_ns + 10 * minute_ns);
    deletion.act = act_delete;
    deletion.link = approval.link;
    deletion.approval = Approval::by_agent;
    deletion.destination = static_cast<std::int32_t>(agent.destinations[0]);
    add(approval);
    add(deletion);
  }
}

void Planner::flow_incidents() {
  const auto plain_closed = [](const Agent& agent, const App& app, const Role& role) {
    return app.tier != Tier::high && closed(agent, role);
  };
  {
    const std::uint32_t at = choose_agent(plain_closed);
    const Agent& agent = world_.agents[at];
    const auto to = static_cast<std::int32_t>(new_host(".example.com"));
    Incident& incident = open("unexpected_destination", "flow", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " sends little, but to " + host(to) + ", where none of its role ever sent";
    sends(at, choose_time(), 3, 20, to, world_.roles[agent.role].outer_classes[0]);
  }
  {
    const std::uint32_t at = choose_app([&](const App& app) {
      return app.tier != Tier::high && app.rhythm == Rhythm::steady && !world_.roles[app.role].open;
    });
    const App& app = world_.apps[at];
    const auto to = static_cast<std::int32_t>(new_host(".example.net"));
    Incident& incident = open("unexpected_destination", "flow", app);
    incident.principals = {app.service};
    incident.sentence = "The running app " + app.name + " connects to " + host(to) + ", unknown in the whole company";
    const std::int64_t time = choose_time();
    for (int i = 0; i < 4; ++i) {
      Plan plan = base(Step::flow, at, time + i * 4 * minute_ns);
      plan.destination = to;
      add(plan);
    }
  }
  {
    const std::uint32_t at = choose_agent(plain_closed);
    const Agent& agent = world_.agents[at];
    const std::int32_t to = known_outside(agent);
    Incident& incident = open("new_data_class", "flow", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " sends source code to " + host(to) + "; its role never handled any";
    sends(at, choose_time(), 3, 15, to, "source_code");
  }
  {
    const std::uint32_t at = choose_agent(plain_closed);
    const Agent& agent = world_.agents[at];
    Incident& incident = open("smurfing", "flow", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " spreads small amounts over 60 new hosts within half an hour";
    const std::int64_t time = choose_time();
    const std::string_view word = world_.roles[agent.role].outer_classes[0];
    for (int i = 0; i < 60; ++i)
      add(send(at, time + i * 29 * second_ns, static_cast<std::int32_t>(new_host(".example.org")), word));
  }
}

void Planner::volume_incidents() {
  const auto plain_closed = [](const Agent& agent, const App& app, const Role& role) {
    return app.tier != Tier::high && closed(agent, role) && agent.rhythm == Rhythm::office;
  };
  {
    const std::uint32_t at = choose_agent(plain_closed);
    const Agent& agent = world_.agents[at];
    const auto to = static_cast<std::int32_t>(new_host(".example.com"));
    const std::uint64_t bytes = daily_bytes(agent) * 10;
    Incident& incident = open("bulk_new_destination", "volume", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " sends " + megabytes(bytes) + ", ten times its usual day, to the new host " +
                        host(to);
    sends(at, choose_time(), 3, 4, to, world_.roles[agent.role].outer_classes[0], bytes / 3);
  }
  {
    const std::uint32_t at = choose_agent(plain_closed);
    const Agent& agent = world_.agents[at];
    const std::int32_t to = known_outside(agent);
    const std::uint64_t bytes = daily_bytes(agent) * 5;
    Incident& incident = open("bulk_known_destination", "volume", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " sends " + megabytes(bytes) + " within an hour to " + host(to) +
                        ", forty times its usual hour";
    sends(at, choose_time(), 20, 40, to, world_.roles[agent.role].outer_classes[0], bytes / 20);
  }
  {
    const std::uint32_t at = choose_app([&](const App& app) {
      return app.tier != Tier::high && app.rhythm == Rhythm::steady && !app.backup &&
             world_.destinations[app.destinations.back()].place != Place::internal;
    });
    const App& app = world_.apps[at];
    const auto to = static_cast<std::int32_t>(app.destinations.back());
    const std::uint64_t hourly = exp2_q16(world_.roles[app.role].level_q16 + 45'000) *
                                 std::max<std::uint64_t>(config_.events / world_.apps.size() / config_.days / 24, 2);
    Incident& incident = open("bulk_known_destination", "volume", app);
    incident.principals = {app.service};
    incident.sentence = "The running app " + app.name + " sends " + megabytes(hourly * 40) + " within an hour to " +
                        host(to) + ", tens of times its usual hour";
    const std::int64_t time = choose_time();
    for (int i = 0; i < 20; ++i) {
      Plan plan = base(Step::flow, at, time + i * 2 * minute_ns);
      plan.destination = to;
      plan.bytes = hourly * 2 * 9 / 10 + random_.below(hourly / 2 + 1);
      add(plan);
    }
  }
  {
    const std::uint32_t at = choose_agent(plain_closed);
    const Agent& agent = world_.agents[at];
    const std::int32_t to = known_outside(agent);
    Incident& incident = open("low_and_slow", "volume", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    incident.sentence = agent.principal + " adds 30 % a day to what it sends to " + host(to);
    std::uint64_t bytes = daily_bytes(agent) / 2;
    const std::int64_t end = config_.start_ns + config_.days * day_ns;
    for (std::int64_t day = learning_end_ + day_ns; day + day_ns <= end; day += day_ns, bytes = bytes * 13 / 10)
      sends(at, day + 9 * hour_ns, 8, 8 * 60, to, world_.roles[agent.role].outer_classes[0], bytes / 8);
  }
}

void Planner::silence() {
  const std::uint32_t at = choose_app([&](const App& app) {
    return app.rhythm == Rhythm::steady && app.flow_weight >= 12;
  });
  App& app = world_.apps[at];
  app.silent_from_ns = config_.start_ns + (config_.days - 3) * day_ns + 10 * hour_ns;
  Incident& incident = open("silent_source", "silence", app);
  incident.principals = {app.service, app.pipeline};
  for (const Agent& agent : world_.agents)
    if (agent.app == at) incident.principals.push_back(agent.principal);
  incident.sources = {app.sensor, app.source};
  incident.start_ns = app.silent_from_ns;
  incident.end_ns = config_.start_ns + config_.days * day_ns;
  incident.sentence = app.sensor + ", which reported on " + app.name + " around the clock, falls silent, and so does "
                      "the app";
}

}  // namespace

Injection inject(World& world, const GeneratorConfig& config, std::int64_t learning_end_ns) {
  return Planner(world, config, learning_end_ns).run();
}

}  // namespace tidewaiter::app::generate
