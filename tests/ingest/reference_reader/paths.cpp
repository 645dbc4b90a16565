#include "tests/ingest/reference_reader/paths.hpp"

#include "core/text.hpp"
#include "tests/ingest/reference_reader/values.hpp"

namespace tidewaiter::ingest::testing {
namespace {

using Kind = Step::Kind;

Step decoding(const std::string& word) {
  if (word == "json") return {Kind::json, {}, 0};
  if (word == "base64_json") return {Kind::base64, {}, 0};
  if (word == "text") return {Kind::text, {}, 0};
  return {Kind::kv, word == "kv" ? "key" : word.substr(3), 0};
}

/// Takes text up to `end`, which is taken, too.
std::string take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string taken(text.substr(0, at));
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

std::vector<Step> alternatives(std::string_view& text) {
  const char first = text[0];
  if (std::string_view("['({").find(first) == std::string_view::npos) {
    const std::string key(text.substr(0, text.find_first_of(".[{")));
    text.remove_prefix(key.size());
    return {{Kind::key, key, 0}};
  }
  text.remove_prefix(1);
  if (first == '\'') return {{Kind::key, take_until(text, '\''), 0}};
  if (first == '{') return {decoding(take_until(text, '}'))};
  if (first == '[') {
    const std::string inside = take_until(text, ']');
    if (inside.empty()) return {{Kind::each, {}, 0}};
    return {{Kind::index, {}, std::stoi(inside)}};
  }
  std::vector<Step> keys;
  const std::string list = take_until(text, ')');
  for (int i = 0; i == 0 || !part_of(list, '|', i).empty(); ++i) keys.push_back({Kind::key, part_of(list, '|', i), 0});
  return keys;
}

const Node* find_in_pairs(const Node& list, const Steps& steps, std::size_t at, Documents& documents) {
  if (at + 1 == steps.size() || steps[at + 1].kind != Kind::key) return nullptr;
  const Node* found = nullptr;
  for_each_pair(list, steps[at].key, [&](const std::string& key, const Node& value) {
    if (found == nullptr && key == steps[at + 1].key) found = find(value, steps, at + 2, documents);
  });
  return found;
}

}  // namespace

ReferencePath read_path(std::string_view text) {
  ReferencePath path;
  path.ways.emplace_back();
  if (text == "@raw" || text == "@key") {
    path.from = text == "@raw" ? ReferencePath::From::raw : ReferencePath::From::message_key;
    return path;
  }
  if (text.starts_with("header:")) {
    path.from = ReferencePath::From::header;
    path.header = lower_case(std::string(text.substr(7)));
    return path;
  }
  if (text.starts_with('/')) path.from = ReferencePath::From::root;
  if (text.starts_with('/')) text.remove_prefix(1);
  for (; text.starts_with('^'); text.remove_prefix(1)) ++path.up;
  while (!text.empty()) {
    if (text[0] == '.') text.remove_prefix(1);
    std::vector<Steps> longer;
    const std::vector<Step> next = alternatives(text);
    for (const Steps& way : path.ways)
      for (const Step& step : next) {
        longer.push_back(way);
        longer.back().push_back(step);
      }
    path.ways = std::move(longer);
  }
  return path;
}

std::optional<std::size_t> outer_length(const Steps& steps, int up) {
  std::size_t length = steps.size();
  for (; up > 0; --up) {
    if (length == 0) return std::nullopt;
    while (length > 0 && steps[length - 1].kind != Kind::key) --length;
    if (length > 0) --length;
  }
  return length;
}

std::optional<std::string> bytes_of_base64(const std::string& text) {
  if (auto bytes = from_base64(text)) return bytes;
  std::string plain;
  for (const char c : text)
    if (c != '\n' && c != '\r') plain += c == '-' ? '+' : c == '_' ? '/' : c;
  while (plain.size() % 4 != 0) plain += '=';
  return from_base64(plain);
}

const Node* Documents::inside(const Node& string, bool base64) {
  auto [kept, added] = kept_.try_emplace({&string, base64});
  if (added && string.level < levels_max && string.depth < limits_.depth_max) {
    kept->second.text = string.text;
    if (base64) {
      const auto bytes = bytes_of_base64(string.text);
      kept->second.decoded = bytes.has_value();
      kept->second.text = bytes.value_or("");
    }
    kept->second.root = read_tree(kept->second.text, limits_, string.depth, string.level + 1);
  }
  const auto& root = kept->second.root;
  return root && root->is_container() ? &*root : nullptr;
}

bool Documents::is_plain(const Node& string) const {
  const Kept& kept = kept_.at({&string, true});
  if (!kept.decoded) return false;
  const std::size_t first = kept.text.find_first_not_of(" \t\r\n");
  return first == std::string::npos || std::string_view("{[").find(kept.text[first]) == std::string_view::npos;
}

const Node* find(const Node& from, const Steps& steps, std::size_t at, Documents& documents) {
  if (at == steps.size()) return from.kind == Node::Kind::null ? nullptr : &from;
  const Step& step = steps[at];
  switch (step.kind) {
    case Kind::key: {
      const Node* next = from.member(step.key);
      return next == nullptr ? nullptr : find(*next, steps, at + 1, documents);
    }
    case Kind::each:
      for (const Node& element : from.elements)
        if (const Node* found = find(element, steps, at + 1, documents)) return found;
      return nullptr;
    case Kind::index: {
      const std::size_t number = step.index < 0 ? from.elements.size() - 1 : static_cast<std::size_t>(step.index);
      return number < from.elements.size() ? find(from.elements[number], steps, at + 1, documents) : nullptr;
    }
    case Kind::json: case Kind::base64: {
      const Node* next = from.kind == Node::Kind::object ? &from : nullptr;
      if (from.kind == Node::Kind::string) next = documents.inside(from, step.kind == Kind::base64);
      return next == nullptr ? nullptr : find(*next, steps, at + 1, documents);
    }
    case Kind::kv:
      return from.kind == Node::Kind::object ? find(from, steps, at + 1, documents)
                                             : find_in_pairs(from, steps, at, documents);
    case Kind::text: return nullptr;  // its words belong to its events
  }
  return nullptr;
}

void for_each_pair(const Node& list, const std::string& key_name,
                   const std::function<void(const std::string& key, const Node& value)>& visit) {
  for (const Node& pair : list.elements) {
    const Node* key = pair.member(key_name);
    if (key == nullptr || key->kind != Node::Kind::string) continue;
    for (const auto& [name, value] : pair.members) {
      if (name == key_name) continue;
      if (value.kind != Node::Kind::object) visit(key->text, value);
      for (const auto& [type, wrapped] : value.members)
        if (type.ends_with("Value") || type.ends_with("_value")) visit(key->text, wrapped);
      break;  // the first field beside the key is the value
    }
  }
}

}  // namespace tidewaiter::ingest::testing
