// A JSON document as a tree, for the reference reader: keeps the order of keys, equal keys, and numbers as they are
// spelled. Slow and plain; shares nothing with the parser but the limits.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter::ingest::testing {

struct Member;

struct Node {
  enum class Kind { null, scalar, string, object, array };
  Kind kind = Kind::null;
  std::string text;         // characters of a string, token of a number or boolean
  std::string_view raw;     // as it stands in the document
  bool replaced = false;    // a lone surrogate became U+FFFD
  std::size_t depth = 0;    // objects and arrays around it, those of documents around its own included
  std::size_t level = 0;    // documents around its own
  std::vector<Member> members;
  std::vector<Node> elements;

  bool is_text() const { return kind == Kind::string || kind == Kind::scalar; }
  bool is_container() const { return kind == Kind::object || kind == Kind::array; }
  /// The first one counts.
  const Node* member(std::string_view key) const;
};

struct Member {
  std::string key;
  Node value;
};

struct TreeLimits {
  std::size_t bytes_max = 1 << 20, depth_max = 64, keys_max = 250'000;
};

/// Nothing when the text is no JSON (RFC 8259, UTF-8) or over a limit. The text must outlive the tree.
std::optional<Node> read_tree(std::string_view text, const TreeLimits& limits, std::size_t depth = 0,
                              std::size_t level = 0);

bool is_utf8(std::string_view text);

}  // namespace tidewaiter::ingest::testing
