// Contact: a source that reaches a destination it has no reason to reach, in any graph of who talks to whom.
//
// Flow (flow.hpp) asks roles and tenants; this detector needs neither: peers are found from the graph itself. The surprise
// of a source u that reaches d for the first time has two factors,
//
//   score = -ln P(u tries something new) + ln N - l(u, d)      (nats)
//
// - P(new): rate of new destinations of u as in the Pitman-Yor process (Teh 2006; Sanna Passino & Heard, "Modelling
//   dynamic network evolution as a Pitman-Yor process", 2019), averaged in log-odds with a logistic regression on how
//   long ago and how often u did so.
// - l(u, d): log-odds that d is where u goes and not one of the N known destinations drawn at random, by noise-contrastive
//   estimation (Gutmann & Hyvarinen 2010): each new edge is learnt against two random ones. Features: popularity by
//   distinct sources, reciprocity, common neighbours of samples of neighbours (Adamic & Adar 2003 for why they tell),
//   shared destinations with those that use d, recency, and the inner product of learnt positions of u and d (stochastic
//   factorisation as in Tang et al., "LINE", 2015).
// An edge that has been there before is no surprise: it scores a tenth of its own surprise, (n - 1/2) / n_u.
//
// An edge teaches positions once an hour and popularity once: repeating it teaches nothing. Randomness is a counter in the
// state, so a replay gives the same scores. Cost: three slots for a known edge, some microseconds for a new one.
#pragma once

#include <array>
#include <cstdint>

#include "detect/logistic.hpp"
#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class Contact {
 public:
  explicit Contact(std::uint64_t memory_bytes);

  void prefetch(Key source, Key destination) const;

  struct Verdict {
    double score = 0;       // nats
    bool known = false;     // the edge was there before
    double p_new = 1;       // of the source trying something new
    double affinity = 0;    // l(u, d) in nats; 0 when known
  };
  /// Scores the event, then learns it. Time that runs back is taken as it comes.
  Verdict observe(Key source, Key destination, std::uint16_t quota, std::int64_t time_ns);

  std::uint64_t evictions() const { return edges_.evictions() + nodes_.evictions(); }
  std::uint64_t memory_bytes() const { return edges_.memory_bytes() + nodes_.memory_bytes(); }
  std::uint64_t slots_used() const { return edges_.used() + nodes_.used(); }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

 private:
  static constexpr std::size_t sampled = 16, recent_kept = 8, dimensions = 16, candidates_kept = 4096;

  struct alignas(64) Edge {
    Key key;
    std::int64_t last_ns;
    float count;
    std::uint32_t hour;  // in which it taught last
    std::uint16_t quota, unused;
    std::uint32_t reserved[9];
    std::uint64_t rank() const { return rank_of_use(last_ns, count); }
  };
  struct Neighbours {
    Key keys[sampled];
    std::uint32_t size, unused;
  };
  struct alignas(64) Node {
    Key key;
    std::int64_t last_new_ns, last_sent_ns, last_received_ns;
    float events;      // sent
    float fresh;       // sent to somewhere new
    float fresh_day;   // the same, forgotten within a day
    float sources;     // distinct, that reached this node
    std::uint16_t quota;
    std::uint8_t has_new, has_sent, has_received, recent_size, unused[2];
    Key recent[recent_kept];  // up to here a known edge needs it
    std::int64_t recent_ns[recent_kept];
    float as_source[dimensions], as_destination[dimensions];
    Neighbours out, in;
    std::uint64_t rank() const {
      return static_cast<std::uint64_t>(std::max(last_sent_ns, last_received_ns) / 1'000'000'000);
    }
  };
  using Affinity = Logistic<16>;
  using Newness = Logistic<8>;

  bool linked(Key a, Key b) const { return edges_.find_rare(combine(a, b)) != nullptr; }
  bool touch(Key a, Key b) const { return linked(a, b) || linked(b, a); }
  /// A bit for each of at most 32 keys that touches `key`. All edges are asked for before the first is looked at.
  std::uint32_t touching(const Key* keys, std::size_t size, Key key) const;
  /// How many of the pairs of a source of `in` and a destination of `out`, of the first `paired` each, are linked.
  struct Pairs {
    double linked = 0, all = 0;
  };
  Pairs pairs_of(const Neighbours& in, const Neighbours& out) const;
  Node* node_of(Key key, std::uint16_t quota);
  Affinity::Vector affinity_features(const Node& source, const Node& destination, std::int64_t time_ns);
  static double kept_of_day(const Node& source, std::int64_t time_ns);
  Newness::Vector newness_features(const Node& source, std::int64_t time_ns, double kept) const;
  void learn_new(Node& source, Node& destination, const Affinity::Vector& features, std::int64_t time_ns);
  void add_neighbour(Neighbours& neighbours, Key key);
  static void add_recent(Node& source, Key destination, std::int64_t time_ns);
  void teach_positions(Node& source, Node& destination);
  std::uint64_t random();
  static constexpr std::size_t contrasts = 2;  // random destinations learnt beside each edge
  std::array<Key, contrasts> random_destinations(std::size_t begin, std::size_t end);
  Key random_destination() { return candidates_[random() % std::min<std::uint64_t>(destinations_, candidates_kept)]; }

  SlotTable<Edge> edges_;
  SlotTable<Node> nodes_;
  Affinity affinity_;
  Newness newness_;
  double events_ = 0, fresh_ = 0;
  std::uint64_t destinations_ = 0;                 // different ones so far
  std::array<Key, candidates_kept> candidates_{};  // an even sample of them
  std::uint64_t random_state_ = 88172645463325252;
};

}  // namespace tidewaiter::detect
