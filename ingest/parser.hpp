// Parser: the bytes of each record of a batch → its events, by the plans of the mappings. Never fails: what is no
// document becomes a reject with a reason, a document of no known shape an unmapped record with one event (semantics 5).
//
// Cost: one pass of simdjson (stage 1) and one walk over the fields; strings without a backslash are views into the
// record, the rest is written behind the bodies in the batch's arena. No allocation per event once warm.
// Not strict (the default): what lies under keys that no mapping reads is checked for UTF-8, closed strings, depth and
// number of keys, but not for grammar (`{"unread":tru}` passes). strict: the whole text is checked, about 3 times the cost.
// Owned by one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "ingest/json_check.hpp"

namespace tidewaiter::ingest {

struct ParserOptions {
  JsonLimits limits;
  bool strict = false;                  // for all topics
  std::set<std::string> strict_topics;  // for these
};

/// A mapping file: its name for messages, and its text.
struct MappingFile {
  std::string name, json;
};

/// The mappings that are part of the program (schemas/mappings/*.json at build time).
std::vector<MappingFile> embedded_mappings();

class Parser {
 public:
  /// Mappings are tried in order, the one that fitted last first. Error: invalid_argument, naming the mapping.
  static Result<std::unique_ptr<Parser>> create(ParserOptions options = {},
                                                const std::vector<MappingFile>& mappings = embedded_mappings());
  ~Parser();

  /// Fills batch.events and sets kind, reason, first_event and event_count of every record.
  void parse(Batch& batch);

 private:
  struct State;
  explicit Parser(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::ingest
