#include "detect/contact.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace tidewaiter::detect {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t hour_ns = 3600 * second_ns;
constexpr double day_ns = 86'400e9;
constexpr double prior_weight = 5;        // events that everybody's rate of new edges is worth
constexpr double discount = 0.5;
constexpr double known_share = 0.1;       // of its surprise that a known edge keeps
constexpr double position_step = 0.1;
constexpr double position_bias = -1;
constexpr double position_decay = 1e-4;
constexpr double learnt_events = 20;      // before, everything is new

constexpr std::uint32_t paired = 8;         // of each side's sample, all with all

// Minutes ago, on a scale of about 0 to 1.5; never = as if 30 years.
double ago(bool ever, std::int64_t since_ns) {
  if (!ever) return 1.7;
  return std::log1p(std::max<double>(0, static_cast<double>(since_ns)) / 60e9) / 10;
}

}  // namespace

Contact::Contact(std::uint64_t memory_bytes) : edges_(memory_bytes / 2), nodes_(memory_bytes / 2) {}

void Contact::prefetch(Key source, Key destination) const {
  edges_.prefetch(combine(source, destination));
  nodes_.prefetch(source, offsetof(Node, as_source));
  nodes_.prefetch(destination);
}

std::uint64_t Contact::random() {  // xorshift64 (Marsaglia 2003)
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return random_state_;
}

// Asks for all of them, from a byte of their nodes to another: each is looked at while the next is on its way.
std::array<Key, Contact::contrasts> Contact::random_destinations(std::size_t begin, std::size_t end) {
  std::array<Key, contrasts> keys;
  for (Key& key : keys) {
    key = random_destination();
    if (begin >= 64) nodes_.prefetch(key, 64);  // the key itself
    nodes_.prefetch_part(key, begin, end);
  }
  return keys;
}

Contact::Node* Contact::node_of(Key key, std::uint16_t quota) {
  const auto [node, inserted] = nodes_.find_or_insert(key, quota);
  if (inserted)
    for (std::size_t i = 0; i < dimensions; ++i) {
      const auto place = [&] { return static_cast<float>(static_cast<double>(random() % 1024) / 1024 - 0.5) / 2; };
      node->as_source[i] = place();
      node->as_destination[i] = place();
    }
  return node;
}

std::uint32_t Contact::touching(const Key* keys, std::size_t size, Key key) const {
  std::array<Key, 2 * sampled> edges;
  std::uint32_t to = 0, from = 0, touching = 0;
  for (std::size_t i = 0; i < size; ++i) {
    to |= std::uint32_t{edges_.prefetch_rare(edges[2 * i] = combine(keys[i], key))} << i;
    from |= std::uint32_t{edges_.prefetch_rare(edges[2 * i + 1] = combine(key, keys[i]))} << i;
  }
  for (std::uint32_t left = to | from; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    const std::uint32_t bit = 1u << i;
    if (((to & bit) != 0 && edges_.find(edges[2 * i]) != nullptr) || ((from & bit) != 0 && edges_.find(edges[2 * i + 1]) != nullptr))
      touching |= bit;
  }
  return touching;
}

Contact::Pairs Contact::pairs_of(const Neighbours& in, const Neighbours& out) const {
  const std::uint32_t sources = std::min(in.size, paired), destinations = std::min(out.size, paired);
  std::array<Key, paired * paired> edges;  // those that may be there
  std::size_t maybe = 0;
  for (std::uint32_t i = 0; i < sources; ++i)
    for (std::uint32_t j = 0; j < destinations; ++j)
      maybe += edges_.prefetch_rare(edges[maybe] = combine(in.keys[i], out.keys[j]));
  Pairs pairs{0, static_cast<double>(sources * destinations)};
  for (std::size_t i = 0; i < maybe; ++i) pairs.linked += edges_.find(edges[i]) != nullptr;
  return pairs;
}

