// Where events stand in a message, and what was met on the way to them.
#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "core/event.hpp"
#include "tests/ingest/reference_reader/rules.hpp"
#include "tests/ingest/reference_reader/values.hpp"

namespace tidewaiter::ingest::testing {
namespace {

using Kind = Step::Kind;

/// A location that was followed up to here.
struct Follow {
  std::size_t location;
  std::size_t done;              // steps
  std::vector<const Node*> way;  // done + 1 nodes
};
using Follows = std::vector<Follow>;

class EventFinder {
 public:
  explicit EventFinder(MessageInWork& work) : work_(work), locations_(work.rules.locations) {}

  std::vector<Found> run(bool text) {
    Follows all;
    for (std::size_t i = 0; i < locations_.size(); ++i) all.push_back({i, 0, {&work_.root}});
    if (text) {
      std::vector<Found> found;
      for (const Follow& follow : all)
        if (is_next(follow, Kind::text)) append(found, lines(work_.root.text, follow));
      return found;
    }
    return value(work_.root, all);
  }

 private:
  const Step* next(const Follow& follow) const {
    const Steps& steps = locations_[follow.location];
    return follow.done < steps.size() ? &steps[follow.done] : nullptr;
  }
  bool is_next(const Follow& follow, Kind kind) const { return next(follow) != nullptr && next(follow)->kind == kind; }
  static Follow went(const Follow& follow, const Node& to) {
    Follow further = follow;
    ++further.done;
    further.way.push_back(&to);
    return further;
  }
  Follows follow(const Follows& from, const Node& to, const std::function<bool(const Step&)>& takes) const {
    Follows further;
    for (const Follow& one : from)
      if (next(one) != nullptr && takes(*next(one))) further.push_back(went(one, to));
    return further;
  }
  static void append(std::vector<Found>& to, std::vector<Found> more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  std::vector<Found> value(const Node& node, const Follows& follows) {
    if (follows.empty()) return {};
    if (node.kind == Node::Kind::object) return object(node, follows);
    if (node.kind == Node::Kind::array) {
      std::vector<Found> found = array(node, follows);
      if (&node == &work_.root) hold(node, follows, found);
      return found;
    }
    return node.kind == Node::Kind::string ? string(node, follows) : std::vector<Found>();
  }

  std::vector<Found> object(const Node& node, Follows follows) {
    const Follows itself = follows;
    std::vector<Found> found;
    for (const Kind kind : {Kind::json, Kind::base64}) {  // where a document is expected in a text, before what it is itself
      const Follows in_place = follow(follows, node, [&](const Step& step) { return step.kind == kind; });
      append(found, members(node, in_place));
      follows.insert(follows.end(), in_place.begin(), in_place.end());
    }
    append(found, members(node, itself));
    hold(node, follows, found);
    return found;
  }

  std::vector<Found> members(const Node& node, const Follows& follows) {
    std::vector<Found> found;
    std::set<std::string> seen;
    for (const auto& [key, member] : node.members) {
      if (!seen.insert(key).second) continue;
      const std::string& name = key;
      append(found, value(member, follow(follows, member, [&](const Step& step) {
        return step.kind == Kind::key && step.key == name;
      })));
    }
    return found;
  }

  /// What holds events is their wrapper. When there was only text in it that is none, it is the event itself.
  void hold(const Node& node, const Follows& follows, std::vector<Found>& inside) {
    for (const Follow& follow : follows) {
      if (next(follow) != nullptr) continue;
      const Found event = event_at(follow, node);
      const bool fits = work_.fits(event);
      const bool settled = std::any_of(inside.begin(), inside.end(), [](const Found& one) { return one.settled; });
      if (!inside.empty() && (settled || !fits)) continue;
      if (fits) inside = {event};
      else if (is_many(follow.location)) inside = {unmapped(follow.way)};
    }
  }

  bool is_many(std::size_t location) const {
    return std::any_of(locations_[location].begin(), locations_[location].end(), [](const Step& step) {
      return step.kind == Kind::each || step.kind == Kind::text;
    });
  }

  Found event_at(const Follow& follow, const Node& raw) const {
    const Steps& steps = locations_[follow.location];
    const bool lines_alone = steps.size() == 1 && steps[0].kind == Kind::text;
    return {static_cast<int>(follow.location), follow.way, &raw, !steps.empty() && !lines_alone, true};
  }
  static Found unmapped(const std::vector<const Node*>& way) {
    Found found;
    found.way = way;
    found.wrapped = true;
    return found;
  }

  std::vector<Found> array(const Node& node, const Follows& follows) {
    std::vector<Found> found;
    const bool holds = std::any_of(follows.begin(), follows.end(), [&](const Follow& one) { return is_next(one, Kind::each); });
    const auto count = static_cast<int>(node.elements.size());
    for (int i = 0; i < count; ++i) {
      const Node& element = node.elements[static_cast<std::size_t>(i)];
      append(found, value(element, follow(follows, element, [&](const Step& step) {
        return step.kind == Kind::index && (step.index == i || (step.index < 0 && i == count - 1));
      })));
      if (!holds) continue;
      const Follows inside = follow(follows, element, [](const Step& step) { return step.kind == Kind::each; });
      const bool opens = element.kind == Node::Kind::object ||
                         (element.kind == Node::Kind::string && std::any_of(inside.begin(), inside.end(), [&](const Follow& one) {
                            return is_next(one, Kind::json) || is_next(one, Kind::base64);
                          }));
      std::vector<Found> here = opens ? value(element, inside) : std::vector<Found>{unmapped(inside[0].way)};
      const bool is_word = !opens && element.kind != Node::Kind::array;
      for (Found& one : here) one.settled = !is_word;  // an element of a list is not taken for its holder, but words are
      append(found, std::move(here));
    }
    if (count == 0 && holds) work_.no_element = true;
    return found;
  }

  std::vector<Found> string(const Node& node, const Follows& follows) {
    std::vector<Found> found;
    for (const Kind kind : {Kind::json, Kind::base64}) {
      const Follows here = follow(follows, node, [&](const Step& step) { return step.kind == kind; });
      if (here.empty()) continue;
      const Node* inside = work_.documents.inside(node, kind == Kind::base64);
      if (inside == nullptr) {
        found.push_back(unmapped(here[0].way));
        found.back().settled = kind == Kind::base64 && !work_.documents.is_plain(node);
      } else {
        append(found, value(*inside, follow(follows, *inside, [&](const Step& step) { return step.kind == kind; })));
      }
    }
    for (const Follow& one : follows)
      if (is_next(one, Kind::text)) append(found, lines(node.text, one));
    return found;
  }

  // ---- lines of text ----

  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

  /// `any_marked`: a word stood in quotation marks or brackets.
  std::vector<std::string> words_of(const std::string& line, bool* any_marked = nullptr) const {
    const bool quotes = work_.rules.mapping["text"].value("quotes", false);
    std::vector<std::string> words;
    for (std::size_t at = 0; at < line.size();) {
      if (is_space(line[at])) {
        ++at;
        continue;
      }
      std::size_t end = at;
      const char close = quotes && line[at] == '"' ? '"' : quotes && line[at] == '[' ? ']' : '\0';
      bool marked = false;
      for (std::size_t i = at + 1; close != '\0' && i < line.size() && !marked; ++i) {
        marked = line[i] == close && line[i - 1] != '\\' && (i + 1 == line.size() || is_space(line[i + 1]));
        if (marked) end = i + 1;
      }
      if (!marked)
        while (end < line.size() && !is_space(line[end])) ++end;
      if (marked && any_marked != nullptr) *any_marked = true;
      words.push_back(marked ? line.substr(at + 1, end - at - 2) : line.substr(at, end - at));
      at = end;
    }
    return words;
  }

  std::vector<Found> lines(const std::string& text, const Follow& follow) {
    const Json& rule = work_.rules.mapping["text"];
    std::vector<std::string> columns = rule["columns"];
    std::vector<Found> found;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string line = text.substr(begin, end - begin);
      begin = end + 1;
      const std::vector<std::string> words = words_of(line);
      if (words.empty()) continue;
      if (auto named = header_columns(line)) {
        columns = std::move(*named);
        work_.no_element = true;
        continue;
      }
      found.push_back(line_event(line, words, order_of(words, columns), follow));
    }
    return found;
  }

