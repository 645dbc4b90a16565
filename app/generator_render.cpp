#include "app/generator_render.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace tidewaiter::app::generate {
namespace {

using Header = std::pair<std::string_view, std::string_view>;
constexpr std::array<Header, 1> structured_headers = {
    Header{"content-type", "application/cloudevents+json; charset=UTF-8"}};

constexpr std::array<std::string_view, act_count> tools = {"http.post",     "db.query",      "docs.list", "record.update",
                                                           "record.create", "code.execute",  "record.delete"};
constexpr std::array<std::string_view, act_count> resource_types = {"endpoint", "table", "bucket", "table",
                                                                    "table",    "tool",  "table"};
constexpr std::array<std::string_view, 12> records = {"orders",   "invoices", "tickets",  "contacts",  "contracts", "assets",
                                                      "payments", "leads",    "vendors", "employees", "reports",   "metrics"};

constexpr std::uint64_t act_weights[act_count] = {45, 30, 8, 7, 5, 5, 0};

std::uint8_t choose_act(Random& random, std::uint32_t mask) {
  std::uint64_t at = random.below(100);
  for (std::uint8_t act = 0; act < act_count; ++act) {
    if (at < act_weights[act]) return mask >> act & 1 ? act : std::uint8_t{act_read};
    at -= act_weights[act];
  }
  return act_read;
}

bool outside(const Destination& destination) {
  return destination.place == Place::saas || destination.place == Place::open;
}

}  // namespace

void Renderer::render(const Plan& plan, Message& out) {
  text_.clear();
  Random random(plan.seed);
  switch (plan.step) {
    case Step::agent_call: agent_call(plan, random); break;
    case Step::agent_approval: agent_approval(plan, random); break;
    case Step::flow: flow(plan, random); break;
    case Step::dns: dns(plan, random); break;
    case Step::approval: pipeline_approval(plan, random); break;
    default: pipeline(plan, random); break;
  }
  const bool agent = plan.step == Step::agent_call || plan.step == Step::agent_approval;
  const App& app = world_.apps[agent ? world_.agents[plan.actor].app : plan.actor];
  out.key = app.name;
  out.headers = structured_headers;
  out.time_ns = plan.time_ns;
  out.delivery_ns = plan.delivery_ns;
  out.partition_hash = static_cast<std::uint32_t>(app.hash >> 32);
  out.incident = plan.incident;
  out.kind = plan.kind;
  out.late = plan.late;
  if (plan.kind != MessageKind::event) damage(plan, random, out);
  else out.value = text_.view();
}

// --- parts ---

void Renderer::envelope(const Plan& plan, Random& random, const App& app, std::string_view type) {
  text_.lit(R"({"specversion":"1.0","id":")").hex(random.next(), 16);
  text_.lit(R"(","source":")").put(app.source).lit(R"(","type":"dev.tidewaiter.)").put(type);
  text_.lit(R"(.v1","time":")").time(plan.time_ns).lit(R"(","data":{)");
}

void Renderer::who(std::string_view principal, std::string_view principal_type, const App& app) {
  text_.lit(R"("principal":")").put(principal).lit(R"(","principal_type":")").put(principal_type);
  text_.lit(R"(","app":")").put(app.name).lit(R"(","role":")").put(world_.roles[app.role].name);
  text_.lit(R"(","tenant":")").put(world_.tenant_of(app)).lit(R"(","risk_tier":")").put(tier_name(app.tier)).lit("\"");
}

void Renderer::token(const Plan& plan, const Agent& agent) {
  // A token lives eight hours; which one is a function of agent and time, so no state is needed.
  const std::int64_t life = 8 * hour_ns, shift = static_cast<std::int64_t>(agent.hash % 8) * hour_ns;
  std::int64_t period = (plan.time_ns + shift) / life;
  if (plan.expired_token) --period;
  const std::int64_t start = period * life - shift;
  // A call just before the change still carries a token that holds for some minutes.
  const std::int64_t expires = plan.expired_token ? start + life - hour_ns : start + life + 10 * minute_ns;
  text_.lit(R"(,"capability":{"uid":"cap-)").hex(mix(agent.hash, static_cast<std::uint64_t>(period)), 12);
  text_.lit(R"(","scopes":[")").put(agent.scope_list).lit(R"("],"expires":")").time(expires).lit(R"("})");
}

