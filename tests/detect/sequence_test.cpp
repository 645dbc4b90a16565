#include "detect/sequence.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <string_view>

namespace tidewaiter::detect {
namespace {

Key letter(char c) { return hash_name({&c, 1}); }

void learn(Sequence& sequence, std::string_view text) {
  Sequence::History history;
  for (const char c : text) {
    sequence.learn(Sequence::Place(history), letter(c), 1);
    history.push(letter(c));
  }
  sequence.learn(Sequence::Place(history), Sequence::end_symbol, 1);
}

double score(Sequence& sequence, std::string_view text) {
  Sequence::History history;
  SequenceScore total;
  for (const char c : text) {
    total.add(sequence.surprise(Sequence::Place(history), letter(c)));
    history.push(letter(c));
  }
  total.add(sequence.surprise(Sequence::Place(history), Sequence::end_symbol));
  return total.root_mean_square();
}

TEST(Sequence, the_predictive_rule_by_hand) {
  Sequence sequence(1 << 20);
  Sequence::History start;
  sequence.learn(Sequence::Place(start), letter('a'), 1);
  sequence.learn(Sequence::Place(start), letter('a'), 1);
  sequence.learn(Sequence::Place(start), letter('b'), 1);
  // Every context before the first symbol has seen a, a, b; those above the longest count each symbol once.
  double p = 1.0 / 1024;
  for (int context = 0; context < 4; ++context) p = (0.5 + (0.1 + 0.5 * 2) * p) / 2.1;
  p = (1.5 + (0.1 + 0.5 * 2) * p) / 3.1;
  EXPECT_NEAR(sequence.surprise(Sequence::Place(start), letter('a')), -std::log(p), 1e-9);
}

TEST(Sequence, a_chain_that_never_was_scores_above_one_of_the_same_letters_that_was) {
  Sequence sequence(4 << 20);
  for (int i = 0; i < 50; ++i) {
    learn(sequence, "abcabcde");
    learn(sequence, "abcde");
  }
  EXPECT_LT(score(sequence, "abcabcabcde"), 2);
  EXPECT_GT(score(sequence, "abcecbade"), score(sequence, "abcabcabcde") + 1.5);
  EXPECT_GT(score(sequence, "abc"), score(sequence, "abcde") + 0.5) << "it ends too early";
}

TEST(Sequence, one_odd_step_shows_in_a_long_sequence) {
  Sequence sequence(4 << 20);
  for (int i = 0; i < 50; ++i) learn(sequence, "abababababababababababababababab");
  EXPECT_GT(score(sequence, "abababababababzbabababababababab"), score(sequence, "abababababababababababababababab") + 1);
}

TEST(Sequence, asking_teaches_nothing) {
  Sequence sequence(1 << 20);
  learn(sequence, "abc");
  const double before = score(sequence, "xyz");
  for (int i = 0; i < 100; ++i) score(sequence, "xyz");
  EXPECT_EQ(score(sequence, "xyz"), before);
}

TEST(Sequence, a_snapshot_goes_on_as_if_nothing_had_been) {
  Sequence sequence(1 << 20), other(1 << 20);
  learn(sequence, "abcabc");
  SnapshotWriter out;
  sequence.save(out);
  SnapshotReader in(out.bytes());
  ASSERT_TRUE(other.load(in));
  EXPECT_EQ(score(sequence, "abd"), score(other, "abd"));
}

}  // namespace
}  // namespace tidewaiter::detect
