#include "detect/flow.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t day_ns = 86'400 * second_ns;
// Events that the parent's rate of new symbols is worth; from principal, role, role everywhere, tenant and all.
constexpr std::array<double, Flow::levels + 1> prior_weight = {300, 50, 1, 20, 1};
constexpr double discount = 0.5;
constexpr double root_probability = 1.0 / 65536;
constexpr double half_life_days = 45;
constexpr std::int64_t warm_age_ns = 3 * day_ns;
constexpr std::int64_t newness_age_ns = 2 * day_ns;  // of all: before, everything is new
constexpr std::int64_t judged_age_ns = 5 * day_ns;   // of all: by then it is known which roles try new things
constexpr float warm_events = 30;
constexpr double calibrated_days = 5;
constexpr float ordinary_count = 4;       // an edge used so often in its context is no surprise
constexpr float in_use_count = 30;        // a destination used so often shows what data it is used for
constexpr double interesting_nats = 8;
constexpr std::array<std::string_view, Flow::questions> rules = {"flow.destination", "flow.class_destination",
                                                                "flow.data_class"};
// Of the false alerts: known destinations, pairs, data classes, destinations that nobody knew.
constexpr std::array<double, Flow::tails> budget_share = {0.05, 0.05, 0.2, 0.7};
constexpr std::array<std::string_view, Flow::levels + 1> level_names = {"principal", "role", "tenant", "company",
                                                                       "nobody"};
constexpr std::array<std::int64_t, Flow::levels> period_ns = {3600 * second_ns, day_ns, day_ns, 0};

constexpr std::array<std::string_view, Flow::tails> tail_names = {"destination", "class_destination", "data_class", "unknown_destination"};

TailCalibrator make_tail() { return TailCalibrator(interesting_nats, 3.0); }
float kept(std::int64_t since_ns) {
  return static_cast<float>(std::exp2(-static_cast<double>(since_ns) / day_ns / half_life_days));
}
std::uint32_t period_of(std::int64_t time_ns, std::size_t level) {
  return static_cast<std::uint32_t>(time_ns / period_ns[level]) + 1;
}
Key edge_key(Key context, Key symbol) { return combine(context, symbol); }
std::uint64_t salt_of(std::uint64_t question, std::uint64_t data_class) { return question << 8 | data_class; }
Key class_symbol(std::uint64_t data_class) { return data_class + 1; }

}  // namespace

Flow::Flow(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over, double hot)
    : edges_(memory_bytes * 2 / 3),
      nodes_(memory_bytes / 3),
      tails_{make_tail(), make_tail(), make_tail(), make_tail()},
      false_alerts_per_day_(false_alerts_per_day),
      handed_over_(handed_over),
      hot_(hot) {
  for (std::size_t i = 0; i < tails; ++i) tails_[i].set_name(tail_names[i]);
}

Key Flow::Context::chain(std::size_t level) const {
  switch (level) {
    case 0: return own;
    case 1: return combine(keys.role, salt | 0x10000);
    case 2: return combine(keys.tenant, salt | 0x20000);
    default: return combine(0x30000, salt);
  }
}

Key Flow::Context::role_everywhere() const { return combine(keys.role_everywhere, salt | 0x40000); }

template <class Visit>
void Flow::each_question(const EventKeys& keys, const Event& event, Visit visit) {
  if (!asks(keys)) return;
  visit(0, 0, keys.destination);
  for (std::uint64_t classes = event.get(Num::data_classes) & ~std::uint64_t{1}; classes != 0; classes &= classes - 1) {
    const auto data_class = static_cast<std::uint64_t>(std::countr_zero(classes));
    visit(1, data_class, keys.destination);
    visit(2, 0, class_symbol(data_class));
  }
}

