// The twelve exfiltration scenarios, two of them in two strengths, and apps that fail or are slow, four incidents of each: by
// size and time only, whatever judges them. Sizes are multiples of what the agent really does; ramps begin in the learning half.
#include <algorithm>
#include <functional>
#include <set>

#include "app/generator_injector.hpp"

namespace tidewaiter::app::generate {
namespace {

constexpr std::string_view every_class[] = {"source_code", "model_artifact", "phi", "pci", "financial", "pii",
                                            "customer_data", "restricted", "confidential"};

class Scenarios : Injector {
 public:
  Scenarios(World& world, const GeneratorConfig& config, std::int64_t learning_end)
      : Injector(world, config, learning_end, 0x7363656e), learning_day_((learning_end - config.start_ns) / day_ns) {
    for (std::uint32_t at : world.busy) taken_.insert(at);
  }

  Injection run() {
    const std::uint64_t entities = world_.agents.size() + world_.apps.size() + world_.destinations.size();
    for (int i = 0; i < incidents_each; ++i) {
      forbidden_flow();
      bulk_new();
      bulk_known(choose(plain), "bulk_known_sparse");
      ramp("low_and_slow_30", 130, workday_until(-1 - i), 13);
      ramp("low_and_slow_10", 110, workday_until(-3 - i), 28);
      off_hours_export();
      new_data_class();
      smurfing();
      rare_chain();
      beacon();
      peer_imitation();
      poisoned_ramp(i);
    }
    for (std::size_t i = 0; i < world_.busy.size(); ++i)
      if (i < 2 * incidents_each) rate_burst(world_.busy[i], i % 2 == 0 ? 10 : 3);
      else bulk_known(world_.busy[i], "bulk_known_destination");
    if (world_.durations)
      for (int i = 0; i < 2 * incidents_each; ++i) app_spell(i);
    look_alikes();
    role_releases();
    count_entity_days(entities);
    return finish();
  }

 private:
  static constexpr int incidents_each = 4;
  using Match = std::function<bool(const Agent&, const App&, const Role&)>;

