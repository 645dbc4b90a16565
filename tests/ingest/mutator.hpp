// Changes to messages as real producers and attackers make them: keys dropped, doubled, in another order, values of
// other types, huge numbers, escapes, JSON in strings, nesting, truncation. The same seed makes the same changes.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace tidewaiter::ingest::testing {

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}
  /// One to four changes; what is no JSON is changed byte by byte.
  std::string change(const std::string& message);

 private:
  std::mt19937_64 random_;
};

}  // namespace tidewaiter::ingest::testing
