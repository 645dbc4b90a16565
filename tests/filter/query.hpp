// A random query as a tree of its own: written out as text for the filter, and judged slowly over raw JSON.
// Shares no code with filter/, so that agreement means something.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "core/event.hpp"

namespace tidewaiter::test {

struct Query {
  enum class Kind { constant, exists, compare, not_, and_, or_ };
  enum class Type { text, list, number, time, word, set, address };
  Kind kind = Kind::constant;
  bool value = true;
  std::vector<Query> children;
  std::string field;
  Type type = Type::text;
  std::string op;  // "==", "!=", "<", "in", "not in", "like" ... as in the text
  std::vector<std::string> values;
};

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}
  Query query(int depth);
  std::string text_of(const Query& query);
  /// Its strings live as long as the generator.
  Event event();

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  template <class List>
  std::string one_of(const List& list) {
    return std::string(list[below(std::size(list))]);
  }
  Query comparison();
  std::string operator_of(const Query& query);
  std::string value_of(const Query& query);
  std::string word_of(const std::string& field);
  std::string written(const Query& query, const std::string& value);

  std::mt19937 random_;
  std::deque<std::string> kept_;
};

/// The verdict by the definition in docs/filter.md, over the canonical JSON of an event.
bool reference_verdict(const Query& query, const nlohmann::json& event, std::int64_t now_ns);

}  // namespace tidewaiter::test
