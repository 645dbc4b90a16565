// The incidents: what happens, when, to whom, and the sentence that says so.
#include <algorithm>
#include <functional>
#include <set>

#include "app/generator_plan.hpp"

namespace tidewaiter::app::generate {
namespace {

using Match = std::function<bool(const Agent&, const App&, const Role&)>;

class Planner {
 public:
  Planner(World& world, const GeneratorConfig& config, std::int64_t learning_end)
      : world_(world), config_(config), random_(mix(config.seed, 0x696e636964)), learning_end_(learning_end) {}

  Injection run() {
    silence();
    policy_incidents();
    flow_incidents();
    volume_incidents();
    look_alikes();
    for (Plan& plan : out_.plans) plan.delivery_ns = plan.time_ns + static_cast<std::int64_t>(random_.below(second_ns));
    return std::move(out_);
  }

 private:
  // --- choosing ---

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
  std::uint32_t new_host(std::string_view domain) {
    return world_.add_destination(Place::open, "drop." + make_word(random_) + std::string(domain));
  }
  const std::string& host(std::int32_t at) const { return world_.destinations[static_cast<std::size_t>(at)].host; }

  // --- building ---

  Incident& open(std::string kind, std::string expect, const App& app) {
    Incident incident;
    const auto number = 1 + std::ranges::count(out_.truth, kind, &Incident::kind);
    incident.id = kind + "-" + std::to_string(number);
    incident.kind = std::move(kind);
    incident.expect = std::move(expect);
    incident.tenant = world_.tenant_of(app);
    incident.app = app.name;
    out_.truth.push_back(std::move(incident));
    return out_.truth.back();
  }
  Plan base(Step step, std::uint32_t actor, std::int64_t time) {
    Plan plan;
    plan.step = step;
    plan.actor = actor;
    plan.time_ns = time;
    plan.seed = random_.next();
    plan.incident = static_cast<std::uint16_t>(out_.truth.size());
    return plan;
  }
  Plan send(std::uint32_t agent, std::int64_t time, std::int32_t destination, std::string_view data_class) {
    Plan plan = base(Step::agent_call, agent, time);
    plan.act = act_send;
    plan.destination = destination;
    plan.data_class = data_class;
    return plan;
  }
  void add(Plan plan) {
    Incident& incident = out_.truth[plan.incident - 1u];
    incident.start_ns = incident.events == 0 ? plan.time_ns : std::min(incident.start_ns, plan.time_ns);
    incident.end_ns = std::max(incident.end_ns, plan.time_ns);
    ++incident.events;
    if (plan.destination >= 0) {
      const std::string& name = host(plan.destination);
      if (!std::ranges::count(incident.destinations, name)) incident.destinations.push_back(name);
    }
    out_.plans.push_back(plan);
  }
  /// `count` sends within `minutes` minutes.
  void sends(std::uint32_t agent, std::int64_t time, int count, int minutes, std::int32_t destination,
             std::string_view data_class, std::uint64_t bytes_each = 0) {
    for (int i = 0; i < count; ++i) {
      Plan plan = send(agent, time + i * (minutes * minute_ns / count), destination, data_class);
      plan.bytes = bytes_each == 0 ? 0 : bytes_each * 9 / 10 + random_.below(bytes_each / 5 + 1);
      add(plan);
    }
  }
  std::uint64_t daily_bytes(const Agent& agent) const {
    const std::uint64_t per_day_x16 =
        config_.events / 2 * 16 * agent.weight / (8 * world_.agents.size() * std::max(config_.days, 1u));
    return exp2_q16(agent.level_q16 + 45'000) * std::max<std::uint64_t>(per_day_x16, 16) / 32;
  }
  std::int32_t known_outside(const Agent& agent) const {
    return static_cast<std::int32_t>(agent.destinations[agent.inner]);
  }

  static bool closed(const Agent& agent, const Role& role) {
    return !role.open && agent.destinations.size() > agent.inner;
  }
  static std::string_view sensitive_class(const Role& role) {
    for (std::string_view word : role.inner_classes)
      if (word == "pii" || word == "restricted") return word;
    return {};
  }
  static std::string megabytes(std::uint64_t bytes) {
    return bytes < 10'000'000 ? std::to_string(bytes / 1000) + " kB" : std::to_string(bytes / 1'000'000) + " MB";
  }

  void policy_incidents();
  void sensitive_actions();
  void flow_incidents();
  void volume_incidents();
  void silence();
  void look_alikes();

  World& world_;
  const GeneratorConfig& config_;
  Random random_;
  std::int64_t learning_end_;
  std::int64_t slot_ = 0;
  std::set<std::uint32_t> used_;  // apps
  Injection out_;
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

void Planner::look_alikes() {
  const auto day = [&](std::int64_t n) { return config_.start_ns + n * day_ns; };
  const auto add_benign = [&](std::string kind, std::int64_t from, std::int64_t to) -> Incident& {
    Incident incident;
    incident.id = kind + "-" + std::to_string(1 + std::ranges::count(out_.look_alikes, kind, &Incident::kind));
    incident.kind = std::move(kind);
    incident.start_ns = from;
    incident.end_ns = to;
    return out_.look_alikes.emplace_back(std::move(incident));
  };
  Incident& service = add_benign("new_service", day(15), day(config_.days));
  service.destinations = {world_.destinations[world_.new_service].host};
  service.sentence = service.destinations[0] + " is new and more and more agents of all roles use it";
  const Agent& agent = world_.agents[world_.new_agent];
  Incident& joiner = add_benign("new_agent", day(agent.from_day), day(config_.days));
  joiner.principals = {agent.principal};
  joiner.app = world_.apps[agent.app].name;
  joiner.tenant = world_.tenant_of(world_.apps[agent.app]);
  joiner.sentence = agent.principal + " joins and does what its role does";
  Incident& backup = add_benign("backup_night", day(0), day(config_.days));
  backup.destinations = {world_.destinations[world_.backup_vault].host};
  for (const App& app : world_.apps)
    if (app.backup) backup.principals.push_back(app.service);
  backup.sentence = "Backups go to " + backup.destinations[0] + " every night, four times as much on Sundays";
  for (const App& app : world_.apps)
    if (day(app.release_day) > learning_end_ && app.build_weight >= 8) {
      Incident& release = add_benign("release", day(app.release_day), day(app.release_day + 2));
      release.app = app.name;
      release.tenant = world_.tenant_of(app);
      release.principals = {app.pipeline};
      release.sentence = app.name + " is released: many more builds for two days";
    }
}

}  // namespace

Injection inject(World& world, const GeneratorConfig& config, std::int64_t learning_end_ns) {
  return Planner(world, config, learning_end_ns).run();
}

}  // namespace tidewaiter::app::generate
