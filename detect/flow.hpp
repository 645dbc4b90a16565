// Flow: data going where this principal, its role and its tenant never sent any.
//
// Three questions per event, each about the next symbol of a context u and answered by a hierarchy of contexts
// principal -> role -> tenant -> all:
//   u -> d      which destination                    (rule flow.destination)
//   u,c -> d    which destination for data class c   (rule flow.class_destination)
//   u -> c      which data class                     (rule flow.data_class)
//
//   P(x|u) = [n_ux - delta]+ / n_u + P_new(u, l) * P(x | l)
//
// l is the nearest ancestor that knows the symbol, P(x|l) its share there (1/65536 when nobody knows it), P_new(u, l)
// the rate at which u comes up with symbols that nobody below l knows:
//
//   P_new(u, l) = (f_u(l) + a * P_new(parent(u), l)) / (n_u + a),   f_u(l) = such events so far, decayed
//
// This is the hierarchical Pitman-Yor predictive rule (Teh 2006; for new edges of networks: Sanna Passino & Heard,
// "Modelling dynamic network evolution as a Pitman-Yor process", 2019) with one table per symbol and, in place of one
// fixed discount, a new-symbol mass per depth that is counted (Good-Turing) and shrunk: strongly from principal to role,
// since members of a role are alike, weakly from role upwards, since roles are not. So a role that never tries anything
// new is held to that, while one that browses is not. Parents count a child's symbol once per hour (role) or day (tenant,
// all), and P(x|l) is by distinct principals, not by events: no single actor can make a destination popular.
// A pair u,c -> d falls back to u -> d, which knows the destination by then.
//
// Where principals are sampled, those in the sample are seen whole: their own counts are exact. What groups count per
// principal (first uses, new symbols, the role's symbols per hour, members) and the tails take each of them for
// 1 / rate principals (Horvitz & Thompson 1952); what a group hears once a day, whoever of the role said it, counts once.
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
  /// What is up to `handed_over` times as frequent as its bar is a finding, too: others of its incident and verdicts of people may
  /// make it an alert. What is rarer than `hot` times its bar is learnt winsorised.
  Flow(std::uint64_t memory_bytes, double false_alerts_per_day, double handed_over = 1, double hot = 1);

  /// In two steps, some events apart: the second needs what the first asked for.
  void prefetch(const EventKeys& keys, const Event& event) const;
  void prefetch_parents(const EventKeys& keys, const Event& event) const;

  /// What one event says. `rule` is empty when there is nothing to alert.
  struct Verdict {
    std::string_view rule;
    double score = 0, rate_per_day = 0, p_value = 1;
    CalibrationState calibration;
    double bar_per_day = 0;             // rates below it are worth an alert
    bool new_destination = false;       // the principal was never seen there; also when there is nothing to alert
    std::uint64_t data_class = 0;       // of u,c -> d and u -> c
    std::string_view level;             // first level that knows the symbol: "role", "tenant", "company", "nobody"
    double principal_events = 0;        // seen in this context
    double symbols_known = 0;           // different ones
    std::int64_t context_first_ns = 0;
    double peers_using = 0, peers = 0;  // estimates where principals are sampled
    bool edge_known = false;
    std::int64_t edge_first_ns = 0;
  };
  /// Whether the event says anything here: it has a principal and a destination.
  static bool asks(const EventKeys& keys) { return keys.principal != 0 && keys.destination != 0; }
  /// What an event of a sample stands for (scoring_sample.hpp).
  struct Share {
    float weight = 1;    // principals that its own stands for, itself included
    bool judged = true;  // false: learnt only
  };
  /// Scores the event, then learns it. Not for late events.
  Verdict observe(const EventKeys& keys, const Event& event, Share share);
  Verdict observe(const EventKeys& keys, const Event& event) { return observe(keys, event, Share()); }

  std::uint64_t evictions() const { return edges_.evictions() + nodes_.evictions(); }
  std::uint64_t memory_bytes() const { return edges_.memory_bytes() + nodes_.memory_bytes(); }
  std::uint64_t slots_used() const { return edges_.used() + nodes_.used(); }
  const TailCalibrator& calibrator(std::size_t tail) const { return tails_[tail]; }

  /// visit(name of the class, tail), always in the same order. So do all detectors.
  template <class Visit>
  void each_tail(Visit visit) const {
    for (const TailCalibrator& tail : tails_) visit(tail.name(), tail);
  }

  void ablate(const Ablation& parts) {
    parts_ = parts;
    for (TailCalibrator& tail : tails_) tail.ablate(parts);
  }

  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);

  static constexpr std::size_t questions = 3;
  static constexpr std::size_t levels = 4;
  static constexpr std::size_t tails = questions + 1;  // destinations that nobody knew are a class of their own

 private:
  struct alignas(64) Edge {
    Key key;
    std::int64_t first_ns, last_ns;
    float count;
    std::uint32_t period;   // hour or day in which the parent was told last
    float actors;           // principals below that ever used it
    std::uint16_t quota, unused;
    std::uint64_t reserved[2];
    std::uint64_t rank() const { return rank_of_use(last_ns, count); }
  };
  struct alignas(64) Node {
    Key key;
    std::int64_t first_ns, decayed_ns;
    float count;         // symbols seen, decayed
    float symbols;       // different ones
    float fresh[levels]; // new to the principal, role, tenant, everybody; decayed
    float members;
    std::uint16_t quota;
    std::uint16_t hot_day;  // last day with an alert, for the declustering of the tail
    double pairs;        // sum of actors over its edges
    std::uint64_t rank() const { return static_cast<std::uint64_t>(decayed_ns / 1'000'000'000); }
  };
  struct Context {
    const EventKeys& keys;
    std::uint64_t salt;        // of question and data class
    Key symbol;
    std::int64_t time_ns;
    float weight = 1;
    Key known_as = 0;          // context that stands in for the ancestors, or 0
    Key own = combine(keys.principal, salt);
    /// Of principal, role, tenant, all; most events need no more than their own.
    Key chain(std::size_t level) const;
    Key role_everywhere() const;  // between role and all, for the rates of new symbols only
  };
  struct Scored {
    double score = 0;
    std::size_t known_level = 0;  // levels = nobody knows it
    Node* node = nullptr;
    Edge* edge = nullptr;         // of the principal; may be null
    bool warm = false;
  };
  /// Calls visit(question, data class, symbol) for what the event asks, as far as observe() may ask it.
  template <class Visit>
  static void each_question(const EventKeys& keys, const Event& event, Visit visit);
  Scored score(const Context& context);
  static double own_share(const Scored& scored);
  double popularity(Key context, Key symbol);
  void add_actor(const Context& context);
  double rate_of_new(const Context& context, std::size_t level);
  void count_new(const Context& context, std::size_t level, bool warm);
  /// `node` and `edge` of the principal, as far as they are known.
  void learn(const Context& context, Node* node, Edge* edge);
  /// Scores (when `asked`) and learns; true when the principal knew the symbol.
  bool ask(std::size_t question, const Context& context, std::uint64_t data_class, bool asked, Verdict& verdict);
  void judge(std::size_t question, const Context& context, std::uint64_t data_class, const Scored& scored,
             Verdict& verdict);
  static void decay(Node& node, std::int64_t time_ns);

  SlotTable<Edge> edges_;
  SlotTable<Node> nodes_;
  std::array<TailCalibrator, tails> tails_;
  const double false_alerts_per_day_, handed_over_, hot_;
  Ablation parts_;
};

}  // namespace tidewaiter::detect
