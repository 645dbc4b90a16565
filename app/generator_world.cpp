#include "app/generator_world.hpp"

#include <algorithm>

namespace tidewaiter::app::generate {
namespace {

using namespace std::string_view_literals;

constexpr std::array syllables = {"ba"sv, "cor"sv, "del"sv, "fen"sv, "gra"sv, "hol"sv, "in"sv, "jun"sv,
                                  "kel"sv, "lum"sv, "mar"sv, "nor"sv, "or"sv, "pel"sv, "qua"sv, "ri"sv,
                                  "sol"sv, "tan"sv, "ul"sv, "ver"sv, "wes"sv, "yar"sv, "zen"sv, "mo"sv};
constexpr std::array first_names = {"ada"sv, "ben"sv, "carla"sv, "dimitri"sv, "elif"sv, "farid"sv, "greta"sv,
                                    "hugo"sv, "ines"sv, "jonas"sv, "kemal"sv, "lena"sv, "mateo"sv, "nadia"sv,
                                    "olga"sv, "pavel"sv, "rosa"sv, "sven"sv, "tara"sv, "yusuf"sv};
constexpr std::array last_names = {"abele"sv, "bauer"sv, "costa"sv, "dahl"sv, "egger"sv, "fuchs"sv, "garcia"sv,
                                   "huber"sv, "ivanov"sv, "jensen"sv, "kaya"sv, "lopez"sv, "moser"sv, "novak"sv,
                                   "okafor"sv, "peters"sv, "rossi"sv, "silva"sv, "tanaka"sv, "weber"sv};
constexpr std::array app_nouns = {"helper"sv, "desk"sv, "flow"sv, "board"sv, "bot"sv, "hub"sv, "scan"sv, "sync"sv};
constexpr std::array models = {"large-3"sv, "small-2"sv, "medium-4"sv, "coder-2"sv};
constexpr std::array frameworks = {"flowkit"sv, "agentry"sv, "nocode-studio"sv};
constexpr std::array inner_services = {
    std::pair{"db"sv, "sql"sv},      std::pair{"docs"sv, "https"sv},  std::pair{"queue"sv, "kafka"sv},
    std::pair{"vault"sv, "https"sv}, std::pair{"erp"sv, "https"sv},   std::pair{"crm"sv, "https"sv},
    std::pair{"lake"sv, "s3"sv},     std::pair{"mail"sv, "smtp"sv},   std::pair{"search"sv, "https"sv},
    std::pair{"wiki"sv, "https"sv},  std::pair{"tickets"sv, "https"sv}, std::pair{"cache"sv, "grpc"sv}};

std::uint16_t port_of(std::string_view l7) {
  if (l7 == "sql") return 5432;
  if (l7 == "kafka") return 9092;
  if (l7 == "smtp") return 587;
  if (l7 == "grpc") return 50051;
  return 443;
}

std::string address(Place place, std::uint64_t n) {
  const auto octet = [&](int shift) { return std::to_string(n >> shift & 0xff); };
  if (place == Place::internal) return "10." + octet(16) + "." + octet(8) + "." + octet(0);
  if (place == Place::partner) return "203.0.113." + std::to_string(1 + n % 254);
  return "198." + std::to_string(18 + (n >> 16 & 1)) + "." + octet(8) + "." + octet(0);
}

std::string hex_text(std::uint64_t n, int digits) {
  std::string text;
  for (int i = digits - 1; i >= 0; --i) text += "0123456789abcdef"[n >> (4 * i) & 15];
  return text;
}

}  // namespace

const std::vector<RoleSeed>& role_seeds() {
  static const std::vector<RoleSeed> seeds = {
      {"billing", false, {"financial", "customer_data", "pii"}, {"internal"}, 17},
      {"payroll", false, {"pii", "financial", "restricted"}, {"internal"}, 17},
      {"support", false, {"customer_data", "internal"}, {"internal", "public"}, 16},
      {"sales", true, {"customer_data", "internal"}, {"public", "internal"}, 16},
      {"marketing", true, {"internal", "customer_data"}, {"public", "internal"}, 18},
      {"research", true, {"internal", "confidential"}, {"public"}, 17},
      {"procurement", false, {"financial", "confidential"}, {"internal"}, 16},
      {"legal", false, {"confidential", "restricted"}, {"internal"}, 17},
      {"hr", false, {"pii", "restricted"}, {"internal"}, 16},
      {"data-pipeline", false, {"telemetry", "customer_data"}, {"telemetry"}, 19},
      {"reporting", false, {"financial", "internal"}, {"internal"}, 18},
      {"it-ops", false, {"telemetry", "credential"}, {"telemetry"}, 17},
      {"triage", false, {"telemetry", "confidential"}, {"telemetry"}, 17},
      {"inventory", false, {"internal"}, {"internal"}, 16},
      {"onboarding", false, {"pii", "internal"}, {"internal"}, 16},
  };
  return seeds;
}

std::vector<std::uint32_t> sample(Random& random, const std::vector<std::uint32_t>& pool, std::size_t count) {
  std::vector<std::uint32_t> rest = pool, taken;
  while (taken.size() < count && !rest.empty()) {
    const std::size_t at = random.index(zipf(rest.size()));
    taken.push_back(rest[at]);
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return taken;
}

const std::string_view act_words[act_count] = {"send", "read", "list", "update", "create", "execute", "delete"};

std::string_view tier_name(Tier tier) {
  return tier == Tier::high ? "high" : tier == Tier::medium ? "medium" : "low";
}

std::uint32_t activity(Rhythm rhythm, std::int64_t local_hour) {
  static constexpr std::array<std::uint8_t, 24> office = {2,  2,  2,  2,  2,  4,  12, 35, 70, 95, 100, 90,
                                                          65, 80, 95, 90, 75, 50, 25, 12, 8,  5,  3,   2};
  // Trade that opens early and closes late, and rests on Fridays.
  static constexpr std::array<std::uint8_t, 24> shifts = {10, 6,  4,  4,  6,  20, 60, 90, 100, 95, 85, 70,
                                                          60, 65, 80, 90, 95, 100, 95, 85, 70, 50, 30, 18};
  const auto hour = static_cast<std::size_t>(((local_hour % 24) + 24) % 24);
  const std::int64_t day = (((local_hour / 24) % 7) + 7) % 7;  // 0 = Monday
  switch (rhythm) {
    case Rhythm::office: return day < 5 ? office[hour] : 1 + office[hour] / 10u;
    case Rhythm::round_the_clock: return 45 + office[hour] * (day < 5 ? 55u : 20u) / 100u;
    case Rhythm::steady: return 100;
    case Rhythm::shifts: return day == 4 ? shifts[hour] / 8u : shifts[hour];
    case Rhythm::night: return hour >= 1 && hour <= 3 ? 100 : 0;
  }
  return 0;
}

std::string make_word(Random& random) {
  std::string word;
  for (std::uint64_t i = random.between(2, 3); i > 0; --i) word += random.pick(syllables);
  return word;
}

std::string make_person(Random& random) {
  std::string name(random.pick(first_names));
  return name.append(".").append(random.pick(last_names));
}

World::World(std::uint64_t seed_, std::uint64_t events, std::uint32_t days) : seed(seed_) {
  Random random(mix(seed, 0x776f726c64));
  company = make_word(random);
  static constexpr std::array regions = {std::pair{"eu"sv, 1}, std::pair{"us"sv, -5}, std::pair{"apac"sv, 8}};
  for (std::size_t i = 0, count = random.between(2, 3); i < count; ++i) {
    tenants.push_back(company + "-" + std::string(regions[i].first));
    tenant_hours.push_back(regions[i].second);
  }
  const std::uint64_t per_week = events * 7 / std::max(days, 1u);
  const std::uint64_t agent_count = std::clamp<std::uint64_t>(per_week / 600, 80, 320);
  make_destinations(random);
  make_roles(random);
  high_tier_apps = static_cast<std::uint32_t>(2 * roles.size());
  make_apps(random, agent_count / 2);
  make_agents(random, agent_count);
  for (std::size_t i = 0; i <= 64; ++i) ranks.push_back(zipf(std::max<std::size_t>(i, 1)));
  const std::int64_t per_agent_day = static_cast<std::int64_t>(
      std::max<std::uint64_t>(events / 2 / agents.size() / std::max(days, 1u), 1));
  // Busier agents send smaller messages: a day's bytes do not depend on the number of events asked for.
  const std::int64_t shift = log2_q16(static_cast<std::uint64_t>(per_agent_day)) - log2_q16(18);
  for (Role& role : roles) role.level_q16 -= std::max<std::int64_t>(shift, 0);
  for (Agent& agent : agents) agent.level_q16 += roles[agent.role].level_q16;
}

std::uint32_t World::add_destination(Place place, std::string host) {
  Destination destination;
  destination.ip = address(place, hash_text(host));
  destination.host = std::move(host);
  destination.l7 = "https";
  destination.place = place;
  destinations.push_back(std::move(destination));
  return static_cast<std::uint32_t>(destinations.size() - 1);
}

void World::make_destinations(Random& random) {
  for (int number = 1; number <= 4; ++number)
    for (const auto& [name, l7] : inner_services) {
      const auto at = add_destination(
          Place::internal, std::string(name) + std::to_string(number) + ".corp.example");
      destinations[at].l7 = l7;
      destinations[at].port = port_of(l7);
    }
  backup_vault = add_destination(Place::internal, "backup.corp.example");
  destinations[backup_vault].l7 = "s3";
  for (int i = 0; i < 14; ++i) add_destination(Place::partner, "api." + make_word(random) + ".partner.example");
  for (int i = 0; i < 40; ++i) add_destination(Place::saas, "api." + make_word(random) + ".saas.example");
  for (int i = 0; i < 60; ++i)
    add_destination(Place::open, "www." + make_word(random) + (i % 2 ? ".example.org" : ".example.net"));
}

void World::make_roles(Random& random) {
  std::vector<std::uint32_t> by_place[4];
  for (std::uint32_t i = 0; i < destinations.size(); ++i)
    if (i != backup_vault) by_place[static_cast<unsigned>(destinations[i].place)].push_back(i);
  for (const RoleSeed& seed_of : role_seeds()) {
    Role role;
    role.name = seed_of.name;
    role.open = seed_of.open;
    role.inner_classes = seed_of.inner_classes;
    role.outer_classes = seed_of.outer_classes;
    role.level_q16 = std::int64_t{seed_of.level} << 16;
    role.inner_pool = sample(random, by_place[0], 10);
    for (std::uint32_t at : sample(random, by_place[1], 3)) role.inner_pool.push_back(at);
    role.outer_pool = sample(random, by_place[2], 6);
    if (role.open)
      for (std::uint32_t at : sample(random, by_place[3], 12)) role.outer_pool.push_back(at);
    roles.push_back(std::move(role));
  }
  new_service = add_destination(Place::saas, "api." + make_word(random) + "-assist.saas.example");
  destinations[new_service].known_from_day = 15;
}

void World::make_apps(Random& random, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    App app;
    app.role = static_cast<std::uint32_t>(i % roles.size());
    const Role& role = roles[app.role];
    app.tenant = static_cast<std::uint32_t>(random.below(tenants.size()));
    app.name = role.name + "-" + std::string(random.pick(app_nouns)) + "-" + std::to_string(i + 1);
    const bool sensitive = std::ranges::any_of(
        role.inner_classes, [](std::string_view c) { return c == "pii" || c == "restricted"; });
    const std::uint64_t dice = random.below(100);
    app.tier = dice < 30 ? Tier::high : dice < 70 || sensitive ? Tier::medium : Tier::low;
    if (role.open && app.tier == Tier::high) app.tier = Tier::medium;
    if (i < high_tier_apps && sensitive) app.tier = Tier::high;
    app.source = "/apps/" + app.name;
    app.owner = make_person(random);
    app.repository = "git.corp.example/" + role.name + "/" + app.name;
    app.image = "registry.corp.example/" + app.name;
    app.sensor = "sensor-" + std::to_string(i + 1);
    app.node = "node-" + std::to_string(1 + i % 12) + ".corp.example";
    app.node_ip = "10.9." + std::to_string(i / 200) + "." + std::to_string(10 + i % 200);
    app.service = "svc:" + app.name;
    app.pipeline = "ci:" + app.name;
    app.destinations = sample(random, role.inner_pool, random.between(3, 6));
    for (std::uint32_t at : sample(random, role.outer_pool, random.between(1, 2)))
      if (destinations[at].place == Place::saas) app.destinations.push_back(at);
    app.flow_weight = random.between(2, 10);
    app.build_weight = random.between(1, 10);
    app.release_day = static_cast<std::uint32_t>(random.below(release_weeks) * 7 + random.between(1, 3));  // Tuesday to Thursday
    if (i % 3 == 2) app.rhythm = Rhythm::steady;
    if (i % 6 == 5) app.flow_weight = 12;
    app.hash = hash_text(app.name);
    app.backup = i % 6 == 1;
    apps.push_back(std::move(app));
  }
}

void World::choose_destinations(Random& random, Agent& agent) const {
  const Role& role = roles[agent.role];
  agent.destinations = sample(random, role.inner_pool, random.between(3, 6));
  agent.inner = static_cast<std::uint32_t>(agent.destinations.size());
  for (std::uint32_t at : sample(random, role.outer_pool, random.between(2, 4)))
    if (apps[agent.app].tier != Tier::high || destinations[at].place == Place::saas)
      agent.destinations.push_back(at);
}

void World::make_agent(Random& random, std::uint32_t at, std::uint64_t number) {
  Agent agent;
  agent.app = at;
  agent.role = apps[at].role;
  agent.principal = "agent:" + roles[agent.role].name + "-" + make_word(random) + "-" + std::to_string(number);
  agent.hash = hash_text(agent.principal);
  agent.uid = "ag-" + hex_text(mix(seed, agent.hash), 10);
  agent.model = random.pick(models);
  agent.framework = random.pick(frameworks);
  agent.version = std::to_string(1 + random.below(3)) + "." + std::to_string(random.below(20));
  agent.mask = 1u << act_send | 1u << act_read | 1u << act_list;
  if (random.chance(700'000)) agent.mask |= 1u << act_update;
  if (random.chance(400'000)) agent.mask |= 1u << act_create;
  if (random.chance(200'000)) agent.mask |= 1u << act_execute;
  if (number % 7 == 3) agent.mask |= 1u << act_delete;
  for (unsigned act = 0; act < act_count; ++act)
    if (agent.mask >> act & 1) {
      agent.scope_list.append(agent.scopes.empty() ? "" : R"(",")").append(act_words[act]);
      agent.scopes.append(agent.scopes.empty() ? "" : " ").append(act_words[act]);
    }
  for (std::uint64_t i = random.between(1, 3); i > 0; --i) agent.humans.push_back(make_person(random));
  agent.weight = random.between(4, 12);
  agent.rhythm = random.chance(250'000) ? Rhythm::round_the_clock : Rhythm::office;
  agent.level_q16 = random.normal() / 2;
  choose_destinations(random, agent);
  agents.push_back(std::move(agent));
}

void World::make_agents(Random& random, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i)
    make_agent(random, static_cast<std::uint32_t>(i < apps.size() ? i : random.below(apps.size())), i + 1);
  make_agent(random, static_cast<std::uint32_t>(random.below(apps.size())), count + 1);
  new_agent = static_cast<std::uint32_t>(count);
  agents[new_agent].from_day = 17;
  agents[new_agent].weight = 8;
}

}  // namespace tidewaiter::app::generate
