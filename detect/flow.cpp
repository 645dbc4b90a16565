#include "detect/flow.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t day_ns = 86'400 * second_ns;
constexpr double prior_weight = 50;       // events that the parent's rate of new symbols is worth
constexpr double discount = 0.5;
constexpr double root_probability = 1.0 / 65536;
constexpr double half_life_days = 45;
constexpr std::int64_t warm_age_ns = 3 * day_ns;
constexpr float warm_events = 30;
constexpr double calibrated_days = 7;
constexpr float ordinary_count = 4;       // an edge used so often in its context is no surprise
constexpr double interesting_nats = 8;
constexpr std::array<std::string_view, Flow::questions> rules = {"flow.destination", "flow.class_destination",
                                                                "flow.data_class"};
constexpr std::array<std::string_view, Flow::levels + 1> level_names = {"principal", "role", "tenant", "company",
                                                                       "nobody"};
constexpr std::array<std::int64_t, Flow::levels> period_ns = {3600 * second_ns, day_ns, day_ns, 0};

float kept(std::int64_t since_ns) {
  return static_cast<float>(std::exp2(-static_cast<double>(since_ns) / day_ns / half_life_days));
}
Key edge_key(Key context, Key symbol) { return combine(context, symbol); }
Key class_symbol(std::uint64_t data_class) { return data_class + 1; }

}  // namespace

Flow::Flow(std::uint64_t memory_bytes, double false_alerts_per_day)
    : edges_(memory_bytes * 2 / 3), nodes_(memory_bytes / 3), rate_max_(false_alerts_per_day / questions) {}

Flow::Chain Flow::chain_of(const EventKeys& keys, std::uint64_t question, std::uint64_t data_class) {
  const std::uint64_t salt = question << 8 | data_class;
  return {combine(keys.principal, salt), combine(keys.role, salt | 0x10000), combine(keys.tenant, salt | 0x20000),
          combine(0x30000, salt)};
}

void Flow::prefetch(const EventKeys& keys, const Event& event) const {
  if (keys.principal == 0 || keys.destination == 0) return;
  const Key destinations = chain_of(keys, 0, 0)[0];
  nodes_.prefetch(destinations);
  edges_.prefetch(edge_key(destinations, keys.destination));
  const std::uint64_t classes = event.get(Num::data_classes) & ~std::uint64_t{1};
  if (classes == 0) return;
  const Key kinds = chain_of(keys, 2, 0)[0];
  nodes_.prefetch(kinds);
  const auto first = static_cast<std::uint64_t>(std::countr_zero(classes));
  edges_.prefetch(edge_key(kinds, class_symbol(first)));
  const Key pairs = chain_of(keys, 1, first)[0];
  nodes_.prefetch(pairs);
  edges_.prefetch(edge_key(pairs, keys.destination));
}

void Flow::decay(Node& node, std::int64_t time_ns) {
  const std::int64_t since = time_ns - node.decayed_ns;
  if (since < day_ns) return;
  const float keep = kept(since);
  node.count *= keep;
  node.singletons *= keep;
  node.decayed_ns = time_ns;
}

Flow::Scored Flow::score(const Chain& chain, Key symbol, std::int64_t time_ns) {
  Scored result{0, levels, nodes_.find(chain[0]), edges_.find(edge_key(chain[0], symbol)), false};
  result.warm = result.node != nullptr && result.node->count >= warm_events &&
                time_ns - result.node->first_ns >= warm_age_ns;
  if (result.edge != nullptr && result.edge->count >= ordinary_count) {
    result.known_level = 0;
    return result;  // score 0: an ordinary event
  }
  std::array<Node*, levels> nodes{};
  for (std::size_t level = 0; level < levels; ++level)
    nodes[level] = level == 0 ? result.node : nodes_.find(chain[level]);
  // From the root down: first the rate of new symbols, then the probability of this one.
  double fresh = 1, probability = root_probability;
  for (std::size_t level = levels; level-- > 0;) {
    const Node* node = nodes[level];
    if (node == nullptr) continue;
    const double count = node->count;
    const double prior = level + 1 == levels ? 1 : prior_weight;
    fresh = (node->singletons + prior * (level + 1 == levels ? 0.5 : fresh)) / (count + prior);
    const Edge* edge = level == 0 ? result.edge : edges_.find(edge_key(chain[level], symbol));
    const double own = edge == nullptr ? 0 : std::max(edge->count - discount, 0.0) / std::max(count, 1.0);
    probability = std::min(1.0, own + std::min(fresh, 1.0) * probability);
    if (edge != nullptr) result.known_level = level;
  }
  result.score = -std::log(std::max(probability, 1e-300));
  return result;
}