Contact::Affinity::Vector Contact::affinity_features(const Node& source, const Node& destination,
                                                     std::int64_t time_ns) {
  const Key u = source.key, d = destination.key;
  const double of_source = std::popcount(touching(source.out.keys, source.out.size, d));
  const std::uint32_t peers = touching(destination.in.keys, destination.in.size, u);
  const double of_destination = std::popcount(peers);
  double active = 0;
  for (std::uint32_t left = peers; left != 0; left &= left - 1)
    if (const Node* node = nodes_.find(destination.in.keys[std::countr_zero(left)]))
      active += node->has_sent && time_ns - node->last_sent_ns < hour_ns;
  const auto [shared, pairs] = pairs_of(destination.in, source.out);
  double lately = 0, lately_near = 0;
  for (std::uint8_t i = 0; i < source.recent_size; ++i) {
    if (source.recent[i] == d || time_ns - source.recent_ns[i] > hour_ns) continue;
    ++lately;
    lately_near += touch(source.recent[i], d);
  }
  const double theirs = std::popcount(touching(destination.recent, destination.recent_size, u));
  double position = 0;
  for (std::size_t i = 0; i < dimensions; ++i) position += source.as_source[i] * destination.as_destination[i];
  return {1,
          std::log1p(destination.sources) / 2,
          linked(d, u) ? 1.0 : 0.0,
          std::log1p(of_source),
          std::log1p(of_destination),
          std::log1p(shared) / 2,
          pairs > 0 ? shared / pairs : 0,
          of_source / (source.out.size + 2.0),
          destination.events > 0 ? 1.0 : 0.0,
          ago(destination.has_received, time_ns - destination.last_received_ns),
          ago(destination.has_sent, time_ns - destination.last_sent_ns),
          lately_near / (lately + 1),
          position / 2,
          theirs / (destination.recent_size + 1.0),
          std::log1p(active),
          of_destination / (destination.in.size + 2.0)};
}

// What is left of Node::fresh_day.
double Contact::kept_of_day(const Node& source, std::int64_t time_ns) {
  if (!source.has_sent) return 0;
  return std::exp(-std::max(0.0, static_cast<double>(time_ns - source.last_sent_ns)) / day_ns);
}

Contact::Newness::Vector Contact::newness_features(const Node& source, std::int64_t time_ns, double kept) const {
  const double everybody = (fresh_ + 1) / (events_ + 2);
  const double rate =
      std::min(0.999, (source.fresh + prior_weight * everybody) / (source.events + prior_weight));
  const double today = source.fresh_day * kept;
  return {1,
          std::log(rate / (1 - rate)),
          today / (1 + today),
          ago(source.has_new, time_ns - source.last_new_ns),
          ago(source.has_sent, time_ns - source.last_sent_ns),
          std::log1p(source.events) / 5,
          source.events == 0 ? 1.0 : 0.0,
          std::log1p(source.fresh) / 3};
}

Contact::Verdict Contact::observe(Key u, Key d, std::uint16_t quota, std::int64_t time_ns) {
  Verdict verdict;
  node_of(u, quota);
  Node* destination = node_of(d, quota);
  Node* source = nodes_.find(u);
  if (source == nullptr) return verdict;  // pushed out by its own destination: a table far too small
  const double kept = kept_of_day(*source, time_ns);
  const Newness::Vector newness = newness_features(*source, time_ns, kept);
  verdict.p_new = logistic((newness_.log_odds(newness) + newness[1]) / 2);
  Edge* edge = edges_.find(combine(u, d));
  verdict.known = edge != nullptr;
  newness_.learn(newness, !verdict.known);
  if (verdict.known) {
    const double own = std::max(edge->count - discount, 0.1) / (source->events + prior_weight);
    verdict.score = known_share * -std::log(std::min(1.0, own * (1 - verdict.p_new)));
    edge->count += 1;
  } else {
    const Affinity::Vector features = affinity_features(*source, *destination, time_ns);
    verdict.affinity = affinity_.log_odds(features);
    const double uniform = std::log(std::max<double>(1, static_cast<double>(destinations_)));
    verdict.score = std::max(0.0, -std::log(verdict.p_new) + uniform - verdict.affinity);
    edge = edges_.find_or_insert(combine(u, d), quota).slot;
    edge->count = 1;
    learn_new(*source, *destination, features, time_ns);
  }
  edge->last_ns = time_ns;
  const auto hour = static_cast<std::uint32_t>(time_ns / hour_ns + 1);
  if (edge->hour != hour) teach_positions(*source, *destination);
  edge->hour = hour;
  source->fresh_day = static_cast<float>(source->fresh_day * kept + (verdict.known ? 0 : 1));
  source->events += 1;
  source->last_sent_ns = destination->last_received_ns = time_ns;
  source->has_sent = destination->has_received = 1;
  events_ += 1;
  add_recent(*source, d, time_ns);
  return verdict;
}