  /// An order of the text rule for so many words, when its first one is in force and has another number.
  std::vector<std::string> order_of(const std::vector<std::string>& words, const std::vector<std::string>& in_force) const {
    const Json& rule = work_.rules.mapping["text"];
    const std::vector<std::string> first = rule["columns"];
    if (words.size() == in_force.size() || in_force != first || !rule.contains("orders")) return in_force;
    for (const Json& order : rule["orders"]) {
      std::vector<std::string> columns = order["columns"];
      const std::vector<std::size_t> counts = order.value("words", std::vector<std::size_t>{columns.size()});
      if (std::find(counts.begin(), counts.end(), words.size()) == counts.end()) continue;
      const auto telling = std::find(columns.begin(), columns.end(), order["telling"]["column"].get<std::string>());
      const std::set<std::string> tells = order["telling"]["is"];
      if (!tells.contains(words[static_cast<std::size_t>(telling - columns.begin())])) return in_force;
      columns.resize(words.size());
      return columns;
    }
    return in_force;
  }

  /// All names that a column may have: those of the text rule, and the keys that the mapping reads or passes over.
  std::set<std::string> column_names() const {
    const Json& rule = work_.rules.mapping["text"];
    std::set<std::string> names;
    for (const char* list : {"columns", "header"})
      for (const Json& name : rule[list]) names.insert(name.get<std::string>());
    for (const Json& order : rule.value("orders", Json::array()))
      for (const Json& name : order["columns"]) names.insert(name.get<std::string>());
    for (const auto* texts : {&work_.rules.read_paths, &work_.rules.ignored_paths})
      for (const std::string& text : *texts) {
        const ReferencePath& path = work_.rules.path(text);
        if (path.from != ReferencePath::From::event || path.up != 0) continue;
        for (const Steps& way : path.ways)
          if (!way.empty() && way[0].kind == Step::Kind::key) names.insert(way[0].key);
      }
    return names;
  }