void Flow::prefetch(const EventKeys& keys, const Event& event) const {
  each_question(keys, event, [&](std::uint64_t question, std::uint64_t data_class, Key symbol) {
    const Key context = combine(keys.principal, salt_of(question, data_class));
    nodes_.prefetch(context);
    edges_.prefetch(edge_key(context, symbol));
  });
}

// Most events are the first of their hour for the principal and the symbol, and so are told to the role.
void Flow::prefetch_parents(const EventKeys& keys, const Event& event) const {
  const std::int64_t time_ns = event.time_ns();
  each_question(keys, event, [&](std::uint64_t question, std::uint64_t data_class, Key symbol) {
    const Context context{keys, salt_of(question, data_class), symbol, time_ns};
    const Edge* edge = edges_.find(edge_key(context.own, symbol));
    if (edge != nullptr && edge->period == period_of(time_ns, 0)) return;
    nodes_.prefetch(context.chain(1));
    nodes_.prefetch(context.role_everywhere());
    edges_.prefetch(edge_key(context.chain(1), symbol));
  });
}

void Flow::decay(Node& node, std::int64_t time_ns) {
  const std::int64_t since = time_ns - node.decayed_ns;
  if (since < day_ns) return;
  const float keep = kept(since);
  node.count *= keep;
  for (float& fresh : node.fresh) fresh *= keep;
  node.decayed_ns = time_ns;
}

double Flow::own_share(const Scored& scored) {
  if (scored.node == nullptr || scored.edge == nullptr) return 0;
  return std::clamp((scored.edge->count - discount) / std::max(double{scored.node->count}, 1.0), 0.0, 1.0);
}

/// The share of a symbol among all pairs of a principal and a symbol below this context.
double Flow::popularity(Key context, Key symbol) {
  const Node* node = nodes_.find(context);
  const Edge* edge = edges_.find(edge_key(context, symbol));
  return node == nullptr || edge == nullptr ? 0 : std::min(1.0, double{edge->actors} / std::max(node->pairs, 1.0));
}

// From the widest context down to the principal, each leaning on the one above.
double Flow::rate_of_new(const Context& context, std::size_t level) {
  if (!parts_.hierarchy) {
    const Node* own = nodes_.find(context.own);
    return own == nullptr ? 0.5 : std::min(1.0, (double{own->fresh[level - 1]} + 0.5) / (double{own->count} + 1));
  }
  const std::array<Key, levels + 1> up = {context.chain(3), context.chain(2), context.role_everywhere(),
                                          context.chain(1), context.own};
  constexpr std::size_t tenant = 1;
  double all = 0.5, rate = 0.5;
  for (std::size_t i = 0; i < up.size(); ++i) {
    const Node* node = nodes_.find(up[i]);
    const double weight = prior_weight[levels - i];
    const double fresh = node == nullptr ? 0 : double{node->fresh[level - 1]};
    const double count = node == nullptr ? 0 : double{node->count};
    // What a role does is told by the same role elsewhere rather than by its tenant, which mixes all roles.
    const double prior = i == tenant + 1 ? all : rate;
    rate = std::min(1.0, (fresh + weight * prior) / (count + weight));
    if (i <= tenant) all = rate;
  }
  return rate;
}

Flow::Scored Flow::score(const Context& context) {
  Scored result;
  result.node = nodes_.find(context.own);
  result.edge = edges_.find(edge_key(context.own, context.symbol));
  result.warm = result.node != nullptr && result.node->count >= warm_events &&
                context.time_ns - result.node->first_ns >= warm_age_ns;
  if (result.edge != nullptr && result.edge->count >= ordinary_count) return result;  // score 0: an ordinary event
  double probability = own_share(result);
  if (result.edge == nullptr || result.edge->count <= discount) {
    std::size_t level = 1;
    double there = 0;
    if (context.known_as != 0)
      there = own_share({0, 0, nodes_.find(context.known_as), edges_.find(edge_key(context.known_as, context.symbol)), true});
    while (there == 0 && level < levels && (there = popularity(context.chain(level), context.symbol)) == 0) ++level;
    result.known_level = level;
    if (!parts_.affinity) {
      there = popularity(context.chain(levels - 1), context.symbol);
      level = there == 0 ? levels : levels - 1;
    }
    probability += rate_of_new(context, level) * std::max(there, root_probability);
  }
  result.score = -std::log(std::clamp(probability, 1e-300, 1.0));
  return result;
}

