// Sequence: an action that does not follow from the ones before it.
//
// The next symbol is predicted from the last 4, 3, 2, 1 and none, each falling back on the shorter one by the hierarchical
// Pitman-Yor rule with one table per symbol (Teh, "A hierarchical Bayesian language model based on Pitman-Yor processes",
// 2006, in its interpolated Kneser-Ney form; for audit logs: DeepLog, CCS 2017, asks the same question of a network):
//
//   P(x|u) = ([n_ux - d]+ + (a + d t_u) P(x|u')) / (n_u + a),   u' = u without its oldest symbol, d = 0.5, a = 0.1
//
// n_ux events, t_u different symbols; a shorter context counts a symbol only when the longer one had not seen it. The
// surprise of a symbol is -ln P in nats; of a whole sequence the root of the mean square, which neither a long ordinary
// sequence nor one odd step in a long one can hide. The end of a sequence is a symbol as well.
//
// Asked from the longest context down; where shorter ones can change P by no more than 0.5 % they are not asked.
//
// Cost: two slots for a symbol that is usual in its longest context, ten at most. Learning and asking are apart: who must
// not learn from what may be an attack does not.
#pragma once

#include <array>
#include <cstdint>

#include "detect/slot_table.hpp"

namespace tidewaiter::detect {

class Sequence {
 public:
  static constexpr std::size_t order = 4;

  /// The last symbols of one sequence, newest first; 0 = before its beginning.
  class History {
   public:
    void push(Key symbol) {
      for (std::size_t i = order - 1; i > 0; --i) last_[i] = last_[i - 1];
      last_[0] = symbol;
    }

   private:
    friend class Sequence;
    std::array<Key, order> last_{};
  };

  static constexpr Key end_symbol = 0xe0d;

  /// The contexts that a history gives, made once for all that is asked there.
  class Place {
   public:
    Place() = default;
    /// Of the history the newest `depth` symbols count.
    explicit Place(const History& history, std::size_t depth = order);

   private:
    friend class Sequence;
    std::array<Key, order + 1> contexts_{};  // shortest first
    std::size_t depth_ = 0;
  };

  explicit Sequence(std::uint64_t memory_bytes) : slots_(memory_bytes) {}

  /// Asks for what surprise() and learn() read.
  void prefetch(const Place& place, Key symbol) const;
  /// -ln P of `symbol` there.
  double surprise(const Place& place, Key symbol) const;
  void learn(const Place& place, Key symbol, std::uint16_t quota);

  std::uint64_t evictions() const { return slots_.evictions(); }
  std::uint64_t memory_bytes() const { return slots_.memory_bytes(); }
  std::uint64_t slots_used() const { return slots_.used(); }

  void save(SnapshotWriter& out) const { slots_.save(out); }
  bool load(SnapshotReader& in) { return slots_.load(in); }

 private:
  // A context, or a symbol in a context.
  struct alignas(64) Slot {
    Key key;
    float count;
    float symbols;  // different ones, of a context
    std::uint16_t quota, unused[3];
    std::uint64_t reserved[5];
    std::uint64_t rank() const { return static_cast<std::uint64_t>(count); }
  };

  SlotTable<Slot> slots_;
};

/// Surprise of one sequence as a whole.
class SequenceScore {
 public:
  void add(double surprise) {
    squares_ += surprise * surprise;
    count_ += 1;
  }
  double root_mean_square() const;

 private:
  double squares_ = 0, count_ = 0;
};

}  // namespace tidewaiter::detect
