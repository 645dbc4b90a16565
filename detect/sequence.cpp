#include "detect/sequence.hpp"

#include <algorithm>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double discount = 0.5, concentration = 0.1;
constexpr double base_probability = 1.0 / 1024;  // of a symbol that nobody has used
constexpr Key root_context = 0x5e90;
constexpr std::uint64_t symbol_salt = 0x1b873593;

Key in_context(Key context, Key symbol) { return combine(context, symbol ^ symbol_salt); }

}  // namespace

std::array<Key, Sequence::order + 1> Sequence::contexts(const History& history) {
  std::array<Key, order + 1> keys;
  keys[0] = root_context;
  for (std::size_t i = 0; i < order; ++i) keys[i + 1] = combine(keys[i], history.last_[i]);
  return keys;
}

double Sequence::surprise(const History& history, Key symbol, std::size_t depth) {
  double probability = base_probability;
  const std::array<Key, order + 1> keys = contexts(history);
  for (std::size_t i = 0; i <= depth; ++i) {
    const Key context = keys[i];
    const Slot* known = slots_.find(context);
    if (known == nullptr) continue;  // never seen, or pushed out
    const Slot* here = slots_.find(in_context(context, symbol));
    const double own = here == nullptr ? 0 : std::max(0.0, here->count - discount);
    probability = (own + (concentration + discount * known->symbols) * probability) / (known->count + concentration);
  }
  return -std::log(std::max(probability, 1e-300));
}

void Sequence::learn(const History& history, Key symbol, std::uint16_t quota, std::size_t depth) {
  const std::array<Key, order + 1> keys = contexts(history);
  for (std::size_t i = depth + 1; i-- > 0;) {
    Slot* here = slots_.find_or_insert(in_context(keys[i], symbol), quota).slot;
    const bool first = here->count == 0;
    here->count += 1;
    Slot* context = slots_.find_or_insert(keys[i], quota).slot;
    context->count += 1;
    context->symbols += first ? 1.0F : 0.0F;
    if (!first) return;
  }
}

double SequenceScore::root_mean_square() const { return count_ == 0 ? 0 : std::sqrt(squares_ / count_); }

}  // namespace tidewaiter::detect