  /// What a header line calls its columns; nothing when the line is none.
  std::optional<std::vector<std::string>> header_columns(std::string line) const {
    const Json& rule = work_.rules.mapping["text"];
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin != std::string::npos && line[begin] == '#') {
      line.erase(0, begin + 1);
      if (lower_case(line.substr(0, 7)) == "fields:") line.erase(0, 7);
    }
    bool any_marked = false;
    std::vector<std::string> words = words_of(line, &any_marked);
    if (any_marked || words.size() < rule.value("words_min", std::size_t{0})) return std::nullopt;
    const std::set<std::string> names = column_names();
    std::set<std::string> telling, seen;
    for (const Json& name : rule["header"]) telling.insert(lower_case(name.get<std::string>()));
    std::size_t told = 0;
    for (std::string& word : words) {
      const auto same = [&](const std::string& name) { return lower_case(name) == lower_case(word); };
      const auto found = names.contains(word) ? names.find(word) : std::find_if(names.begin(), names.end(), same);
      if (found == names.end() || is_number(word) || !seen.insert(lower_case(word)).second) return std::nullopt;
      told += telling.contains(lower_case(word));
      word = *found;
    }
    return told >= 2 ? std::optional(std::move(words)) : std::nullopt;
  }

  Found line_event(const std::string& line, const std::vector<std::string>& words,
                   const std::vector<std::string>& columns, const Follow& follow) {
    auto& object = *work_.lines.emplace_back(std::make_unique<Node>());
    object.kind = Node::Kind::object;
    for (std::size_t i = 0; i < std::min(words.size(), columns.size()); ++i) {
      if (words[i] == "-") continue;
      Node word;
      word.kind = Node::Kind::string;
      word.text = words[i];
      object.members.push_back({columns[i], std::move(word)});
    }
    auto& raw = *work_.lines.emplace_back(std::make_unique<Node>());
    raw.kind = Node::Kind::string;
    raw.text = line;
    const std::size_t words_min = work_.rules.mapping["text"].value("words_min", std::size_t{0});
    const std::size_t least = words_min == 0 ? columns.size() : std::min(words_min, columns.size());
    const bool counted = words.size() >= least && (words.size() <= columns.size() || words_min != 0);
    const Found event = event_at(went(follow, object), raw);
    if (counted && work_.fits(event)) return event;
    Found other = unmapped(follow.way);
    other.wrapped = counted;
    return other;
  }

  MessageInWork& work_;
  const std::vector<Steps>& locations_;
};

/// What is known of a message's keys: every path of every location, written out from the root.
struct Known {
  Steps steps;
  bool read = false;      // something asks for what stands at the end
  bool location = false;  // leads to events
};

class FlagFinder {
 public:
  FlagFinder(MessageInWork& work, const Found& event) : work_(work), way_(event.way.begin(), event.way.end()) {
    for (const Steps& location : work.rules.locations) {
      known_.push_back({location, false, true});
      for (const std::string& path : work.rules.read_paths) add(location, path, true);
      for (const std::string& path : work.rules.ignored_paths) add(location, path, false);
    }
  }

