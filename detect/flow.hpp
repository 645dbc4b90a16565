// Flow: data going where this principal, its role and its tenant never sent any.
//
// Three questions per event, each about the next symbol of a context u and answered by a hierarchy of contexts
// principal -> role -> tenant -> all:
//   u -> d      which destination                    (rule flow.destination)
//   u,c -> d    which destination for data class c   (rule flow.class_destination)
//   u -> c      which data class                     (rule flow.data_class)
//
//   P(x|u) = [n_ux - delta]+ / n_u + P_new(u) * P(x|parent(u)),   P(x|root) = 1/65536
//   P_new(u) = (n1_u + a * P_new(parent)) / (n_u + a)
//
// This is the hierarchical Pitman-Yor predictive rule (Teh 2006; for new edges of networks: Sanna Passino & Heard,
// "Modelling dynamic network evolution as a Pitman-Yor process", 2019) with one table per symbol, its new-symbol mass
// taken from the singletons n1 (Good 1953; Kneser & Ney 1995) and shrunk towards the parent's, so that a member of a
// role that never tries anything new is held to that. A parent counts a child's symbol once per hour (role) or day
// (tenant, all): destinations are popular by distinct actors, and no single actor can make one popular.
//
// Score = -ln P in nats; score, then learn. The rate of such scores comes from TailCalibrator per question; an alert
// needs a rate below the detector's share of the false alert budget, and enough history of principal and calibrator.
// A cold principal is left to policy. Cost: two slots per question and event on the known path.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "detect/alert.hpp"
#include "detect/keys.hpp"
#include "detect/slot_table.hpp"
#include "detect/tail.hpp"

namespace tidewaiter::detect {

class Flow {
 public:
  Flow(std::uint64_t memory_bytes, double false_alerts_per_day);

  void prefetch(const EventKeys& keys, const Event& event) const;

  /// What one event says. `rule` is empty when there is nothing to alert.
  struct Verdict {
    std::string_view rule;
    double score = 0, rate_per_day = 0, p_value = 1;
    std::uint64_t data_class = 0;       // of u,c -> d and u -> c
    std::string_view level;             // first level that knows the symbol: "role", "tenant", "company", "nobody"
    double principal_events = 0;        // seen in this context
    double symbols_known = 0;           // different ones
    std::int64_t context_first_ns = 0;
    std::uint32_t peers_using = 0, peers = 0;
    bool edge_known = false;
    std::int64_t edge_first_ns = 0;
  };
  /// Scores the event, then learns it. Not for late events.
  Verdict observe(const EventKeys& keys, const Event& event);

  std::uint64_t evictions() const { return edges_.evictions() + nodes_.evictions(); }
  std::uint64_t memory_bytes() const { return edges_.memory_bytes() + nodes_.memory_bytes(); }
  std::uint64_t slots_used() const { return edges_.used() + nodes_.used(); }
  const TailCalibrator& calibrator(std::size_t question) const { return tails_[question]; }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

  static constexpr std::size_t questions = 3;
  static constexpr std::size_t levels = 4;

 private:
  struct alignas(64) Edge {
    Key key;
    std::int64_t first_ns, last_ns;
    float count;
    std::uint32_t period;   // hour or day in which the parent was told last
    std::uint32_t actors;   // children that ever used it
    std::uint16_t quota, unused;
    std::uint64_t reserved[2];
    // A once-seen edge goes before a used one; among equals the older.
    std::uint64_t rank() const {
      return static_cast<std::uint64_t>(last_ns / 1'000'000'000) +
             std::min<std::uint64_t>(static_cast<std::uint64_t>(count), 24) * 86'400;
    }
  };
  struct alignas(64) Node {
    Key key;
    std::int64_t first_ns, decayed_ns;
    float count;       // symbols seen, decayed
    float singletons;  // symbols seen once
    float symbols;     // different ones
    std::uint32_t members;
    std::uint16_t quota, unused;
    std::uint32_t reserved[3];
    std::uint64_t rank() const { return static_cast<std::uint64_t>(decayed_ns / 1'000'000'000); }
  };
  using Chain = std::array<Key, levels>;

  struct Scored {
    double score;
    std::size_t known_level;  // levels = none
    Node* node;
    Edge* edge;               // of the principal; may be null
    bool warm;
  };
  Scored score(const Chain& chain, Key symbol, std::int64_t time_ns);
  void learn(const Chain& chain, Key symbol, std::uint16_t quota, std::int64_t time_ns);
  /// Scores (when `asked`) and learns; true when the principal knew the symbol.
  bool ask(std::size_t question, const Chain& chain, Key symbol, std::uint64_t data_class, const EventKeys& keys,
           std::int64_t time_ns, bool asked, Verdict& verdict);
  void judge(std::size_t question, const Chain& chain, Key symbol, std::uint64_t data_class, const Scored& scored,
             std::int64_t time_ns, Verdict& verdict);
  static void decay(Node& node, std::int64_t time_ns);
  static Chain chain_of(const EventKeys& keys, std::uint64_t question, std::uint64_t data_class);

  SlotTable<Edge> edges_;
  SlotTable<Node> nodes_;
  std::array<TailCalibrator, questions> tails_;
  const double rate_max_;
};

}  // namespace tidewaiter::detect