// To a principal that is new itself everything is new: that says nothing about its role.
void Flow::count_new(const Context& context, std::size_t level, bool warm) {
  const Node* all = nodes_.find(context.chain(3));
  if (all == nullptr || context.time_ns - all->first_ns < newness_age_ns) return;  // at first everything is new
  for (const Key key : {context.own, context.chain(1), context.role_everywhere(), context.chain(2), context.chain(3)})
    if (Node* node = warm || key == context.own ? nodes_.find(key) : nullptr)
      for (std::size_t i = 0; i < level; ++i) node->fresh[i] += key == context.own ? 1 : context.weight;
}

// A principal's first use of a symbol: one more actor all the way up.
void Flow::add_actor(const Context& context) {
  for (std::size_t level = 1; level < levels; ++level) {
    const std::uint16_t quota = level < 2 ? context.keys.quota : std::uint16_t{0};
    edges_.find_or_insert(edge_key(context.chain(level), context.symbol), quota).slot->actors += context.weight;
    auto [node, first] = nodes_.find_or_insert(context.chain(level), quota);
    if (first) node->first_ns = node->decayed_ns = context.time_ns;
    node->pairs += double{context.weight};
  }
}

void Flow::learn(const Context& context, Node* node, Edge* edge) {
  bool new_child = false;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::uint16_t quota = level < 2 ? context.keys.quota : std::uint16_t{0};
    bool new_node = false, new_edge = false;
    if (level != 0 || node == nullptr) {
      const auto found = nodes_.find_or_insert(context.chain(level), quota);
      node = found.slot;
      new_node = found.inserted;
    }
    if (new_node) node->first_ns = node->decayed_ns = context.time_ns;
    decay(*node, context.time_ns);
    const float weight = level == 1 ? context.weight : 1;
    if (new_child) node->members += weight;
    node->count += weight;
    if (level != 0 || edge == nullptr) {
      const auto found = edges_.find_or_insert(edge_key(context.chain(level), context.symbol), quota);
      edge = found.slot;
      new_edge = found.inserted;
    }
    new_edge = new_edge || edge->count == 0;
    if (new_edge) {
      edge->first_ns = context.time_ns;
      node->symbols += 1;
    } else if (context.time_ns - edge->last_ns >= day_ns) {
      edge->count *= kept(context.time_ns - edge->last_ns);
    }
    edge->count += 1;
    edge->last_ns = std::max(edge->last_ns, context.time_ns);
    if (period_ns[level] == 0) return;
    // The parent hears of it once per period.
    const std::uint32_t period = period_of(context.time_ns, level);
    if (!new_edge && edge->period == period) return;
    edge->period = period;
    if (level == 0) {
      if (new_edge) add_actor(context);
      auto [everywhere, first] = nodes_.find_or_insert(context.role_everywhere(), 0);
      if (first) everywhere->first_ns = everywhere->decayed_ns = context.time_ns;
      decay(*everywhere, context.time_ns);
      everywhere->count += context.weight;
    }
    new_child = new_node;
  }
}

bool Flow::ask(std::size_t question, const Context& context, std::uint64_t data_class, bool asked, Verdict& verdict) {
  const Scored scored = score(context);
  const bool known = scored.edge != nullptr;
  if (asked && scored.warm) judge(question, context, data_class, scored, verdict);
  if (scored.known_level > 0) count_new(context, scored.known_level, scored.warm);
  learn(context, scored.node, scored.edge);
  return known;
}

