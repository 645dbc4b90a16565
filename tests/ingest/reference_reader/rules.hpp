// Inside of the reference reader: a mapping and the message that it is applied to.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/ingest/reference_reader/paths.hpp"
#include "tests/ingest/reference_reader/reader.hpp"

namespace tidewaiter::ingest::testing {

using Json = nlohmann::ordered_json;

struct ReferenceMapping::Rules {
  explicit Rules(std::string_view text);

  const ReferencePath& path(const std::string& text) const;
  bool is_text() const { return mapping.contains("text"); }
  Json mapping;
  std::string format;
  std::vector<Steps> locations;
  std::vector<std::string> read_paths;     // all that a column or a condition asks for
  std::vector<std::string> ignored_paths;  // known, and asked for by nothing
  mutable std::map<std::string, ReferencePath> paths;
};

/// A place in the message that holds an event, or something that is in the place of one.
struct Found {
  int location = -1;                // -1: unmapped
  std::vector<const Node*> way;     // from the root: what stands after each step of the location
  const Node* raw = nullptr;        // the event's own text
  bool wrapped = false;
  bool settled = false;             // stays, whatever holds it
};

struct MessageInWork {
  MessageInWork(const ReferenceMapping::Rules& the_rules, const Message& the_message, const Node& the_root)
      : rules(the_rules), message(the_message), root(the_root) {}

  const ReferenceMapping::Rules& rules;
  const Message& message;
  const Node& root;
  Documents documents{TreeLimits{}};
  std::vector<std::unique_ptr<Node>> lines;  // those of text, as objects of words
  bool no_element = false;

  /// A mapping that takes attributes from headers is one that only copies: it keeps texts that are empty, but for arrays.
  bool keeps_empty() const {
    return rules.mapping.contains("headers") && message.value.find_first_not_of(" \t\r\n") != message.value.find('[');
  }

  /// null: nothing there.
  const Node* at(const Found& event, const std::string& path);
  bool holds(const Found& event, const Json& condition);
  bool all_hold(const Found& event, const Json& conditions);
  bool fits(const Found& event);

 private:
  std::map<std::string, Node> headers_;
};

/// The events of a message whose value is JSON, or, with `text`, lines of text.
std::vector<Found> find_events(MessageInWork& work, bool text);

/// Flags of what was met on the way to an event: equal keys, replaced characters.
std::uint64_t flags_on_the_way(MessageInWork& work, const Found& event);

Columns columns_of_event(MessageInWork& work, const Found& event, std::int64_t receive_ns);

}  // namespace tidewaiter::ingest::testing