  std::uint64_t run() {
    Follows all;
    for (const Known& one : known_) all.push_back({&one, 0});
    if (work_.root.is_container()) value(work_.root, all);
    return flags_;
  }

 private:
  struct Follow {
    const Known* known;
    std::size_t done;
    const Step* next() const { return done < known->steps.size() ? &known->steps[done] : nullptr; }
    bool is_next(Kind kind) const { return next() != nullptr && next()->kind == kind; }
  };
  using Follows = std::vector<Follow>;

  void add(const Steps& location, const std::string& text, bool read) {
    const ReferencePath& path = work_.rules.path(text);
    if (path.from != ReferencePath::From::event && path.from != ReferencePath::From::root) return;
    const auto length = outer_length(path.from == ReferencePath::From::root ? Steps() : location, path.up);
    if (!length) return;
    for (const Steps& way : path.ways) {
      Steps whole(location.begin(), location.begin() + static_cast<std::ptrdiff_t>(*length));
      whole.insert(whole.end(), way.begin(), way.end());
      known_.push_back({std::move(whole), read, false});
    }
  }

  static Follows follow(const Follows& from, const std::function<bool(const Step&)>& takes) {
    Follows further;
    for (const Follow& one : from)
      if (one.next() != nullptr && takes(*one.next())) further.push_back({one.known, one.done + 1});
    return further;
  }

  void value(const Node& node, const Follows& follows) {
    if (follows.empty()) return;
    if (node.kind == Node::Kind::object) object(node, follows);
    if (node.kind == Node::Kind::array) array(node, follows);
    if (node.kind == Node::Kind::string) string(node, follows);
  }

  void object(const Node& node, Follows follows) {
    const Follows in_place = follow(follows, [](const Step& step) {
      return step.kind == Kind::json || step.kind == Kind::base64 || step.kind == Kind::kv;
    });
    follows.insert(follows.end(), in_place.begin(), in_place.end());
    std::set<std::string> seen;
    for (const auto& [key, member] : node.members) {
      const std::string& name = key;
      const Follows inside = follow(follows, [&](const Step& step) { return step.kind == Kind::key && step.key == name; });
      if (inside.empty()) continue;
      if (seen.insert(key).second) value(member, inside);
      else flags_ |= flag::duplicate_key;
    }
  }

  void array(const Node& node, const Follows& follows) {
    for (const Follow& one : follows) {
      if (!one.is_next(Kind::kv)) continue;
      for_each_pair(node, one.next()->key, [&](const std::string& key, const Node& inside) {
        value(inside, follow({{one.known, one.done + 1}}, [&](const Step& step) {
          return step.kind == Kind::key && step.key == key;
        }));
      });
    }
    // Of a list of events only the one on the way counts: its siblings say nothing about it.
    const bool events = std::any_of(follows.begin(), follows.end(), [](const Follow& one) {
      return one.known->location && one.is_next(Kind::each);
    });
    const auto count = static_cast<int>(node.elements.size());
    for (int i = 0; i < count; ++i) {
      const Node& element = node.elements[static_cast<std::size_t>(i)];
      const bool met = !events || way_.contains(&element);
      value(element, follow(follows, [&](const Step& step) {
        return (step.kind == Kind::each && met) ||
               (step.kind == Kind::index && (step.index == i || (step.index < 0 && i == count - 1)));
      }));
    }
  }

  void string(const Node& node, const Follows& follows) {
    for (const Kind kind : {Kind::json, Kind::base64, Kind::text}) {
      const Follows inside = follow(follows, [&](const Step& step) { return step.kind == kind; });
      if (inside.empty()) continue;
      read(node);
      const Node* document = kind == Kind::text ? nullptr : work_.documents.inside(node, kind == Kind::base64);
      if (document != nullptr) value(*document, inside);
    }
    for (const Follow& one : follows)
      if (one.next() == nullptr && one.known->read) read(node);
  }
  void read(const Node& string) {
    if (string.replaced) flags_ |= flag::bad_utf8_replaced;
  }

  MessageInWork& work_;
  std::set<const Node*> way_;
  std::vector<Known> known_;
  std::uint64_t flags_ = 0;
};

}  // namespace

std::vector<Found> find_events(MessageInWork& work, bool text) { return EventFinder(work).run(text); }

std::uint64_t flags_on_the_way(MessageInWork& work, const Found& event) {
  return FlagFinder(work, event).run() | (event.wrapped ? flag::wrapped : 0);
}

}  // namespace tidewaiter::ingest::testing