void Flow::judge(std::size_t question, const Context& context, std::uint64_t data_class, const Scored& scored,
                 Verdict& verdict) {
  const std::size_t tail_class = question == 0 && scored.known_level == levels ? questions : question;
  TailCalibrator& tail = tails_[tail_class];
  const double rate_max = false_alerts_per_day_ * budget_share[tail_class], hot_max = rate_max * hot_;
  if (scored.score < interesting_nats) {
    tail.learn_ordinary(context.time_ns, context.weight);
    if (question == 0) tails_[questions].learn_ordinary(context.time_ns, context.weight);
    return;
  }
  if (const Node* all = nodes_.find(context.chain(3)); all == nullptr || context.time_ns - all->first_ns < judged_age_ns)
    return;
  const double rate = tail.rate_per_day(scored.score);
  const bool hot = parts_.winsorising && rate < hot_max && tail.days() >= calibrated_days;
  const bool finding = tail.days() >= calibrated_days && rate < rate_max * handed_over_;
  const double p_value = tail.p_value(scored.score);
  const CalibrationState calibration = tail.state_at(scored.score);
  if (hot) {
    const auto today = static_cast<std::uint16_t>(context.time_ns / day_ns);
    if (scored.node->hot_day != today) tail.learn(tail.bar(scored.score, hot_max), context.time_ns, context.weight, scored.score);
    scored.node->hot_day = today;
  } else {
    tail.learn(scored.score, context.time_ns, context.weight);
  }
  if (!finding) return;
  if (!verdict.rule.empty()) {  // one that is below its bar comes before all that are not
    const bool below = rate < rate_max, other_below = verdict.rate_per_day < verdict.bar_per_day;
    if (below == other_below ? rate >= verdict.rate_per_day : other_below) return;
  }
  verdict.rule = rules[question];
  verdict.score = scored.score;
  verdict.rate_per_day = rate;
  verdict.bar_per_day = rate_max;
  verdict.p_value = p_value;
  verdict.calibration = calibration;
  verdict.data_class = data_class;
  verdict.level = level_names[scored.known_level];
  verdict.principal_events = scored.node->count;
  verdict.symbols_known = scored.node->symbols;
  verdict.context_first_ns = scored.node->first_ns;
  verdict.edge_known = scored.edge != nullptr;
  verdict.edge_first_ns = scored.edge == nullptr ? 0 : scored.edge->first_ns;
  const Edge* peers = edges_.find(edge_key(context.chain(1), context.symbol));
  const Node* role = nodes_.find(context.chain(1));
  verdict.peers_using = peers == nullptr ? 0 : peers->actors;
  verdict.peers = role == nullptr ? 0 : role->members;
}

Flow::Verdict Flow::observe(const EventKeys& keys, const Event& event, Share share) {
  Verdict verdict;
  if (!asks(keys)) return verdict;
  const std::int64_t time_ns = event.time_ns();
  const Context to{keys, salt_of(0, 0), keys.destination, time_ns, share.weight};
  verdict.new_destination = !ask(0, to, 0, share.judged, verdict);
  // A destination or class that is new makes its pair new as well: the pair is asked only when both are in use.
  const Edge* used = edges_.find(edge_key(to.own, to.symbol));
  const bool destination_known = used != nullptr && used->count >= in_use_count;
  for (std::uint64_t classes = event.get(Num::data_classes) & ~std::uint64_t{1}; classes != 0; classes &= classes - 1) {
    const auto data_class = static_cast<std::uint64_t>(std::countr_zero(classes));
    const Context of_class{keys, salt_of(2, 0), class_symbol(data_class), time_ns, share.weight};
    const bool class_known = ask(2, of_class, data_class, share.judged, verdict);
    const Context pair{keys, salt_of(1, data_class), keys.destination, time_ns, share.weight, to.own};
    ask(1, pair, data_class, share.judged && destination_known && class_known, verdict);
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