  static bool plain(const Agent& agent, const App& app, const Role& role) {
    return app.tier != Tier::high && closed(agent, role);
  }
  /// An agent of people's hours, of some diligence, that nothing else happens to; in an app of its own as long as there is one.
  std::uint32_t choose(const Match& match) {
    const std::size_t count = world_.agents.size(), start = random_.below(count);
    for (bool own_app : {true, false})
      for (std::size_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::uint32_t>((start + i) % count);
        const Agent& agent = world_.agents[at];
        if (agent.from_day > 0 || agent.weight < 8 || agent.rhythm != world_.rhythm || taken_.contains(at)) continue;
        if (own_app && taken_apps_.contains(agent.app)) continue;
        if (!match(agent, world_.apps[agent.app], world_.roles[agent.role])) continue;
        taken_.insert(at);
        taken_apps_.insert(agent.app);
        return at;
      }
    return static_cast<std::uint32_t>(start);
  }
  std::int64_t at_local(const Agent& agent, std::int64_t day, std::uint64_t hour, std::uint64_t minute) const {
    const std::int64_t offset = world_.tenant_hours[world_.apps[agent.app].tenant];
    return config_.start_ns + day * day_ns + (static_cast<std::int64_t>(hour) - offset) * hour_ns +
           static_cast<std::int64_t>(minute) * minute_ns;
  }
  /// The last workday up to `day`, both counted from the end of the learning half.
  std::int64_t workday_until(std::int64_t day) const {
    while (!world_.workday(learning_day_ + day)) --day;
    return day;
  }
  /// A workday of the judged half, another one for each call as long as there are some.
  std::int64_t choose_day() {
    const std::int64_t first = learning_day_ + 1, count = config_.days - 3 - first;
    std::int64_t day = first + slot_++ * 5 % std::max<std::int64_t>(count, 1);
    while (!world_.workday(day) && day > first) --day;
    while (!world_.workday(day)) ++day;
    return day;
  }
  std::int64_t choose_time(const Agent& agent) {
    return at_local(agent, choose_day(), random_.between(9, 15), random_.below(50));
  }
  /// `half_steps`: 7 on average, of a pair 2 * (key & 7).
  std::uint64_t with_drift(std::uint64_t bytes, std::int64_t day, std::int64_t half_steps) const {
    const std::int64_t q16 = (half_steps + 2 * world_.drift_from) * world_.drift_step_q16 / 2 * day / 7;
    return bytes * exp2_q16(q16 + (8 << 16)) >> 8;
  }
  std::uint64_t daily_bytes_at_first(const Agent& agent) const {
    const std::uint64_t sends_x64 = agent.weight * world_.messages_per_weight_x64 * 45 / 100;
    const std::uint64_t each = exp2_q16(agent.level_q16 + 45'000) * (world_.heavy_tails ? 9 : 4) / 4;
    return each * std::max<std::uint64_t>(sends_x64, 64) / 64;
  }
  /// What an agent sends to all destinations on a day.
  std::uint64_t daily_bytes(const Agent& agent, std::int64_t day) const {
    return with_drift(daily_bytes_at_first(agent), day, 7);
  }
  /// ... to the public destination that it uses most.
  std::uint64_t daily_bytes_outside(const Agent& agent, std::int64_t day) const {
    const auto& rank = world_.ranks[agent.destinations.size() - agent.inner];
    const std::uint64_t key = mix(agent.hash, hash_text(host(known_outside(agent))));
    const std::int64_t of_edge = normal_q16(mix(key, 3), mix(key, 4)) * 5 / 8;
    const std::uint64_t share = daily_bytes_at_first(agent) * 4 / 10 * rank.front() / rank.back();
    return with_drift(share * exp2_q16(of_edge + (8 << 16)) >> 8, day, 2 * static_cast<std::int64_t>(key & 7));
  }
  std::string_view outer_class(const Agent& agent) const { return world_.roles[agent.role].outer_classes[0]; }
  Incident& open_on(std::string kind, const Agent& agent) {
    Incident& incident = open(std::move(kind), "", world_.apps[agent.app]);
    incident.principals = {agent.principal};
    return incident;
  }

  void forbidden_flow();
  void bulk_new();
  void bulk_known(std::uint32_t at, std::string kind);
  void ramp(std::string kind, std::uint64_t per_cent, std::int64_t first_day, std::int64_t days);
  std::int64_t grow(std::uint32_t at, std::uint64_t per_cent, std::int64_t first_day, std::int64_t days);
  void off_hours_export();
  void new_data_class();
  void smurfing();
  void rate_burst(std::uint32_t at, std::uint64_t factor);
  void rare_chain();
  void beacon();
  void peer_imitation();
  void poisoned_ramp(int number);
  std::vector<std::uint64_t> weights_of_apps() const;
  std::int64_t emptiest_day(int from) const;
  void app_spell(int number);
  void role_releases();
  void count_entity_days(std::uint64_t entities);

  std::int64_t learning_day_;
  std::int64_t slot_ = 0;
  std::set<std::uint32_t> taken_, taken_apps_;
};

void Scenarios::forbidden_flow() {
  const std::uint32_t at = choose([](const Agent& agent, const App& app, const Role& role) {
    return app.tier == Tier::high && closed(agent, role);
  });
  const Agent& agent = world_.agents[at];
  open_on("forbidden_flow", agent).sentence =
      agent.principal + " of a high-tier app sends restricted data to " + host(known_outside(agent)) + ", a public host";
  sends(at, choose_time(agent), 3, 10, known_outside(agent), "restricted");
}

void Scenarios::bulk_new() {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  const std::int64_t time = choose_time(agent);
  const std::uint64_t bytes = 5 * daily_bytes(agent, (time - config_.start_ns) / day_ns);
  const auto to = static_cast<std::int32_t>(new_host(".example.com"));
  open_on("bulk_new_destination", agent).sentence =
      agent.principal + " sends " + megabytes(bytes) + ", five times its usual day, to the new host " + host(to);
  sends(at, time, 3, 4, to, outer_class(agent), bytes / 3);
}

// Of an agent with a transfer every few minutes an hour has a level; one or two transfers an hour are none.
void Scenarios::bulk_known(std::uint32_t at, std::string kind) {
  const Agent& agent = world_.agents[at];
  const std::int64_t time = choose_time(agent) / hour_ns * hour_ns;
  std::uint64_t week = 0;
  for (std::int64_t hour = 0; hour < 7 * 24; ++hour) week += activity(agent.rhythm, hour);
  const std::uint64_t hourly = daily_bytes_outside(agent, (time - config_.start_ns) / day_ns) * 7 * 95 / week;
  open_on(std::move(kind), agent).sentence =
      agent.principal + " sends " + megabytes(3 * hourly) + " within an hour to " + host(known_outside(agent)) +
      ", three times its busiest hours";
  sends(at, time + minute_ns, 6, 55, known_outside(agent), outer_class(agent), 3 * hourly / 6);
}

// What comes on top of the usual: on day n of the ramp the whole is rate^n of the usual. Returns the day after it.
std::int64_t Scenarios::grow(std::uint32_t at, std::uint64_t per_cent, std::int64_t first_day, std::int64_t days) {
  const Agent& agent = world_.agents[at];
  std::uint64_t factor_q16 = 65536;
  const std::int64_t first = learning_day_ + first_day;
  for (std::int64_t day = first; day < first + days; ++day) {
    factor_q16 = factor_q16 * per_cent / 100;
    if (at_local(agent, day, 17, 0) > config_.start_ns + config_.days * day_ns) break;
    if (!world_.workday(day)) continue;
    const std::uint64_t more = daily_bytes_outside(agent, day) * (factor_q16 - 65536) >> 16;
    sends(at, at_local(agent, day, 9, random_.below(30)), 8, 7 * 60, known_outside(agent), outer_class(agent),
          std::max<std::uint64_t>(more / 8, 64));
  }
  return first + days;
}

void Scenarios::ramp(std::string kind, std::uint64_t per_cent, std::int64_t first_day, std::int64_t days) {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  open_on(std::move(kind), agent).sentence = agent.principal + " sends " + std::to_string(per_cent - 100) +
                                             " % more each day to " + host(known_outside(agent));
  grow(at, per_cent, first_day, days);
}

void Scenarios::poisoned_ramp(int number) {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  Incident& incident = open_on("poisoned_ramp", agent);
  std::int64_t day = grow(at, 102, -14 - number, 30);
  while (!world_.workday(day)) ++day;
  const std::uint64_t bytes = 5 * daily_bytes(agent, day);
  incident.sentence = agent.principal + " sends 2 % more each day for 30 days to " + host(known_outside(agent)) + ", then " +
                      megabytes(bytes) + " there within half an hour";
  incident.counts_from_ns = at_local(agent, day, 11, random_.below(50));
  sends(at, incident.counts_from_ns, 6, 30, known_outside(agent), outer_class(agent), bytes / 6);
}

void Scenarios::off_hours_export() {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  open_on("off_hours_export", agent).sentence =
      agent.principal + " sends at three in the morning what it else sends to " + host(known_outside(agent)) + " by day";
  sends(at, at_local(agent, choose_day(), 3, random_.below(30)), 10, 60, known_outside(agent), outer_class(agent));
}

void Scenarios::new_data_class() {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  const Role& role = world_.roles[agent.role];
  std::string_view word;
  for (std::uint64_t i = random_.below(std::size(every_class)), end = i + std::size(every_class); i < end && word.empty(); ++i) {
    const std::string_view each = every_class[i % std::size(every_class)];
    if (!std::ranges::count(role.inner_classes, each) && !std::ranges::count(role.outer_classes, each)) word = each;
  }
  open_on("new_data_class", agent).sentence = agent.principal + " sends " + std::string(word) + " to " +
                                              host(known_outside(agent)) + "; its role never handled any";
  sends(at, choose_time(agent), 3, 4, known_outside(agent), word, 3000);
}

void Scenarios::smurfing() {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  open_on("smurfing", agent).sentence = agent.principal + " spreads small amounts over 50 new hosts within half an hour";
  const std::int64_t time = choose_time(agent);
  for (int i = 0; i < 50; ++i) {
    Plan plan = send(at, time + i * 35 * second_ns, static_cast<std::int32_t>(new_host(".example.org")), outer_class(agent));
    plan.bytes = 2000 + random_.below(6000);
    add(plan);
  }
}

void Scenarios::rate_burst(std::uint32_t at, std::uint64_t factor) {
  const Agent& agent = world_.agents[at];
  const std::int64_t day = choose_day();
  std::uint64_t hour = random_.between(7, 18);
  while (activity(agent.rhythm, day * 24 + static_cast<std::int64_t>(hour)) < 90) hour = random_.between(7, 18);
  open_on("rate_burst_" + std::to_string(factor), agent).sentence =
      agent.principal + " does " + std::to_string(factor) + " times as much as usual for ten minutes";
  const std::int64_t time = at_local(agent, day, hour, random_.below(45));
  const auto count = static_cast<std::int64_t>((factor - 1) * 35);
  for (std::int64_t i = 0; i < count; ++i) {
    Plan plan = base(Step::agent_call, at, time + i * 10 * minute_ns / count);
    plan.act = i % 3 == 0 ? act_send : act_read;
    plan.destination = static_cast<std::int32_t>(agent.destinations[random_.index(world_.ranks[agent.inner])]);
    add(plan);
  }
}

// Deleting has its approval, given by somebody who did not look.
void Scenarios::rare_chain() {
  const std::uint32_t at = choose([](const Agent& agent, const App& app, const Role& role) {
    return plain(agent, app, role) && (agent.mask >> act_delete & 1) != 0;
  });
  const Agent& agent = world_.agents[at];
  open_on("rare_chain", agent).sentence =
      agent.principal + " lists, reads, exports and deletes the log of it, three times in a row";
  const std::int64_t time = choose_time(agent);
  for (int round = 0; round < 3; ++round) {
    Plan approval = base(Step::agent_approval, at, time - (20 - round) * minute_ns);
    approval.link = random_.next();
    approval.approval = Approval::by_human;
    approval.incident = 0;
    out_.plans.push_back(approval);
    constexpr std::uint8_t acts[] = {act_list, act_read, act_send, act_delete};
    for (int i = 0; i < 4; ++i) {
      Plan plan = base(Step::agent_call, at, time + (round * 120 + i * 20) * second_ns);
      plan.act = acts[i];
      plan.destination = acts[i] == act_send ? known_outside(agent) : static_cast<std::int32_t>(agent.destinations[0]);
      if (acts[i] == act_delete) {
        plan.resource = "audit_log";
        plan.link = approval.link;
        plan.approval = Approval::by_human;
      }
      add(plan);
    }
  }
}

void Scenarios::beacon() {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  open_on("beacon", agent).sentence =
      agent.principal + " sends a little to " + host(known_outside(agent)) + " every ten minutes, for a day";
  const std::int64_t start = at_local(agent, choose_day(), 8, random_.below(30));
  for (std::int64_t time = start; time < start + day_ns; time += static_cast<std::int64_t>(random_.between(540, 660)) * second_ns) {
    Plan plan = send(at, time, known_outside(agent), outer_class(agent));
    plan.bytes = 1500 + random_.below(1000);
    add(plan);
  }
}

void Scenarios::peer_imitation() {
  const std::uint32_t at = choose(plain);
  const Agent& agent = world_.agents[at];
  const Role& own = world_.roles[agent.role];
  const Role* peer = &own;
  while (peer->inner_classes == own.inner_classes || peer->open) peer = &random_.pick(world_.roles);
  open_on("peer_imitation", agent).sentence =
      agent.principal + " of the role " + own.name + " does for hours what those of the role " + peer->name + " do";
  const std::int64_t time = at_local(agent, choose_day(), 9, 0);
  for (int i = 0; i < 30; ++i) {
    const bool out = i % 3 == 2;
    Plan plan = base(Step::agent_call, at, time + i * 14 * minute_ns + static_cast<std::int64_t>(random_.below(10)) * minute_ns);
    plan.act = out || i % 3 == 1 ? act_send : act_read;
    const auto& pool = out ? peer->outer_pool : peer->inner_pool;
    plan.destination = static_cast<std::int32_t>(pool[random_.index(world_.ranks[std::min<std::size_t>(pool.size(), 8)])]);
    plan.data_class = out ? random_.pick(peer->outer_classes) : random_.pick(peer->inner_classes);
    add(plan);
  }
}

/// What an app's agents of people's hours weigh together; 0 = something else happens there.
std::vector<std::uint64_t> Scenarios::weights_of_apps() const {
  std::vector<std::uint64_t> weights(world_.apps.size());
  for (const Agent& agent : world_.agents)
    if (agent.rhythm == world_.rhythm) weights[agent.app] += agent.weight;
  for (const std::uint32_t at : world_.busy) weights[world_.agents[at].app] = 0;
  for (const std::uint32_t at : taken_apps_) weights[at] = 0;
  return weights;
}

/// The workday of the judged half on which the fewest incidents begin; of several the first from the day `from` * 3 of it on, in turn.
std::int64_t Scenarios::emptiest_day(int from) const {
  const std::int64_t first = learning_day_ + 1, count = std::max<std::int64_t>(config_.days - 3 - first, 1);
  std::int64_t best = first, fewest = INT64_MAX;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t day = first + (from * 3 + i) % count;
    const auto incidents = std::ranges::count_if(out_.truth, [&](const Incident& of) { return (of.start_ns - config_.start_ns) / day_ns == day; });
    if (!world_.workday(day) || incidents >= fewest) continue;
    best = day;
    fewest = incidents;
  }
  return best;
}

// Two hours in which an app of more than the usual traffic fails, or is slow. With dice of its own, so that all else is as without it.
void Scenarios::app_spell(int number) {
  constexpr std::uint64_t salt = 0x6865616c;
  Random dice(mix(config_.seed, salt, static_cast<std::uint64_t>(number)));
  const std::vector<std::uint64_t> weights = weights_of_apps();
  std::uint64_t sum = 0, free = 0;
  for (const std::uint64_t weight : weights) sum += weight, free += weight > 0;
  auto at = static_cast<std::uint32_t>(dice.below(weights.size()));
  for (std::size_t i = 0; i < weights.size() && weights[at] * free <= sum; ++i) at = (at + 1) % static_cast<std::uint32_t>(weights.size());
  taken_apps_.insert(at);
  App& app = world_.apps[at];
  const std::int64_t day = emptiest_day(number), hour = static_cast<std::int64_t>(dice.between(9, 14)) - world_.tenant_hours[app.tenant];
  const std::int64_t from = config_.start_ns + day * day_ns + hour * hour_ns + static_cast<std::int64_t>(dice.below(60)) * minute_ns;
  const bool fails = number % 2 == 0;
  (fails ? app.failing : app.slow) = {from, from + 2 * hour_ns};
  Incident& incident = open(fails ? "app_errors" : "app_slow", "", app);
  incident.start_ns = from;
  incident.end_ns = from + 2 * hour_ns;
  incident.sentence = fails ? "A fifth of what " + app.name + " does fails, for two hours"
                            : "Calls of " + app.name + " take four times as long as usual, for two hours";
}

void Scenarios::role_releases() {
  for (const Role& role : world_.roles) {
    Incident release;
    release.kind = "role_release";
    release.id = "role_release-" + role.name;
    release.start_ns = config_.start_ns + role.release_day * day_ns;
    release.end_ns = release.start_ns + 2 * day_ns;
    release.sentence = "All agents of the role " + role.name + " send two or three times as much for two days";
    out_.look_alikes.push_back(std::move(release));
  }
}

void Scenarios::count_entity_days(std::uint64_t entities) {
  std::set<std::pair<std::uint32_t, std::int64_t>> days;
  for (const Plan& plan : out_.plans) days.emplace(plan.actor, (plan.time_ns - config_.start_ns) / day_ns);
  out_.incident_entity_days = days.size() + (world_.durations ? 2 * incidents_each : 0);
  out_.entity_days = entities * config_.days;
}

}  // namespace

Injection inject_scenarios(World& world, const GeneratorConfig& config, std::int64_t learning_end_ns) {
  return Scenarios(world, config, learning_end_ns).run();
}

}  // namespace tidewaiter::app::generate
