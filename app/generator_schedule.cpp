#include "app/generator_schedule.hpp"

#include <algorithm>

namespace tidewaiter::app::generate {
namespace {

constexpr std::array kinds_of_damage = {MessageKind::tombstone, MessageKind::unmapped,  MessageKind::not_json,
                                        MessageKind::not_utf8,  MessageKind::truncated, MessageKind::too_deep,
                                        MessageKind::trailing_bytes};

}  // namespace

Schedule::Schedule(const World& world, const GeneratorConfig& config, std::vector<Plan> injected)
    : world_(world),
      config_(config),
      random_(mix(config.seed, 0x7363686564)),
      hours_(std::int64_t{config.days} * 24),
      pending_(static_cast<std::size_t>(hours_) + 1) {
  weigh_hours();
  for (const Plan& plan : injected) {
    const auto hour = std::clamp<std::int64_t>((plan.delivery_ns - config.start_ns) / hour_ns, 0, hours_);
    pending_[static_cast<std::size_t>(hour)].push_back(plan);
    ++planned_;
    const Step step = plan.step;
    ++made_[step == Step::flow ? flows : step == Step::deploy ? pipelines : agents];
  }
}

std::uint64_t Schedule::actors(Family family) const {
  return family == agents ? world_.agents.size() : world_.apps.size();
}

std::uint64_t Schedule::weight(Family family, std::size_t actor, std::int64_t hour) const {
  const std::int64_t time = config_.start_ns + hour * hour_ns;
  const auto day = static_cast<std::uint32_t>(hour / 24);
  const auto at = static_cast<std::uint32_t>(family == agents ? world_.agents[actor].app : actor);
  const App& app = world_.apps[at];
  if (silent(at, time)) return 0;
  const std::int64_t local = hour + world_.tenant_hours[app.tenant];
  if (family == flows) return app.flow_weight * activity(app.rhythm, local);
  if (family == agents) {
    const Agent& agent = world_.agents[actor];
    return day < agent.from_day ? 0 : agent.weight * activity(agent.rhythm, local);
  }
  const bool release = day == app.release_day || day == app.release_day + 1;
  return app.build_weight * (release ? 6 : 1) * activity(world_.rhythm, local);
}

void Schedule::weigh_hours() {
  for (unsigned family = 0; family < family_count; ++family) {
    std::uint64_t sum = 0;
    for (std::int64_t hour = 0; hour < hours_; ++hour) {
      for (std::size_t actor = 0; actor < actors(Family(family)); ++actor)
        sum += weight(Family(family), actor, hour);
      upto_[family].push_back(sum);
    }
  }
}

Plan Schedule::base(Step step, std::uint32_t actor, std::int64_t time) {
  Plan plan;
  plan.step = step;
  plan.actor = actor;
  plan.time_ns = std::min(time, end_ns() - 1);
  plan.seed = random_.next();
  return plan;
}

void Schedule::add(Plan plan) {
  // An approval that comes late or broken would make a false alert a true one.
  // These are 15 % of all, so the others bear their share.
  const bool fragile = plan.link != 0;
  const auto share = [](std::uint32_t per_million) { return per_million * 20 / 17; };
  plan.late = !fragile && random_.chance(share(config_.late_per_million));
  // Collectors send within three seconds, mostly at once; a late event was stuck on the way.
  const std::uint64_t lag_ms = plan.late ? random_.between(15 * 60'000, 4 * 3'600'000)
                                         : random_.below(3000) * random_.below(1000) / 1000;
  plan.delivery_ns = plan.time_ns + static_cast<std::int64_t>(lag_ms) * 1'000'000;
  if (config_.malformed_per_million > 0 && !fragile && random_.chance(share(config_.malformed_per_million)))
    plan.kind = random_.pick(kinds_of_damage);
  const std::int64_t hour = std::min((plan.delivery_ns - config_.start_ns) / hour_ns, hours_);
  pending_[static_cast<std::size_t>(hour)].push_back(plan);
  ++planned_;
}

void Schedule::agent_unit(std::uint32_t agent, std::int64_t time) {
  const Agent& of = world_.agents[agent];
  const bool may_delete = of.mask >> act_delete & 1;
  if (!may_delete || !random_.chance(8000) || time + hour_ns >= std::min(end_ns(), world_.apps[of.app].silent_from_ns)) {
    add(base(Step::agent_call, agent, time));
    ++made_[agents];
    return;
  }
  Plan approval = base(Step::agent_approval, agent, time);
  approval.link = random_.next();
  approval.approval = Approval::by_human;
  Plan deletion = base(Step::agent_call, agent, time + static_cast<std::int64_t>(random_.between(5, 40)) * minute_ns);
  deletion.act = act_delete;
  deletion.link = approval.link;
  deletion.approval = Approval::by_human;
  deletion.destination = static_cast<std::int32_t>(of.destinations[0]);
  add(approval);
  add(deletion);
  made_[agents] += 2;
}

void Schedule::pipeline_run(std::uint32_t app, std::int64_t time, std::int64_t limit) {
  const std::uint64_t link = random_.next();
  std::int64_t at = time;
  const auto step = [&](Step what, std::uint64_t from_s, std::uint64_t to_s) {
    at += static_cast<std::int64_t>(random_.between(from_s, to_s)) * second_ns;
    if (at >= limit) return;
    Plan plan = base(what, app, at);
    plan.link = link;
    if (what == Step::deploy) plan.approval = Approval::by_human;
    add(plan);
    ++made_[pipelines];
  };
  step(Step::build, 0, 0);
  step(Step::sbom, 20, 90);
  step(Step::sign, 10, 60);
  step(Step::verify, 10, 60);
  if (random_.below(3) != 0) return;
  step(Step::approval, 5 * 60, 40 * 60);
  step(Step::deploy, 2 * 60, 15 * 60);
}

void Schedule::draw(Family family, std::int64_t hour, std::uint64_t count) {
  cumulative_.clear();
  std::uint64_t sum = 0;
  for (std::size_t actor = 0; actor < actors(family); ++actor)
    cumulative_.push_back(sum += weight(family, actor, hour));
  if (sum == 0) return;
  const std::int64_t start = config_.start_ns + hour * hour_ns;
  const std::uint64_t goal = made_[family] + count;
  while (made_[family] < goal) {
    const auto actor = static_cast<std::uint32_t>(random_.index(cumulative_));
    const std::int64_t time = start + static_cast<std::int64_t>(random_.below(hour_ns));
    if (family == agents) {
      agent_unit(actor, time);
    } else if (family == pipelines) {
      pipeline_run(actor, time, std::min(end_ns(), world_.apps[actor].silent_from_ns));
    } else {
      add(base(random_.chance(120'000) ? Step::dns : Step::flow, actor, time));
      ++made_[flows];
    }
  }
}

void Schedule::backups(std::int64_t hour) {
  if (hour % 24 != 2) return;
  const bool big = (hour / 24) % 7 == world_.backup_big_day;
  for (std::uint32_t at = 0; at < world_.apps.size(); ++at) {
    const App& app = world_.apps[at];
    if (!app.backup) continue;
    for (std::uint32_t part = 0; part < backup_parts; ++part) {
      const std::int64_t time = config_.start_ns + hour * hour_ns + part * 12 * minute_ns +
                                static_cast<std::int64_t>(random_.below(600)) * second_ns;
      if (silent(at, time)) continue;
      Plan plan = base(Step::flow, at, time);
      plan.destination = static_cast<std::int32_t>(world_.backup_vault);
      plan.bytes = backup_part_bytes * (big ? 4 : 1) / 10 * random_.between(9, 11);
      add(plan);
      ++made_[flows];
    }
  }
}

bool Schedule::next_hour(std::vector<Plan>& out) {
  out.clear();
  if (hour_ > hours_) return false;
  if (hour_ < hours_) {
    const auto at = static_cast<std::size_t>(hour_);
    if (config_.events >= 20'000) backups(hour_);
    for (Family family : {agents, pipelines, flows}) {
      const Wide goal = Wide{config_.events} * world_.shares[family] * upto_[family][at] / (Wide{100} * upto_[family].back());
      if (goal > made_[family]) draw(family, hour_, static_cast<std::uint64_t>(goal) - made_[family]);
    }
    // Rounding, and runs that the end cut short, are made up by the running apps in the last hour.
    if (hour_ + 1 == hours_ && planned_ < config_.events) draw(flows, hour_, config_.events - planned_);
  }
  out.swap(pending_[static_cast<std::size_t>(hour_++)]);
  std::ranges::sort(out, [](const Plan& a, const Plan& b) {
    return a.delivery_ns != b.delivery_ns ? a.delivery_ns < b.delivery_ns : a.seed < b.seed;
  });
  return true;
}

}  // namespace tidewaiter::app::generate