void Renderer::endpoint(const Destination& destination, bool address) {
  text_.lit(R"(,"dst_host":")").put(destination.host);
  if (address) text_.lit(R"(","dst_ip":")").put(destination.ip);
  text_.lit(R"(","dst_port":)").number(destination.port).lit(R"(,"l7":")").put(destination.l7);
  if (destination.place == Place::internal) text_.lit(R"(","direction":"internal")");
  else text_.lit(R"(","direction":"egress")");
}

void Renderer::outcome(const Plan& plan, Random& random, const App& app) {
  std::uint64_t dice = random.below(1000);
  if (app.failing.contains(plan.time_ns) && mix(plan.seed, 0x6661696c) % 1000 < 180) dice = 980;
  if (dice < 975) text_.lit(R"(,"outcome":"success")");
  else if (dice < 993) text_.lit(R"(,"outcome":"failure","outcome_code":"503")");
  else text_.lit(R"(,"outcome":"denied","outcome_code":"403")");
}

// Log-normal around a level of act, app and host that wavers from hour to hour, with a tail of calls that hang.
void Renderer::duration(const Plan& plan, const App& app, std::uint8_t act, std::uint64_t host) {
  if (!world_.durations) return;
  constexpr std::int64_t level_q16[act_count] = {1'848'000, 1'723'000, 1'743'000, 1'782'000, 1'782'000, 2'032'000, 1'769'000};
  const auto hour = static_cast<std::uint64_t>((plan.time_ns - config_.start_ns) / hour_ns);
  const auto drawn = [](std::uint64_t of, std::uint64_t at) { return normal_q16(mix(of, at, 1), mix(of, at, 2)); };
  std::int64_t q16 = level_q16[act] + drawn(app.hash, 0x6c76) * 3 / 4 + drawn(mix(app.hash, host), 0x6564) / 2 +
                     drawn(app.hash, mix(hour, 0x686f)) / 5 + drawn(host, mix(hour, 0x686f)) / 5 + drawn(plan.seed, 0x6475) * 7 / 8;
  q16 += std::countr_zero(mix(plan.seed, 0x7461) | 1ull << 9) * 32768;
  if (app.slow.contains(plan.time_ns)) q16 += 2 << 16;
  text_.lit(R"(,"duration_ns":)").number(exp2_q16(q16));
}

void Renderer::trace(Random& random, std::uint64_t link) {
  text_.lit(R"(,"trace_id":")");
  if (link != 0) text_.hex(mix(link, 1), 16).hex(mix(link, 2), 16);
  else text_.hex(random.next(), 16).hex(random.next(), 16);
  text_.lit("\"");
}

const Destination& Renderer::browse(Random& random) {
  // Of ten hosts that an open role looks at, nine are known to somebody in a company that has such a list.
  if (!world_.browsed.empty() && random.below(10) > 0)
    return world_.destinations[world_.browsed[random.index(world_.browsed_ranks)]];
  browsed_.host = "www." + make_word(random) + make_word(random) + (random.below(2) ? ".example.org" : ".example.com");
  browsed_.ip = "198.18." + std::to_string(random.below(256)) + "." + std::to_string(random.below(256));
  browsed_.l7 = "https";
  browsed_.place = Place::open;
  return browsed_;
}

std::int64_t Renderer::release(const Role& role, const Plan& plan) const {
  if (role.release_day == UINT32_MAX) return 0;
  const auto day = (plan.time_ns - config_.start_ns) / day_ns;
  const bool now = day == role.release_day || day == role.release_day + 1;
  return now ? 65536 + static_cast<std::int64_t>(hash_text(role.name) % 32768) : 0;
}