void Contact::learn_new(Node& source, Node& destination, const Affinity::Vector& features, std::int64_t time_ns) {
  if (events_ > learnt_events && destinations_ > 1) {
    const auto others = random_destinations(0, sizeof(Node));
    affinity_.learn(features, true);
    for (const Key other : others) {
      const Node* node = nodes_.find(other);
      if (node == nullptr || other == source.key || other == destination.key || linked(source.key, other)) continue;
      affinity_.learn(affinity_features(source, *node, time_ns), false, 1.0 / contrasts);
    }
  }
  source.fresh += 1;
  fresh_ += 1;
  if (destination.sources == 0) {
    // An even sample of all destinations (reservoir sampling: Vitter 1985).
    const std::uint64_t place = destinations_ < candidates_kept ? destinations_ : random() % (destinations_ + 1);
    if (place < candidates_kept) candidates_[place] = destination.key;
    ++destinations_;
  }
  destination.sources += 1;
  add_neighbour(source.out, destination.key);
  add_neighbour(destination.in, source.key);
  source.last_new_ns = time_ns;
  source.has_new = 1;
}

// The newest is always kept: neighbourhoods move on.
void Contact::add_neighbour(Neighbours& neighbours, Key key) {
  const std::size_t place = neighbours.size < sampled ? neighbours.size++ : random() % sampled;
  neighbours.keys[place] = key;
}

void Contact::add_recent(Node& source, Key destination, std::int64_t time_ns) {
  std::size_t place = 0;
  for (std::size_t i = 0; i < source.recent_size; ++i) {
    if (source.recent[i] == destination) {
      source.recent_ns[i] = time_ns;
      return;
    }
    if (source.recent_ns[i] < source.recent_ns[place]) place = i;
  }
  if (source.recent_size < recent_kept) place = source.recent_size++;
  source.recent[place] = destination;
  source.recent_ns[place] = time_ns;
}

void Contact::teach_positions(Node& source, Node& destination) {
  const auto teach = [&](Node& other, double outcome) {
    double product = position_bias;
    for (std::size_t i = 0; i < dimensions; ++i) product += source.as_source[i] * other.as_destination[i];
    const double step = position_step * (outcome - logistic(product));
    for (std::size_t i = 0; i < dimensions; ++i) {
      const double a = source.as_source[i], b = other.as_destination[i];
      source.as_source[i] += static_cast<float>(step * b - position_step * position_decay * a);
      other.as_destination[i] += static_cast<float>(step * a - position_step * position_decay * b);
    }
  };
  if (destinations_ < 2) return;
  const auto others = random_destinations(offsetof(Node, as_destination), offsetof(Node, out));
  teach(destination, 1);
  for (const Key key : others) {
    Node* other = nodes_.find(key);
    if (other != nullptr && key != source.key && key != destination.key && !linked(source.key, key)) teach(*other, 0);
  }
}

void Contact::save(SnapshotWriter& out) const {
  edges_.save(out);
  nodes_.save(out);
  out.put(affinity_);
  out.put(newness_);
  out.put(events_);
  out.put(fresh_);
  out.put(destinations_);
  out.put(candidates_);
  out.put(random_state_);
}

bool Contact::load(SnapshotReader& in) {
  if (!edges_.load(in) || !nodes_.load(in)) return false;
  affinity_ = in.get<Affinity>();
  newness_ = in.get<Newness>();
  events_ = in.get<double>();
  fresh_ = in.get<double>();
  destinations_ = in.get<std::uint64_t>();
  candidates_ = in.get<decltype(candidates_)>();
  random_state_ = in.get<std::uint64_t>();
  return in.ok();
}

}  // namespace tidewaiter::detect
