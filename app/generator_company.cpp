// Companies made to measure: `full`, at which detection is judged, and `other`, of another size, week and spread.
#include <algorithm>
#include <set>

#include "app/generator_plan.hpp"

namespace tidewaiter::app::generate {
namespace {

using namespace std::string_view_literals;

// Twelve classes of data; credentials are left to policy.
constexpr std::array data_classes = {"public"sv,        "internal"sv,       "confidential"sv, "restricted"sv,
                                     "pii"sv,           "phi"sv,            "pci"sv,          "source_code"sv,
                                     "customer_data"sv, "model_artifact"sv, "telemetry"sv,    "financial"sv};
constexpr std::uint32_t busy_agents = 12;
constexpr std::uint64_t busy_per_hour = 210;  // messages of a busy agent at full activity: 3.5 a minute
constexpr std::int64_t level_of_measured = 5 << 16;  // fewer and larger transfers than the demo's: what leaves matters

constexpr Shape full_shape = {.tenants = 3, .roles = 60, .apps = 150, .agents = 2000, .destinations = 5000,
                              .drift_step_q16 = 1318,  // 0 to 10 % a week, 5 % on average
                              .takes_up_days = 140, .backup_big_day = 6, .rhythm = Rhythm::office, .heavy_tails = false,
                              .durations = true};
constexpr Shape other_shape = {.tenants = 2, .roles = 22, .apps = 90, .agents = 700, .destinations = 12'000,
                               .drift_step_q16 = 2079,  // 8 % a week on average
                               .takes_up_days = 70, .backup_big_day = 3, .rhythm = Rhythm::shifts, .heavy_tails = true,
                               .durations = false};

std::uint64_t weekly_activity(Rhythm rhythm) {
  std::uint64_t sum = 0;
  for (std::int64_t hour = 0; hour < 7 * 24; ++hour) sum += activity(rhythm, hour);
  return sum;
}

std::vector<std::string_view> classes_of(Random& random, const std::vector<std::string_view>& seed, bool inner) {
  std::vector<std::string_view> classes = seed;
  std::erase(classes, "credential"sv);
  // A variant of a role may handle one more class; to public hosts only what may go there.
  const std::string_view more = random.pick(data_classes);
  if (inner && random.below(2) == 0 && !std::ranges::count(classes, more)) classes.push_back(more);
  return classes;
}

}  // namespace

World::World(const Shape& shape, std::uint64_t seed_, std::uint64_t events, std::uint32_t days) : seed(seed_) {
  Random random(mix(seed, 0x6d656173));
  company = make_word(random);
  static constexpr std::array regions = {std::pair{"eu"sv, 1}, std::pair{"us"sv, -5}, std::pair{"apac"sv, 8}};
  for (std::uint32_t i = 0; i < shape.tenants; ++i) {
    tenants.push_back(company + "-" + std::string(regions[i].first));
    tenant_hours.push_back(regions[i].second);
  }
  shares = {70, 8, 22};
  takes_up_days = shape.takes_up_days;
  drift_from = 0;
  drift_step_q16 = shape.drift_step_q16;
  backup_big_day = shape.backup_big_day;
  release_weeks = std::max(days / 7, 1u);
  rhythm = shape.rhythm;
  heavy_tails = shape.heavy_tails;
  durations = shape.durations;
  make_many_destinations(random, shape.destinations);
  make_many_roles(random, shape.roles);
  new_service = add_destination(Place::saas, "api." + make_word(random) + "-assist.saas.example");
  destinations[new_service].known_from_day = days * 5 / 8;
  for (Role& role : roles) role.release_day = days * 2 / 8 + static_cast<std::uint32_t>(random.below(days * 5 / 8));
  high_tier_apps = shape.roles / 2;
  make_apps(random, shape.apps);
  for (std::size_t i = 0; i <= 64; ++i) ranks.push_back(zipf(std::max<std::size_t>(i, 1)));
  make_many_agents(random, shape, days);
  share_messages(events, days);
}

std::vector<std::uint32_t> World::by_place(Place place) const {
  std::vector<std::uint32_t> found;
  for (std::uint32_t i = 0; i < destinations.size(); ++i)
    if (i != backup_vault && destinations[i].place == place) found.push_back(i);
  return found;
}

void World::make_many_destinations(Random& random, std::uint32_t count) {
  std::set<std::string> taken;
  const auto host = [&](std::string_view prefix, std::string_view domain) {
    std::string name;
    do name = std::string(prefix) + make_word(random) + make_word(random) + std::string(domain);
    while (!taken.insert(name).second);
    return name;
  };
  backup_vault = add_destination(Place::internal, "backup.corp.example");
  destinations[backup_vault].l7 = "s3";
  // A quarter is the company's own, a twentieth partners', three tenths services, the rest the open Internet.
  for (std::uint32_t i = 1; i + 1 < count; ++i) {
    const std::uint32_t part = i % 20;
    if (part < 5) add_destination(Place::internal, host("", ".corp.example"));
    else if (part < 6) add_destination(Place::partner, host("api.", ".partner.example"));
    else if (part < 12) add_destination(Place::saas, host("api.", ".saas.example"));
    else add_destination(Place::open, host("www.", i % 2 ? ".example.org" : ".example.net"));
  }
  browsed = by_place(Place::open);
  browsed_ranks = zipf(browsed.size());
}

void World::make_many_roles(Random& random, std::uint32_t count) {
  const auto own = by_place(Place::internal), partners = by_place(Place::partner), services = by_place(Place::saas),
             open = by_place(Place::open);
  const auto& seeds = role_seeds();
  for (std::uint32_t i = 0; i < count; ++i) {
    const RoleSeed& of = seeds[i % seeds.size()];
    Role role;
    role.name = std::string(of.name) + (i < seeds.size() ? "" : "-" + std::to_string(1 + i / seeds.size()));
    role.open = of.open;
    role.inner_classes = classes_of(random, of.inner_classes, true);
    role.outer_classes = classes_of(random, of.outer_classes, false);
    role.level_q16 = (std::int64_t{of.level} << 16) + level_of_measured + random.normal() / 2;
    role.inner_pool = sample(random, own, 24);
    for (std::uint32_t at : sample(random, partners, 4)) role.inner_pool.push_back(at);
    role.outer_pool = sample(random, services, 16);
    if (role.open)
      for (std::uint32_t at : sample(random, open, 30)) role.outer_pool.push_back(at);
    roles.push_back(std::move(role));
  }
}

void World::make_many_agents(Random& random, const Shape& shape, std::uint32_t days) {
  for (std::uint32_t i = 0; i < shape.agents; ++i) {
    make_agent(random, static_cast<std::uint32_t>(i < apps.size() ? i : random.below(apps.size())), i + 1);
    Agent& agent = agents.back();
    if (agent.rhythm == Rhythm::office) agent.rhythm = rhythm;
    // Where sizes have heavy tails, so has diligence: some agents work twenty times as much as the least busy one.
    if (heavy_tails) agent.weight = std::min<std::uint64_t>(40, 2 + (40 / (1 + random.below(20))));
  }
  new_agent = shape.agents - 1;
  agents[new_agent].from_day = days * 5 / 8;
}

// Gives the busy ones the weight at which they do busy_per_hour, if that leaves at least a quarter of all agents'
// messages to the others, and brings sizes in line: a day's bytes do not depend on the number of events asked for.
void World::share_messages(std::uint64_t events, std::uint32_t days) {
  std::uint64_t sum = 0;  // of weight times activity in a week
  for (const Agent& agent : agents) sum += agent.weight * weekly_activity(agent.rhythm);
  const std::uint64_t messages = events * shares[0] / 100 * 7 / std::max(days, 1u);  // a week
  const std::uint64_t of_busy = busy_agents * busy_per_hour * weekly_activity(rhythm) / 100;
  const bool enough = 4 * of_busy <= 3 * messages;
  const std::uint64_t left = std::max<std::uint64_t>(enough ? messages - of_busy : messages, 1);
  for (std::uint32_t i = 0; enough && busy.size() < busy_agents && i < agents.size(); ++i) {
    Agent& agent = agents[i * 37 % agents.size()];
    if (agent.rhythm != rhythm || roles[agent.role].open || agent.from_day > 0) continue;
    agent.weight = std::max<std::uint64_t>(1, busy_per_hour * sum / (100 * left));
    busy.push_back(i * 37 % static_cast<std::uint32_t>(agents.size()));
  }
  const std::uint64_t week_per_weight_x64 = 64 * left * weekly_activity(rhythm) / sum;
  messages_per_weight_x64 = std::max<std::uint64_t>(week_per_weight_x64 / 7, 1);
  for (Agent& agent : agents) {
    const std::int64_t a_day = static_cast<std::int64_t>(std::max<std::uint64_t>(agent.weight * messages_per_weight_x64 / 64, 1));
    agent.level_q16 += roles[agent.role].level_q16 -
                       std::max<std::int64_t>(log2_q16(static_cast<std::uint64_t>(a_day)) - log2_q16(18), 0);
  }
}

World make_world(const GeneratorConfig& config) {
  if (config.company == Company::demo) return World(config.seed, config.events, config.days);
  return World(config.company == Company::full ? full_shape : other_shape, config.seed, config.events, config.days);
}

}  // namespace tidewaiter::app::generate

namespace tidewaiter::app {

GeneratorConfig GeneratorConfig::of(Company company) {
  GeneratorConfig config;
  config.company = company;
  if (company == Company::full) config.events = 20'000'000, config.days = 56;
  if (company == Company::other) config.events = 8'000'000, config.days = 42;
  return config;
}

}  // namespace tidewaiter::app
