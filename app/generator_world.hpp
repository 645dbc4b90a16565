// World: the company that the generator plays. Built once from the seed, read-only afterwards except for the
// hosts and agents that incidents add.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/generator_random.hpp"

namespace tidewaiter::app::generate {

enum class Tier : std::uint8_t { low, medium, high };
std::string_view tier_name(Tier tier);

/// Where data goes. Internal is *.corp.example, partner *.partner.example, saas *.saas.example,
/// open everything else; the last two are public.
enum class Place : std::uint8_t { internal, partner, saas, open };

struct Destination {
  std::string host, ip, l7;
  std::uint16_t port = 443;
  Place place = Place::internal;
  std::uint32_t known_from_day = 0;  // a new service is used only from this day on
};

/// Rhythm of a week: activity 0..100 per hour.
enum class Rhythm : std::uint8_t { office, round_the_clock, steady, night, shifts };
std::uint32_t activity(Rhythm rhythm, std::int64_t local_hour);

struct Role {
  std::string name;
  bool open = false;  // browses: new public hosts are its daily bread
  std::vector<std::string_view> inner_classes, outer_classes;  // data to own and partner hosts, to public ones
  std::vector<std::uint32_t> inner_pool, outer_pool;           // destinations by popularity
  std::int64_t level_q16 = 0;                                  // log2 of usual bytes
  std::uint32_t release_day = UINT32_MAX;                      // its agents send two or three times as much for two days
};

/// Some time, the end left out; none by default.
struct Spell {
  std::int64_t from_ns = INT64_MAX, to_ns = INT64_MAX;
  bool contains(std::int64_t time_ns) const { return time_ns >= from_ns && time_ns < to_ns; }
};

struct App {
  std::string name, source, owner, image, repository, sensor, node, node_ip, service, pipeline;
  std::uint32_t tenant = 0, role = 0;
  Tier tier = Tier::low;
  std::vector<std::uint32_t> destinations;  // of its running processes
  std::uint64_t flow_weight = 1, build_weight = 1;
  Rhythm rhythm = Rhythm::round_the_clock;
  bool backup = false;         // sends the nightly backups
  std::int64_t silent_from_ns = INT64_MAX;
  std::uint32_t release_day = 0;  // a week of many builds
  Spell failing, slow;            // a fifth of its operations fail; its agents' calls take four times as long
  std::uint64_t hash = 0;
};

/// Bits of what an agent may do; the words are `action` values.
enum Act : std::uint8_t { act_send, act_read, act_list, act_update, act_create, act_execute, act_delete, act_count };
extern const std::string_view act_words[act_count];

struct Agent {
  std::string principal, uid, model, version, framework, scopes;
  std::string scope_list;  // the scopes as in JSON, without the outer quotes
  std::uint32_t app = 0, role = 0;
  std::uint32_t mask = 0;  // of Act
  std::vector<std::uint32_t> destinations;  // most used first; [0, inner) are own or partner hosts
  std::uint32_t inner = 0;
  std::vector<std::string> humans;
  std::uint64_t weight = 1;
  Rhythm rhythm = Rhythm::office;
  std::int64_t level_q16 = 0;
  std::uint32_t from_day = 0;
  std::uint64_t hash = 0;
};

/// Sizes and habits of a company that is made to measure.
struct Shape {
  std::uint32_t tenants, roles, apps, agents, destinations;
  std::int64_t drift_step_q16;  // World::drift_step_q16
  std::uint32_t takes_up_days;
  std::uint32_t backup_big_day;
  Rhythm rhythm;
  bool heavy_tails;
  bool durations;               // World::durations
};

struct World {
  World(std::uint64_t seed, std::uint64_t events, std::uint32_t days);
  World(const Shape& shape, std::uint64_t seed, std::uint64_t events, std::uint32_t days);

  std::uint64_t seed;
  std::string company;
  std::vector<std::string> tenants;
  std::vector<std::int32_t> tenant_hours;  // offset from UTC
  std::vector<Role> roles;
  std::vector<Destination> destinations;
  std::vector<App> apps;
  std::vector<Agent> agents;
  std::uint32_t backup_vault = 0;    // destination of backups
  std::uint32_t new_service = 0;     // the SaaS that many adopt in the third week
  std::uint32_t new_agent = 0;       // joins in the third week
  std::vector<std::vector<std::uint64_t>> ranks;  // cumulative Zipf weights by count

  // Habits; the defaults are those of the demo's company.
  std::array<std::uint32_t, 3> shares = {50, 15, 35};  // of messages in per cent: agents, pipelines, running apps
  std::uint32_t takes_up_days = 56;     // over how many days all agents take up one more host of their role
  std::int64_t drift_from = -2, drift_step_q16 = 600;  // log2 of bytes a week: (drift_from + 0 to 7) steps, by edge
  std::uint32_t backup_big_day = 6;     // the day of the week whose backup is four times as large, 0 = Monday
  std::uint32_t release_weeks = 4;
  std::uint32_t high_tier_apps = 0;     // so many of the first apps are of the high tier if their role's data is sensitive
  Rhythm rhythm = Rhythm::office;       // of people at work
  bool heavy_tails = false;             // sizes with a Pareto tail of exponent 1.5
  bool durations = false;               // calls say how long they took, and there are apps that fail or are slow
  std::vector<std::uint32_t> browsed;   // public hosts that open roles look at, by popularity; empty = each one is new
  std::vector<std::uint64_t> browsed_ranks;
  std::vector<std::uint32_t> busy;      // agents with more than three messages a minute at working hours
  std::uint64_t messages_per_weight_x64 = 0;  // a day's messages of an agent of weight 1, times 64

  /// Whether people work on this day, counted from the first.
  bool workday(std::int64_t day) const { return activity(rhythm, day * 24 + 12) >= 50; }

  std::uint32_t add_destination(Place place, std::string host);
  const std::string& tenant_of(const App& app) const { return tenants[app.tenant]; }

 private:
  void make_destinations(Random& random);
  void make_roles(Random& random);
  void make_apps(Random& random, std::uint64_t count);
  void make_agents(Random& random, std::uint64_t count);
  void make_many_destinations(Random& random, std::uint32_t count);
  void make_many_roles(Random& random, std::uint32_t count);
  void make_many_agents(Random& random, const Shape& shape, std::uint32_t days);
  void share_messages(std::uint64_t events, std::uint32_t days);
  std::vector<std::uint32_t> by_place(Place place) const;
  void make_agent(Random& random, std::uint32_t app, std::uint64_t number);
  void choose_destinations(Random& random, Agent& agent) const;
};

/// What kind of work a role does: the list that roles are made from, of which some are open.
struct RoleSeed {
  std::string_view name;
  bool open;
  std::vector<std::string_view> inner_classes, outer_classes;
  std::uint32_t level;  // log2 of usual bytes
};
const std::vector<RoleSeed>& role_seeds();

/// Takes `count` different entries of `pool`, the popular (front) ones more often.
std::vector<std::uint32_t> sample(Random& random, const std::vector<std::uint32_t>& pool, std::size_t count);

/// A pronounceable word of two or three syllables.
std::string make_word(Random& random);
std::string make_person(Random& random);

}  // namespace tidewaiter::app::generate