std::uint32_t Renderer::choose_destination(const Plan& plan, Random& random, const Agent& agent, bool any) const {
  if (plan.destination >= 0) return static_cast<std::uint32_t>(plan.destination);
  const Role& role = world_.roles[agent.role];
  const auto day = static_cast<std::uint32_t>((plan.time_ns - config_.start_ns) / day_ns);
  const std::uint32_t adopted = world_.destinations[world_.new_service].known_from_day;
  if (any && day >= adopted) {
    // The first to use a new service are those who always try new things; the others follow.
    const std::uint32_t adopts = adopted + (role.open ? 0 : 6) + static_cast<std::uint32_t>(agent.hash % 6);
    if (day >= adopts && random.chance(40'000)) return world_.new_service;
  }
  // Half of the agents take up, in the first four weeks, one of the hosts that their role uses most, and keep it; open
  // roles also look around among their role's hosts.
  const std::uint64_t choice = mix(agent.hash, 11);
  const bool takes_up = day >= choice % world_.takes_up_days && random.chance(50'000);
  if (takes_up || (role.open && random.chance(1500))) {
    const auto& pool = any && role.open ? role.outer_pool : role.inner_pool;
    const std::uint32_t at = takes_up ? pool[(choice >> 8) % 3] : pool[random.index(world_.ranks[pool.size()])];
    if (world_.apps[agent.app].tier != Tier::high || world_.destinations[at].place != Place::open) return at;
  }
  const std::uint32_t outer = static_cast<std::uint32_t>(agent.destinations.size()) - agent.inner;
  if (any && outer > 0 && random.chance(400'000)) return agent.destinations[agent.inner + random.index(world_.ranks[outer])];
  return agent.destinations[random.index(world_.ranks[agent.inner])];
}

std::uint64_t Renderer::usual_bytes(const Plan& plan, Random& random, std::int64_t level, std::uint64_t key) const {
  if (plan.bytes != 0) return plan.bytes;
  const std::int64_t since = plan.time_ns - config_.start_ns;
  const auto hour = static_cast<std::uint64_t>(since / hour_ns);
  const std::int64_t drift =
      (static_cast<std::int64_t>(key & 7) + world_.drift_from) * world_.drift_step_q16 * (since / day_ns) / 7;
  const std::int64_t of_edge = normal_q16(mix(key, 3), mix(key, 4)) * 5 / 8;
  const std::int64_t of_hour = normal_q16(mix(key, hour, 5), mix(key, hour, 6)) / 3;
  const std::int64_t of_message = random.normal() * 5 / 8;
  // Each further bit of a random number that is zero adds 2/3 of a doubling: P(x times as much) = x^-1.5, up to 100.
  if (world_.heavy_tails) level += std::countr_zero(random.next() | 1ull << 10) * (65536 * 2 / 3);
  return std::max<std::uint64_t>(exp2_q16(level + drift + of_edge + of_hour + of_message), 64);
}

// --- agents ---

void Renderer::agent_call(const Plan& plan, Random& random) {
  const Agent& agent = world_.agents[plan.actor];
  const App& app = world_.apps[agent.app];
  const Role& role = world_.roles[agent.role];
  const std::uint8_t act = plan.act < act_count ? plan.act : choose_act(random, agent.mask);
  const bool sends = act == act_send;
  const Destination* to = nullptr;
  // Open roles browse: now and then a public host that nobody has seen.
  if (sends && role.open && plan.destination < 0 && random.chance(8000)) to = &browse(random);
  else to = &world_.destinations[choose_destination(plan, random, agent, sends)];

  envelope(plan, random, app, "agent.tool.call");
  who(agent.principal, "agent", app);
  text_.lit(R"(,"on_behalf_of":")").put(random.pick(agent.humans));
  text_.lit(R"(","agent":{"uid":")").put(agent.uid).lit(R"(","model":")").put(agent.model);
  text_.lit(R"("})");
  text_.lit(R"(,"action":")").put(act_words[act]).lit(R"(","tool":{"name":")").put(tools[act]).lit(R"("})");
  token(plan, agent);
  if (!sends) {
    const std::string_view record = random.pick(records);
    text_.lit(R"(,"resource":")").put(plan.resource.empty() ? record : plan.resource);
    text_.lit(R"(","resource_type":")").put(resource_types[act]);
    text_.lit("\"");
  }
  endpoint(*to, false);
  const std::uint64_t key = mix(agent.hash, hash_text(to->host));
  const std::int64_t level = agent.level_q16 + release(role, plan);
  const std::uint64_t sent = sends ? usual_bytes(plan, random, level, key) : 200 + random.below(1800);
  const std::uint64_t received = sends ? 150 + random.below(1500) : usual_bytes(plan, random, level, key);
  text_.lit(R"(,"bytes_out":)").number(sent).lit(R"(,"bytes_in":)").number(received);
  const auto& classes = outside(*to) ? role.outer_classes : role.inner_classes;
  text_.lit(R"(,"data_classes":[")").put(plan.data_class.empty() ? random.pick(classes) : plan.data_class).lit(R"("])");
  if (plan.approval != Approval::none) text_.lit(R"(,"approval":{"id":"apr-)").hex(mix(plan.link, 7), 10).lit(R"("})");
  outcome(plan, random, app);
  duration(plan, app, act, hash_text(to->host));
  if (random.chance(300'000)) trace(random, 0);
  if (plan.link != 0) text_.lit(R"(,"correlation":"chg-)").hex(plan.link, 12).lit("\"");
  text_.lit("}}");
}

void Renderer::agent_approval(const Plan& plan, Random& random) {
  const Agent& agent = world_.agents[plan.actor];
  const App& app = world_.apps[agent.app];
  const bool human = plan.approval != Approval::by_agent;
  const std::string& approver = human ? agent.humans[0] : agent.principal;
  envelope(plan, random, app, "agent.change.approve");
  who(approver, human ? "user" : "agent", app);
  text_.lit(R"(,"action":"approve","operation":"change.approve","resource":")").put(random.pick(records));
  text_.lit(R"(","resource_type":"table","outcome":"success","approval":{"id":"apr-)").hex(mix(plan.link, 7), 10);
  text_.lit(R"(","decision":"approved","approver":")").put(approver).lit(R"(","approver_type":")");
  text_.put(human ? "user" : "agent").lit(R"("})");
  trace(random, 0);
  text_.lit(R"(,"correlation":"chg-)").hex(plan.link, 12).lit(R"("}})");
}

// --- running apps ---

void Renderer::flow(const Plan& plan, Random& random) {
  const App& app = world_.apps[plan.actor];
  const std::uint32_t at = plan.destination >= 0 ? static_cast<std::uint32_t>(plan.destination)
                                                 : app.destinations[random.index(world_.ranks[app.destinations.size()])];
  const Destination& to = world_.destinations[at];
  envelope(plan, random, app, "runtime.connection.close");
  who(app.service, "service", app);
  text_.lit(R"(,"action":"connect","src_host":")").put(app.node).lit(R"(","src_ip":")").put(app.node_ip);
  text_.lit(R"(","src_port":)").number(32768 + random.below(28000));
  endpoint(to, true);
  const std::uint64_t out = usual_bytes(plan, random, world_.roles[app.role].level_q16, mix(app.hash, hash_text(to.host)));
  text_.lit(R"(,"bytes_out":)").number(out).lit(R"(,"bytes_in":)").number(500 + random.below(out / 2 + 4000));
  text_.lit(R"(,"volume_basis":"ip","observer":")").put(app.sensor).lit("\"");
  outcome(plan, random, app);
  text_.lit("}}");
}

void Renderer::dns(const Plan& plan, Random& random) {
  const App& app = world_.apps[plan.actor];
  const Destination& asked = world_.destinations[app.destinations[random.index(world_.ranks[app.destinations.size()])]];
  envelope(plan, random, app, "runtime.dns.query");
  who(app.service, "service", app);
  text_.lit(R"(,"action":"read","operation":"dns.query","src_host":")").put(app.node).lit(R"(","src_ip":")").put(app.node_ip);
  text_.lit(R"(","dst_host":"dns.corp.example","dst_ip":"10.9.9.53","dst_port":53,)");
  text_.lit(R"("l7":"dns","direction":"internal","resource":")").put(asked.host).lit(R"(","resource_type":"endpoint",)");
  text_.lit(R"("bytes_out":)").number(40 + asked.host.size()).lit(R"(,"bytes_in":)").number(80 + random.below(200));
  text_.lit(R"(,"volume_basis":"payload","observer":")").put(app.sensor).lit(R"(","outcome":"success"}})");
}

// --- pipelines ---

void Renderer::pipeline(const Plan& plan, Random& random) {
  const App& app = world_.apps[plan.actor];
  static constexpr std::array<std::string_view, 5> types = {"ci.build.finish", "ci.sbom.attest", "ci.artifact.sign",
                                                            "ci.artifact.verify", "ci.service.deploy"};
  static constexpr std::array<std::string_view, 5> actions = {"build", "attest", "sign", "verify", "deploy"};
  static constexpr std::array<std::string_view, 5> kinds = {"provenance", "sbom", "signature", "vsa", "vsa"};
  const std::size_t step = plan.step == Step::deploy ? 4 : static_cast<std::size_t>(plan.step) -
                                                               static_cast<std::size_t>(Step::build);
  envelope(plan, random, app, types[step]);
  who(app.pipeline, "ci_job", app);
  text_.lit(R"(,"action":")").put(actions[step]);
  text_.lit(R"(","resource":")").put(app.image).lit(R"(","resource_type":"image","provenance":{"artifact_digest":"sha256:)");
  for (std::uint64_t part = 10; part < 14; ++part) text_.hex(mix(plan.link, part), 16);
  text_.lit(R"(","kind":")").put(kinds[step]).lit(R"(","builder":"runner-)").number(1 + plan.link % 6);
  text_.lit(R"(","source_ref":")").put(app.repository).lit("@").hex(mix(plan.link, 20), 12);
  text_.lit(R"(","status":"verified"})");
  if (plan.step == Step::deploy && plan.approval != Approval::none)
    text_.lit(R"(,"approval":{"id":"apr-)").hex(mix(plan.link, 7), 10).lit(R"("})");
  outcome(plan, random, app);
  trace(random, plan.link);
  text_.lit(R"(,"correlation":"chg-)").hex(plan.link, 12).lit(R"("}})");
}

void Renderer::pipeline_approval(const Plan& plan, Random& random) {
  const App& app = world_.apps[plan.actor];
  envelope(plan, random, app, "ci.change.approve");
  who(app.owner, "user", app);
  text_.lit(R"(,"action":"approve","operation":"change.approve","resource":")").put(app.image);
  text_.lit(R"(","resource_type":"image","outcome":"success","approval":{"id":"apr-)").hex(mix(plan.link, 7), 10);
  text_.lit(R"(","decision":"approved","approver":")").put(app.owner).lit(R"(","approver_type":"user"})");
  trace(random, plan.link);
  text_.lit(R"(,"correlation":"chg-)").hex(plan.link, 12).lit(R"("}})");
}

// --- what goes wrong on the way ---

void Renderer::damage(const Plan& plan, Random& random, Message& out) {
  switch (plan.kind) {
    case MessageKind::tombstone: out.value.reset(); return;
    case MessageKind::unmapped:
      text_.clear();
      text_.lit(R"({"level":"info","msg":"cache warmed","items":)").number(random.below(10'000)).lit("}");
      break;
    case MessageKind::not_json:
      text_.clear();
      text_.lit("level=info msg=\"cache warmed\" items=").number(random.below(10'000));
      break;
    case MessageKind::not_utf8: text_.data()[40] = static_cast<char>(0xff); break;
    case MessageKind::truncated: text_.truncate(text_.size() / 2 + random.below(text_.size() / 3)); break;
    case MessageKind::too_deep:
      text_.clear();
      for (int i = 0; i < 200; ++i) text_.lit(R"({"a":)");
      text_.lit("1");
      for (int i = 0; i < 200; ++i) text_.lit("}");
      break;
    case MessageKind::trailing_bytes: text_.lit(R"( {"more":1})"); break;
    case MessageKind::event: break;
  }
  out.value = text_.view();
}

}  // namespace tidewaiter::app::generate