void Flow::learn(const Chain& chain, Key symbol, std::uint16_t quota, std::int64_t time_ns) {
  bool new_child = false;
  for (std::size_t level = 0; level < levels; ++level) {
    auto [node, new_node] = nodes_.find_or_insert(chain[level], level < 2 ? quota : std::uint16_t{0});
    if (new_node) node->first_ns = node->decayed_ns = time_ns;
    decay(*node, time_ns);
    if (new_child) ++node->members;
    auto [edge, inserted] =
        edges_.find_or_insert(edge_key(chain[level], symbol), level < 2 ? quota : std::uint16_t{0});
    if (inserted || edge->count == 0) {
      edge->first_ns = time_ns;
      node->symbols += 1;
      node->singletons += 1;
    } else {
      if (edge->count < 1.5f) node->singletons = std::max(node->singletons - 1, 0.0f);
      if (time_ns - edge->last_ns >= day_ns) edge->count *= kept(time_ns - edge->last_ns);
    }
    const bool new_edge = edge->count == 0;
    node->count += 1;
    edge->count += 1;
    edge->last_ns = std::max(edge->last_ns, time_ns);
    if (period_ns[level] == 0) return;
    // The parent hears of it once per period; a new child's first use counts as an actor.
    const auto period = static_cast<std::uint32_t>(time_ns / period_ns[level]) + 1;
    if (!new_edge && edge->period == period) return;
    edge->period = period;
    if (new_edge)
      ++edges_.find_or_insert(edge_key(chain[level + 1], symbol), level < 1 ? quota : std::uint16_t{0}).slot->actors;
    new_child = new_node;
  }
}

bool Flow::ask(std::size_t question, const Chain& chain, Key symbol, std::uint64_t data_class, const EventKeys& keys,
               std::int64_t time_ns, bool asked, Verdict& verdict) {
  const Scored scored = score(chain, symbol, time_ns);
  const bool known = scored.edge != nullptr;
  if (asked && scored.warm) judge(question, chain, symbol, data_class, scored, time_ns, verdict);
  learn(chain, symbol, keys.quota, time_ns);
  return known;
}

void Flow::judge(std::size_t question, const Chain& chain, Key symbol, std::uint64_t data_class, const Scored& scored,
                 std::int64_t time_ns, Verdict& verdict) {
  TailCalibrator& tail = tails_[question];
  if (scored.score < interesting_nats) return tail.learn_ordinary(time_ns);
  const double rate = tail.rate_per_day(scored.score);
  const bool hot = rate < rate_max_ && tail.days() >= calibrated_days;
  if (!hot) return tail.learn(scored.score, time_ns);
  if (!verdict.rule.empty() && rate >= verdict.rate_per_day) return;
  verdict.rule = rules[question];
  verdict.score = scored.score;
  verdict.rate_per_day = rate;
  verdict.p_value = tail.p_value(scored.score);
  verdict.data_class = data_class;
  verdict.level = level_names[scored.known_level];
  verdict.principal_events = scored.node->count;
  verdict.symbols_known = scored.node->symbols;
  verdict.context_first_ns = scored.node->first_ns;
  verdict.edge_known = scored.edge != nullptr;
  verdict.edge_first_ns = scored.edge == nullptr ? 0 : scored.edge->first_ns;
  const Edge* peers = edges_.find(edge_key(chain[1], symbol));
  const Node* role = nodes_.find(chain[1]);
  verdict.peers_using = peers == nullptr ? 0 : peers->actors;
  verdict.peers = role == nullptr ? 0 : role->members;
}

Flow::Verdict Flow::observe(const EventKeys& keys, const Event& event) {
  Verdict verdict;
  if (keys.principal == 0 || keys.destination == 0) return verdict;
  const std::int64_t time_ns = event.time_ns();
  const bool destination_known =
      ask(0, chain_of(keys, 0, 0), keys.destination, 0, keys, time_ns, true, verdict);
  // A new destination or class makes its pair new as well: the pair is asked only when both are known.
  for (std::uint64_t classes = event.get(Num::data_classes) & ~std::uint64_t{1}; classes != 0; classes &= classes - 1) {
    const auto data_class = static_cast<std::uint64_t>(std::countr_zero(classes));
    const bool class_known =
        ask(2, chain_of(keys, 2, 0), class_symbol(data_class), data_class, keys, time_ns, true, verdict);
    ask(1, chain_of(keys, 1, data_class), keys.destination, data_class, keys, time_ns,
        destination_known && class_known, verdict);
  }
  return verdict;
}

void Flow::save(SnapshotWriter& out) const {
  edges_.save(out);
  nodes_.save(out);
  for (const TailCalibrator& tail : tails_) tail.save(out);
}

bool Flow::load(SnapshotReader& in) {
  if (!edges_.load(in) || !nodes_.load(in)) return false;
  for (TailCalibrator& tail : tails_) tail.load(in);
  return in.ok();
}

}  // namespace tidewaiter::detect
