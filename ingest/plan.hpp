// Plan: a mapping file (schemas/mapping.schema.json) compiled into a tree of keys whose leaves say which column a
// value goes to and how. Immutable after compile(); executed by Parser over one walk of the document, so the order of
// fields, missing ones and unknown ones cost nothing extra. Cold path: compile once per mapping at start.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/column.hpp"
#include "core/result.hpp"
#include "ingest/values.hpp"

namespace tidewaiter::ingest {

/// What becomes of a value. Closed list: a mapping holds no code and no expressions.
enum class Transform : std::uint8_t { copy, lower, host, word, word_set, join_words, uint, ip, time };

/// One source of one column.
struct Leaf {
  Transform as = Transform::copy;
  ColumnKind kind = ColumnKind::string;
  std::uint8_t slot = 0;           // Str, Num or Addr
  std::uint8_t contest = 0;        // which of the columns with several sources, if contested
  bool is_id = false;              // of a credential or session: what looks like the secret itself is hashed
  bool contested = false;          // the column has several sources: this is an offer, settled at the end
  std::uint8_t offer = 0;          // place among Plan::offers, if contested
  TimeForm form = TimeForm::rfc3339;
  char separator = 0;              // 0 = the whole text
  std::uint8_t segment = 0;        // which part between separators
  std::uint16_t limit_bytes = 0;   // strings
  std::uint64_t max = 0;           // largest number that makes sense
  const WordTable* words = nullptr;
};

/// A key of an object on the way to some leaf.
struct PlanNode {
  std::string key;
  std::array<char, 32> key_bytes{};  // key and closing quote, when they fit
  std::uint32_t key_mask = 0;        // bit per byte of key_bytes that counts; 0 = key too long for it
  std::uint32_t first_child = 0, child_count = 0;  // children stand side by side
  std::uint32_t first_leaf = 0, leaf_count = 0;
  std::int32_t capture = -1;         // remembered as text for a join or a detection
  std::uint32_t table = 0, table_mask = 0;  // open addressing over the children's keys, in Plan::table
};

/// Holds when the captured text begins like this, or, if negated, when it does not.
struct Guard {
  std::uint8_t capture;
  bool negated;
  std::string start;
};

/// Captured texts put together with a space: a string column whose other sources gave nothing.
struct Join {
  Str column;
  Leaf leaf;
  std::vector<std::uint8_t> captures;
  std::vector<Guard> when;  // all of them
};

/// A column with several sources: of Plan::offers from `first` on, the first that gives a value counts.
struct Contest {
  std::uint8_t first, count;
};

/// A document whose captured text begins like this is of another format.
struct Foreign {
  std::uint8_t capture;
  std::string start;
};

struct Default {
  ColumnKind kind;
  std::uint8_t slot;
  std::uint64_t number = 0;
  std::string_view text;  // lives as long as the process
};

/// The text in a place that is never freed: events may point to it whatever happens to its maker. For configuration only.
std::string_view lasting_text(std::string_view text);

class Plan {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  static constexpr std::size_t captures_max = 16, offers_max = 64;

  /// Error: invalid_argument, naming the mapping, the place in it and what was expected.
  static Result<std::unique_ptr<Plan>> compile(std::string_view json, std::string_view name);

  /// The child of `node` with this key, or none.
  std::uint32_t child(std::uint32_t node, std::string_view key) const;

  std::string format;
  std::uint16_t number = 0, version = 0;
  std::vector<PlanNode> nodes;  // [0] is the document's root
  std::vector<Leaf> leaves;
  std::vector<std::uint32_t> table;
  std::vector<Leaf> offers;
  std::vector<Contest> contests;
  std::vector<Join> joins;
  std::vector<Default> defaults;
  std::uint32_t required_captures = 0;  // bits: all must be there for the document to be of this format
  std::vector<Foreign> foreign;
  std::string header_prefix;            // attributes may come as Kafka headers with this prefix ...
  std::uint32_t payload_node = none;    // ... and the value is then what this node holds in the whole form
  std::string content_type;             // beginning of the content-type header of the whole form
  std::string payload_key;              // where the whole form has the payload ...
  std::int32_t base64_capture = -1;     // ... unless this captures it, in base64
};

}  // namespace tidewaiter::ingest
