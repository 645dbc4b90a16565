// PlanWalker: execution of one Plan on one document, with what it has learned of the order of keys. Owned by one Parser.
//
// The walk iterates over the fields of each object and guesses the next key from the last message ("after principal
// came principal_type"): a right guess is one 32-byte compare, a wrong one a hash probe. So it costs what asking in
// document order costs, for any order, and sees duplicate keys on mapped paths.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "ingest/event_writer.hpp"
#include "ingest/json_text.hpp"
#include "ingest/plan.hpp"

namespace tidewaiter::ingest {

class PlanWalker {
 public:
  explicit PlanWalker(std::unique_ptr<Plan> plan);

  const Plan& plan() const { return *plan_; }
  /// Something under a mapped path is no JSON token: the exact check must have the last word.
  bool odd() const { return odd_; }

  void begin() { odd_ = false; }
  /// Walks the whole document, or the payload alone. False: it is broken.
  bool document(simdjson::ondemand::object& root, bool payload_only, EventWriter& out) {
    return object(root, steps_[payload_only ? plan_->payload_node : 0], out);
  }
  /// An attribute that came as a header. It has no escapes.
  void attribute(std::string_view name, std::string_view text, EventWriter& out) {
    const std::uint32_t child = plan_->child(0, name);
    if (child != Plan::none) put_all(steps_[child], text, out);
  }

 private:
  /// What the walk needs of one key, in two cache lines, and what it has learned.
  struct alignas(64) Step {
    std::array<char, 32> key_bytes{};
    std::uint32_t key_mask = 0;
    std::uint32_t node = 0;
    Step* next = nullptr;   // the key that came after this one last time
    Step* first = nullptr;  // the key that came first in this object
    std::uint64_t bit = 0;  // among its siblings
    const Leaf* leaves = nullptr;
    std::uint32_t leaf_count = 0;
    std::int32_t capture = -1;
    bool as_written = false;  // captured with its escapes
    bool plain = false;     // one uncontested string column, copied: nearly half of all fields

    bool is(const char* key, const PlanNode& plan_node) const {
      if (key_mask == 0)
        return std::memcmp(key, plan_node.key.data(), plan_node.key.size()) == 0 && key[plan_node.key.size()] == '"';
  #if defined(__AVX2__)
      const __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(key)),
                                             _mm256_load_si256(reinterpret_cast<const __m256i*>(key_bytes.data())));
      return (~static_cast<std::uint32_t>(_mm256_movemask_epi8(same)) & key_mask) == 0;
  #else
      return std::memcmp(key, key_bytes.data(), plan_node.key.size() + 1) == 0;
  #endif
    }
  };

  Step step_of(std::uint32_t number);
  bool object(simdjson::ondemand::object& fields, Step& at, EventWriter& out);
  /// The expected key, or one of the next that were seen behind it: optional keys are left out all the time, and the
  /// chain keeps the order of them all.
  Step* follow(Step* step, const char* key) const {
    for (int i = 0; i < 4 && step != nullptr; ++i, step = step->next)
      if (step->is(key, plan_->nodes[step->node])) return step;
    return nullptr;
  }
  Step* look_up(std::uint32_t at, const char* key);
  bool take(simdjson::ondemand::value& value, Step& step, EventWriter& out);
  void scalar(std::string_view token, const Step& step, EventWriter& out);
  bool array(simdjson::ondemand::value& value, const Step& step, EventWriter& out);
  static std::string_view string(const char* inside, EventWriter& out) {
    const StringExtent extent = string_extent(inside);
    return out.text_of({inside, extent.length}, extent.escaped);
  }
  static void put_all(const Step& step, std::string_view text, EventWriter& out);

  std::unique_ptr<Plan> plan_;
  std::vector<Step> steps_;  // by node; never moves
  bool odd_ = false;
};

}  // namespace tidewaiter::ingest
