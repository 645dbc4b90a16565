#include "detect/sequence.hpp"

#include <algorithm>
#include <cmath>

namespace tidewaiter::detect {
namespace {

constexpr double discount = 0.5, concentration = 0.1;
constexpr double base_probability = 1.0 / 1024;  // of a symbol that nobody has used
constexpr double negligible = 0.005;
constexpr Key root_context = 0x5e90;
constexpr std::uint64_t symbol_salt = 0x1b873593;

Key in_context(Key context, Key symbol) { return combine(context, symbol ^ symbol_salt); }

}  // namespace

Sequence::Place::Place(const History& history, std::size_t depth) : depth_(depth) {
  contexts_[0] = root_context;
  for (std::size_t i = 0; i < depth; ++i) contexts_[i + 1] = combine(contexts_[i], history.last_[i]);
}

void Sequence::prefetch(const Place& place, Key symbol) const {
  for (std::size_t i = place.depth_ + 1; i-- > 0;) {
    slots_.prefetch_rare(place.contexts_[i]);
    slots_.prefetch_rare(in_context(place.contexts_[i], symbol));
  }
}

double Sequence::surprise(const Place& place, Key symbol) const {
  double probability = 0, left = 1;  // `left`: the weight of the contexts that are not asked yet
  for (std::size_t i = place.depth_ + 1; i-- > 0 && left > negligible * probability;) {
    const Slot* context = slots_.find_rare(place.contexts_[i]);
    if (context == nullptr) continue;  // never seen, or pushed out
    const Slot* here = slots_.find_rare(in_context(place.contexts_[i], symbol));
    const double own = here == nullptr ? 0 : std::max(0.0, double{here->count} - discount);
    const double events = double{context->count} + concentration;
    probability += left * own / events;
    left *= (concentration + discount * double{context->symbols}) / events;
  }
  return -std::log(std::max(probability + left * base_probability, 1e-300));
}

void Sequence::learn(const Place& place, Key symbol, std::uint16_t quota) {
  for (std::size_t i = place.depth_ + 1; i-- > 0;) {
    Slot* here = slots_.find_or_insert(in_context(place.contexts_[i], symbol), quota).slot;
    const bool first = here->count == 0;
    here->count += 1;
    Slot* context = slots_.find_or_insert(place.contexts_[i], quota).slot;
    context->count += 1;
    context->symbols += first ? 1.0F : 0.0F;
    if (!first) return;
  }
}

double SequenceScore::root_mean_square() const { return count_ == 0 ? 0 : std::sqrt(squares_ / count_); }

}  // namespace tidewaiter::detect
