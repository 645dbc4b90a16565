#include "tests/ingest/reference_reader/json.hpp"

#include <algorithm>
#include <regex>

namespace tidewaiter::ingest::testing {
namespace {

void append_utf8(std::string& out, unsigned code) {
  auto put = [&](unsigned byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

/// Recursive descent; any fault ends in `false`.
class Reader {
 public:
  Reader(std::string_view text, const TreeLimits& limits, std::size_t depth, std::size_t level)
      : text_(text), limits_(limits), depth_(depth), level_(level) {}

  bool document(Node& root) {
    spaces();
    if (!value(root)) return false;
    spaces();
    return at_ == text_.size();
  }

 private:
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void spaces() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  bool value(Node& node) {
    node.depth = depth_;
    node.level = level_;
    const std::size_t begin = at_;
    const bool good = next() == '"'   ? string(node.text, node.replaced)
                      : next() == '{' ? object(node)
                      : next() == '[' ? array(node)
                                      : scalar(node);
    if (text_[begin] == '"') node.kind = Node::Kind::string;
    node.raw = text_.substr(begin, at_ - begin);
    return good;
  }

  bool object(Node& node) {
    node.kind = Node::Kind::object;
    if (++depth_ > limits_.depth_max) return false;
    ++at_;
    spaces();
    for (bool first = true; !take('}'); first = false) {
      if (!first && !take(',')) return false;
      spaces();
      auto& [key, member] = node.members.emplace_back();
      bool replaced = false;
      if (next() != '"' || !string(key, replaced) || ++keys_ > limits_.keys_max) return false;
      spaces();
      if (!take(':')) return false;
      spaces();
      if (!value(member)) return false;
      spaces();
    }
    --depth_;
    return true;
  }

  bool array(Node& node) {
    node.kind = Node::Kind::array;
    if (++depth_ > limits_.depth_max) return false;
    ++at_;
    spaces();
    for (bool first = true; !take(']'); first = false) {
      if (!first && !take(',')) return false;
      spaces();
      if (!value(node.elements.emplace_back())) return false;
      spaces();
    }
    --depth_;
    return true;
  }

  bool scalar(Node& node) {
    const std::size_t end = std::min(text_.find_first_of(" \t\r\n,]}", at_), text_.size());
    node.text = text_.substr(at_, end - at_);
    at_ = end;
    if (node.text == "null") return true;
    node.kind = Node::Kind::scalar;
    if (node.text == "true" || node.text == "false") return true;
    if (node.text.size() > 4096) return node.text.find_first_not_of("0123456789") == std::string::npos;  // regex recurses
    static const std::regex number(R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)");
    return std::regex_match(node.text, number);
  }

  std::optional<unsigned> hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(next());
      if (at_ >= text_.size() || digit == std::string_view::npos) return std::nullopt;
      code = code * 16 + static_cast<unsigned>(digit < 16 ? digit : digit - 6);
    }
    return code;
  }

  bool string(std::string& out, bool& replaced) {
    ++at_;
    unsigned high = 0;  // a high surrogate that waits for its low one
    auto flush = [&] {
      if (high != 0) append_utf8(out, 0xFFFD), replaced = true;
      high = 0;
    };
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\\' && next() == 'u') {
        ++at_;
        const auto code = hex4();
        if (!code) return false;
        if (high != 0 && *code >= 0xDC00 && *code <= 0xDFFF) {
          append_utf8(out, 0x10000 + ((high - 0xD800) << 10) + (*code - 0xDC00));
          high = 0;
          continue;
        }
        flush();
        if (*code >= 0xD800 && *code <= 0xDBFF) high = *code;
        else if (*code >= 0xDC00 && *code <= 0xDFFF) append_utf8(out, 0xFFFD), replaced = true;
        else append_utf8(out, *code);
        continue;
      }
      flush();
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out += c;
        continue;
      }
      const std::size_t which = std::string_view("\"\\/bfnrt").find(next());
      if (at_ >= text_.size() || which == std::string_view::npos) return false;
      out += "\"\\/\b\f\n\r\t"[which];
      ++at_;
    }
    return false;
  }

  std::string_view text_;
  const TreeLimits& limits_;
  std::size_t depth_, level_, at_ = 0, keys_ = 0;
};

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
    if (size == 0 || at + size > text.size()) return false;
    unsigned code = size == 1 ? lead : lead & (0xFF >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
      const auto more = static_cast<unsigned char>(text[at + i]);
      if ((more & 0xC0) != 0x80) return false;
      code = code << 6 | (more & 0x3F);
    }
    constexpr unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    at += size;
  }
  return true;
}

const Node* Node::member(std::string_view key) const {
  for (const auto& [name, node] : members)
    if (name == key) return &node;
  return nullptr;
}

std::optional<Node> read_tree(std::string_view text, const TreeLimits& limits, std::size_t depth, std::size_t level) {
  if (text.empty() || text.size() > limits.bytes_max || !is_utf8(text)) return std::nullopt;
  Node root;
  if (!Reader(text, limits, depth, level).document(root)) return std::nullopt;
  return root;
}

}  // namespace tidewaiter::ingest::testing
