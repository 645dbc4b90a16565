#include "app/generator_injector.hpp"

#include <algorithm>

namespace tidewaiter::app::generate {
namespace {

constexpr std::string_view weekdays[] = {"Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"};

}  // namespace

Incident& Injector::open(std::string kind, std::string expect, const App& app) {
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

Plan Injector::base(Step step, std::uint32_t actor, std::int64_t time) {
  Plan plan;
  plan.step = step;
  plan.actor = actor;
  plan.time_ns = time;
  plan.seed = random_.next();
  plan.incident = static_cast<std::uint16_t>(out_.truth.size());
  return plan;
}

Plan Injector::send(std::uint32_t agent, std::int64_t time, std::int32_t destination, std::string_view data_class) {
  Plan plan = base(Step::agent_call, agent, time);
  plan.act = act_send;
  plan.destination = destination;
  plan.data_class = data_class;
  return plan;
}

void Injector::add(Plan plan) {
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

void Injector::sends(std::uint32_t agent, std::int64_t time, int count, int minutes, std::int32_t destination,
                     std::string_view data_class, std::uint64_t bytes_each) {
  for (int i = 0; i < count; ++i) {
    Plan plan = send(agent, time + i * (minutes * minute_ns / count), destination, data_class);
    plan.bytes = bytes_each == 0 ? 0 : bytes_each * 9 / 10 + random_.below(bytes_each / 5 + 1);
    add(plan);
  }
}

void Injector::look_alikes() {
  const auto day = [&](std::int64_t n) { return config_.start_ns + n * day_ns; };
  const auto add_benign = [&](std::string kind, std::int64_t from, std::int64_t to) -> Incident& {
    Incident incident;
    incident.id = kind + "-" + std::to_string(1 + std::ranges::count(out_.look_alikes, kind, &Incident::kind));
    incident.kind = std::move(kind);
    incident.start_ns = from;
    incident.end_ns = to;
    return out_.look_alikes.emplace_back(std::move(incident));
  };
  const Destination& adopted = world_.destinations[world_.new_service];
  Incident& service = add_benign("new_service", day(adopted.known_from_day), day(config_.days));
  service.destinations = {adopted.host};
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
  backup.sentence = "Backups go to " + backup.destinations[0] + " every night, four times as much on " +
                    std::string(weekdays[world_.backup_big_day]);
  for (const App& app : world_.apps)
    if (day(app.release_day) > learning_end_ && app.build_weight >= 8) {
      Incident& release = add_benign("release", day(app.release_day), day(app.release_day + 2));
      release.app = app.name;
      release.tenant = world_.tenant_of(app);
      release.principals = {app.pipeline};
      release.sentence = app.name + " is released: many more builds for two days";
    }
}

Injection Injector::finish() {
  for (Plan& plan : out_.plans) plan.delivery_ns = plan.time_ns + static_cast<std::int64_t>(random_.below(second_ns));
  return std::move(out_);
}

}  // namespace tidewaiter::app::generate
