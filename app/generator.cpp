#include "app/generator.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/generator_render.hpp"
#include "app/generator_schedule.hpp"

namespace tidewaiter::app {
namespace {

GeneratorConfig sane(GeneratorConfig config) {
  config.days = std::clamp(config.days, 1u, 3660u);
  if (config.days < 14 || config.events < 20'000) config.incidents = false;
  if (config.company != Company::demo && config.days < 42) config.incidents = false;
  return config;
}

std::int64_t learning_end(const GeneratorConfig& config) {
  return config.start_ns + std::int64_t{std::max(config.days / 2, 1u)} * generate::day_ns;
}

generate::Injection injected(generate::World& world, const GeneratorConfig& config) {
  if (!config.incidents) return {};
  return config.company == Company::demo ? generate::inject(world, config, learning_end(config))
                                         : generate::inject_scenarios(world, config, learning_end(config));
}

std::string time_text(std::int64_t ns) {
  generate::Text text;
  return std::string(text.time(ns).view());
}

}  // namespace

struct Generator::State {
  explicit State(const GeneratorConfig& given)
      : config(sane(given)),
        world(generate::make_world(config)),
        injection(injected(world, config)),
        schedule(world, config, std::move(injection.plans)),
        renderer(world, config) {}

  GeneratorConfig config;
  generate::World world;
  generate::Injection injection;
  generate::Schedule schedule;
  generate::Renderer renderer;
  std::vector<generate::Plan> hour;
  std::size_t at = 0;
  std::uint64_t messages = 0, bytes = 0, late = 0;
  std::array<std::uint64_t, 8> by_kind{};
};

Generator::Generator(const GeneratorConfig& config) : state_(std::make_unique<State>(config)) {}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

bool Generator::next(Message& out) {
  State& s = *state_;
  if (s.messages == s.config.events) return false;
  while (s.at == s.hour.size()) {
    if (!s.schedule.next_hour(s.hour)) return false;
    s.at = 0;
  }
  s.renderer.render(s.hour[s.at++], out);
  ++s.messages;
  s.bytes += out.value ? out.value->size() : 0;
  s.late += out.late;
  ++s.by_kind[static_cast<unsigned>(out.kind)];
  return true;
}

const std::vector<Incident>& Generator::truth() const { return state_->injection.truth; }
const std::vector<Incident>& Generator::look_alikes() const { return state_->injection.look_alikes; }
std::int64_t Generator::learning_end_ns() const { return learning_end(state_->config); }
const GeneratorConfig& Generator::config() const { return state_->config; }

GeneratorCounts Generator::counts() const {
  const State& s = *state_;
  GeneratorCounts counts;
  counts.messages = s.messages;
  counts.bytes = s.bytes;
  counts.late = s.late;
  for (unsigned kind = 0; kind < s.by_kind.size(); ++kind)
    if (s.by_kind[kind] > 0)
      counts.by_kind[std::string(message_kind_name(static_cast<MessageKind>(kind)))] = s.by_kind[kind];
  counts.tenants = s.world.tenants.size();
  counts.apps = s.world.apps.size();
  counts.agents = s.world.agents.size();
  counts.destinations = s.world.destinations.size();
  return counts;
}

std::string_view message_kind_name(MessageKind kind) {
  static constexpr std::string_view names[] = {"event",    "tombstone", "unmapped", "not_json",
                                               "not_utf8", "truncated", "too_deep", "trailing_bytes"};
  return names[static_cast<unsigned>(kind)];
}

std::string Generator::truth_json() const {
  using Json = nlohmann::ordered_json;
  const State& s = *state_;
  const auto list = [](const std::vector<Incident>& incidents) {
    Json array = Json::array();
    for (const Incident& i : incidents) {
      Json entry = {{"id", i.id}, {"kind", i.kind}};
      if (!i.expect.empty()) entry["expect"] = i.expect;
      entry["start"] = time_text(i.start_ns);
      entry["end"] = time_text(i.end_ns);
      if (!i.tenant.empty()) entry["tenant"] = i.tenant;
      if (!i.app.empty()) entry["app"] = i.app;
      entry["principals"] = i.principals;
      entry["destinations"] = i.destinations;
      if (!i.sources.empty()) entry["sources"] = i.sources;
      if (i.counts_from_ns != 0) entry["counts_from"] = time_text(i.counts_from_ns);
      if (!i.expect.empty() || i.events > 0) entry["events"] = i.events;
      entry["sentence"] = i.sentence;
      array.push_back(std::move(entry));
    }
    return array;
  };
  const GeneratorCounts c = counts();
  Json truth = {
      {"generator", {{"events", s.config.events}, {"seed", s.config.seed}, {"days", s.config.days},
                     {"start", time_text(s.config.start_ns)}, {"learning_end", time_text(learning_end_ns())}}},
      {"company", {{"name", s.world.company}, {"tenants", c.tenants}, {"apps", c.apps}, {"agents", c.agents},
                   {"destinations", c.destinations}}},
      {"counts", {{"messages", c.messages}, {"value_bytes", c.bytes}, {"late", c.late}, {"by_kind", c.by_kind}}},
      {"incidents", list(s.injection.truth)},
      {"look_alikes", list(s.injection.look_alikes)}};
  if (s.config.company != Company::demo) {
    truth["generator"]["company"] = company_names[static_cast<unsigned>(s.config.company)];
    truth["company"]["roles"] = s.world.roles.size();
    truth["counts"]["entity_days"] = s.injection.entity_days;
    truth["counts"]["incident_entity_days"] = s.injection.incident_entity_days;
  }
  return truth.dump(2) + "\n";
}

bool concerns(const Incident& incident, std::string_view entity, std::int64_t start_ns, std::int64_t end_ns,
              std::int64_t grace_ns) {
  if (end_ns < incident.start_ns || start_ns > incident.end_ns + grace_ns) return false;
  const auto has = [&](const std::vector<std::string>& names) { return std::ranges::count(names, entity) > 0; };
  return entity == incident.app || has(incident.principals) || has(incident.destinations) || has(incident.sources);
}

}  // namespace tidewaiter::app
