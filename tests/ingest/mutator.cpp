#include "tests/ingest/mutator.hpp"

#include <algorithm>
#include <vector>

#include "core/text.hpp"
#include "tests/ingest/reference_reader/json.hpp"

namespace tidewaiter::ingest::testing {
namespace {

/// A tree of tokens: strings as they are spelled, so that a change may spell them otherwise.
struct Entry;

struct Tree {
  std::string token;  // "{" and "[" of containers
  std::vector<Entry> members;
  std::vector<Tree> elements;

  explicit Tree(std::string text);
  explicit Tree(const Node& node);

  std::string text() const;
};

struct Entry {
  std::string key;  // in quotation marks
  Tree value;
};

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

Tree::Tree(std::string text) : token(std::move(text)) {}

Tree::Tree(const Node& node) : token(node.raw) {
  if (node.kind == Node::Kind::object) token = "{";
  if (node.kind == Node::Kind::array) token = "[";
  for (const auto& [key, member] : node.members) members.push_back({quoted(key), Tree(member)});
  for (const Node& element : node.elements) elements.emplace_back(element);
}

std::string Tree::text() const {
  if (token != "{" && token != "[") return token;
  std::string out = token;
  for (const auto& [key, member] : members) out += (out.size() > 1 ? "," : "") + key + ":" + member.text();
  for (const Tree& element : elements) out += (out.size() > 1 ? "," : "") + element.text();
  return out + (token == "{" ? "}" : "]");
}

class Change {
 public:
  Change(std::mt19937_64& random, Tree& root) : random_(random), root_(root) {}

  void run() {
    nodes_.clear();
    collect(root_);
    Tree& one = *nodes_[below(nodes_.size())];
    switch (below(16)) {
      case 0: drop(one); break;
      case 1: case 2: twice(one); break;
      case 3: shuffle(one); break;
      case 4: case 5: one = Tree(value()); break;
      case 6: one = Tree(nodes_[below(nodes_.size())]->text().c_str()), one = reread(one); break;
      case 7: wrap(one); break;
      case 8: one = Tree(quoted(one.text())); break;
      case 9: unwrap(one); break;
      case 10: spell(one); break;
      case 11: case 12: touch(one); break;
      case 13: rename(one); break;
      case 14: add(one); break;
      case 15: one = Tree(quoted(to_base64(one.text()))); break;
    }
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random_() % limit); }

  void collect(Tree& tree) {
    nodes_.push_back(&tree);
    for (auto& [key, member] : tree.members) collect(member);
    for (Tree& element : tree.elements) collect(element);
  }

  static Tree reread(const Tree& tree) {
    const std::string text = tree.token;
    const auto node = read_tree(text, TreeLimits{1 << 22, 1000, 1 << 20});
    return node ? Tree(*node) : tree;
  }

