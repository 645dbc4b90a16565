// Paths of the mapping language: where in a message a value stands.
//
//   a.b                 key b of the object at key a
//   output_fields.'fd.name'   a key with a dot in it
//   (process_exec|process_exit).process   the first of several keys that is there
//   resources[0].ARN    an element by its place; [-1] is the last one
//   resources[].ARN     all elements; the first that has a value counts (or, in `events`, one event for each)
//   message{json}       JSON in a string (an object standing there is read as well); {base64_json} likewise
//   attributes{kv}      [{"key":"k","value":v}, ...] read as an object; {kv:name} when the key is called `name`
//   message{text}       lines of a text format, read by the columns of the mapping's `text`
//   ^.x                 x beside, not in, the last step of the event's own path; ^^.x one further out
//   /a.b                from the root of the message, wherever the event stands
//   header:NAME  @key  @raw   a Kafka header, the Kafka key, the event's own text
//   =text               not a path: the text itself
//
// Cold path: parsed once at start.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace tidewaiter::ingest {

struct PathStep {
  enum class Kind { key, each, index, json, base64_json, kv, text };
  Kind kind = Kind::key;
  std::string key;  // of `key`; the name of the key's field of `kv`
  int index = 0;
  bool operator==(const PathStep&) const = default;
};
using Path = std::vector<PathStep>;

struct ParsedPath {
  enum class Origin { event, root, header, message_key, raw };
  Origin origin = Origin::event;
  int up = 0;               // number of ^
  std::string header;       // lower case
  std::vector<Path> ways;   // alternatives, the same value; one unless there are parentheses
};

/// Error: invalid_argument, saying what was expected where.
Result<ParsedPath> parse_path(std::string_view text);

/// `path` without its last step that is a key, with what follows it: from an event to what holds it.
Path outer_path(Path path);

}  // namespace tidewaiter::ingest