  std::string value() {
    static const std::vector<std::string> values = {
        "null", "true", "false", "0", "-1", "7", "500.0", "1.5e3", "1e400", "1E-3", "9007199254740993",
        "9007199254740993.0", "18446744073709551615", "18446744073709551616", "340282366920938463463374607431768211456",
        "-9223372036854775809", "1780000000", "1780000000123", "1780000000123456", "1780000000123456789", "1780000000.25",
        "1.780000000e9", "\"\"", "\" \"", "\"-\"", "\"0\"", "\"4364\"", "\"1780000000000\"", "\"true\"", "\"\\ud800\"",
        "\"a\\u0000b\"", "\"\\uD83D\\uDE00\"", "\"\\\"quoted\\\"\"", "\"2026-03-04T05:06:07.123456789Z\"",
        "\"2026-03-04T05:06:07+02:00\"", "\"2026-03-04 05:06:07 UTC\"", "\"2026-03-04 05:06:07 +0200\"",
        "\"04/Mar/2026:05:06:07 +0000\"", "\"2026-13-04T05:06:07Z\"", "\"10.0.0.1\"", "\"010.001.000.009\"",
        "\"::ffff:10.0.0.1\"", "\"fe80::1%eth0\"", "\"Example.COM.\"", "\"https://user@Host.example:8443/x?y\"",
        "\"10.0.0.1:443\"", "\"[2001:db8::1]:443\"", "\"10.0.0.1:1->10.0.0.2:22\"", "{}", "[]", "[[]]", "[null]", "{\"a\":1}",
        "[\"a\",\"b\"]", "[\"pii\",\"\\ud800\"]", "[1,\"x\",{}]", "\"{\\\"a\\\":1}\"", "\"[]\"", "\"{\\\"a\\\":\"", "\"e30=\"",
        "\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"", "{\"stringValue\":\"s\"}",
        "{\"intValue\":\"5\",\"boolValue\":true}", "{\"values\":[{\"stringValue\":\"s\"}]}", "{\"key\":\"k\",\"value\":\"v\"}"};
    if (below(12) == 0) return quoted(std::string(below(700), 'a') + "\xC3\xA9");
    return values[below(values.size())];
  }

  void drop(Tree& one) {
    if (!one.members.empty()) one.members.erase(one.members.begin() + static_cast<std::ptrdiff_t>(below(one.members.size())));
    if (!one.elements.empty()) one.elements.erase(one.elements.begin() + static_cast<std::ptrdiff_t>(below(one.elements.size())));
  }
  /// The same key again, with its own value or another; before or behind.
  void twice(Tree& one) {
    if (!one.members.empty()) {
      auto again = one.members[below(one.members.size())];
      if (below(2) == 0) again.value = Tree(value());
      one.members.insert(one.members.begin() + static_cast<std::ptrdiff_t>(below(one.members.size() + 1)), again);
    }
    if (!one.elements.empty()) {
      Tree again = one.elements[below(one.elements.size())];
      one.elements.insert(one.elements.begin() + static_cast<std::ptrdiff_t>(below(one.elements.size() + 1)), again);
    }
  }
  void shuffle(Tree& one) {
    std::shuffle(one.members.begin(), one.members.end(), random_);
    std::shuffle(one.elements.begin(), one.elements.end(), random_);
  }
  void wrap(Tree& one) {
    Tree outer(below(2) == 0 ? "[" : "{");
    for (std::size_t times = below(20) == 0 ? 70 : 1; times > 0; --times) {
      if (outer.token == "[") outer.elements.push_back(one);
      else outer.members.push_back({key(), one});
      one = outer;
      outer = Tree(outer.token);
    }
  }
  std::string key() {
    static const std::vector<std::string> keys = {"a", "message", "log", "Records", "data", "items", "events", "value", "kind"};
    return quoted(keys[below(keys.size())]);
  }
  /// What a string holds, if it is JSON, in its place.
  void unwrap(Tree& one) {
    if (one.token[0] != '"') return;
    const auto node = read_tree(one.token, TreeLimits{});
    if (!node) return;
    const auto inner = read_tree(node->text, TreeLimits{});
    if (inner) one = Tree(*inner);
  }
  static std::string spelled(const std::string& string, std::size_t at) {
    static constexpr char hex[] = "0123456789abcdef";
    const auto c = static_cast<unsigned char>(string[at]);
    if (at == 0 || at + 1 >= string.size() || c >= 0x80 || c == '\\' || string[at - 1] == '\\') return string;
    return string.substr(0, at) + "\\u00" + hex[c >> 4] + hex[c & 15] + string.substr(at + 1);
  }
  /// A character as an escape: the same text, spelled otherwise.
  void spell(Tree& one) {
    if (!one.members.empty()) {
      std::string& key = one.members[below(one.members.size())].key;
      key = spelled(key, below(key.size()));
    } else if (one.token[0] == '"' && one.token.size() > 2) {
      one.token = spelled(one.token, below(one.token.size()));
    }
  }
  void touch(Tree& one) {
    if (one.token == "{" || one.token == "[") return;
    std::string& token = one.token;
    const std::size_t at = below(token.size());
    if (token[0] == '"') {
      static const std::vector<std::string> bits = {"\\ud800", "\\u0000", "\\n", ".", ":", "/", "A", "0", "\xC3\xA9", " ", "*", "-", "T"};
      if (at > 0 && token[at - 1] != '\\' && token[at] != '\\') token.insert(at, bits[below(bits.size())]);
    } else {
      static const std::vector<std::string> bits = {"0", "9", ".5", "e3", "00", "-", "1"};
      token.insert(at, bits[below(bits.size())]);
    }
  }
  void rename(Tree& one) {
    if (one.members.size() < 2) return;
    one.members[below(one.members.size())].key = below(2) == 0 ? key() : one.members[below(one.members.size())].key;
  }
  void add(Tree& one) {
    if (one.token == "{") one.members.push_back({key(), Tree(value())});
    if (one.token == "[") one.elements.insert(one.elements.begin() + static_cast<std::ptrdiff_t>(below(one.elements.size() + 1)), Tree(value()));
  }

  std::mt19937_64& random_;
  Tree& root_;
  std::vector<Tree*> nodes_;
};

std::string change_bytes(std::mt19937_64& random, std::string text) {
  if (text.empty()) return "{}";
  const std::size_t at = random() % text.size();
  switch (random() % 6) {
    case 0: text.resize(at); break;
    case 5: text.insert(0, "\xEF\xBB\xBF"); break;
    case 1: text[at] = static_cast<char>(random()); break;
    case 2: text.insert(at, 1, "{}[]\",:\\0e-u \n"[random() % 14]); break;
    case 3: text.erase(at, 1 + random() % 8); break;
    case 4: text.insert(at, text.substr(random() % text.size(), random() % 40)); break;
  }
  return text;
}

}  // namespace

std::string Mutator::change(const std::string& message) {
  const auto node = read_tree(message, TreeLimits{1 << 22, 1000, 1 << 20});
  if (!node || random_() % 12 == 0) return change_bytes(random_, message);
  Tree tree(*node);
  for (auto changes = 1 + random_() % 4; changes > 0; --changes) Change(random_, tree).run();
  return tree.text();
}

}  // namespace tidewaiter::ingest::testing
