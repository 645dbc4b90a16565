// What can be read off the tree: its canonical spelling, and the terms that a match must have.
#include <algorithm>

#include "filter/syntax.hpp"

namespace tidewaiter::filter {
namespace {

/// Parentheses where the child binds weaker than, or like, what stands around it: never more of them than in the
/// text that was compiled, so that the canonical text keeps to the same bound of nesting.
std::string child_text(const Node& child, Node::Kind around) {
  const bool chain = child.kind == Node::Kind::and_ || child.kind == Node::Kind::or_;
  const bool bare = !chain || (around == Node::Kind::or_ && child.kind == Node::Kind::and_);
  return bare ? canonical_text(child) : "(" + canonical_text(child) + ")";
}

/// For "a or b": a term is required if every branch requires one of that column; the values add up.
std::vector<RequiredTerm> required_by_all(const std::vector<Node>& branches) {
  std::vector<RequiredTerm> common = required_terms(branches.front());
  for (std::size_t i = 1; i < branches.size() && !common.empty(); ++i) {
    const std::vector<RequiredTerm> other = required_terms(branches[i]);
    std::vector<RequiredTerm> both;
    for (RequiredTerm& term : common) {
      const auto same = std::find_if(other.begin(), other.end(), [&](const RequiredTerm& o) { return o.column == term.column; });
      if (same == other.end()) continue;
      term.any_of.insert(term.any_of.end(), same->any_of.begin(), same->any_of.end());
      both.push_back(std::move(term));
    }
    common = std::move(both);
  }
  return common;
}

}  // namespace

std::string canonical_text(const Node& node) {
  if (node.kind == Node::Kind::constant) return node.value ? "true" : "false";
  if (node.kind == Node::Kind::test) return node.test.canonical;
  if (node.kind == Node::Kind::not_) return "not " + child_text(node.children.front(), node.kind);
  std::string text;
  for (const Node& child : node.children) {
    if (!text.empty()) text += node.kind == Node::Kind::and_ ? " and " : " or ";
    text += child_text(child, node.kind);
  }
  return text;
}

std::vector<RequiredTerm> required_terms(const Node& node) {
  std::vector<RequiredTerm> terms;
  if (node.kind == Node::Kind::or_) return required_by_all(node.children);
  if (node.kind == Node::Kind::and_) {
    for (const Node& child : node.children)
      for (RequiredTerm& term : required_terms(child)) terms.push_back(std::move(term));
  }
  const bool names_values = node.test.check == Check::text_equals || node.test.check == Check::text_in;
  if (node.kind == Node::Kind::test && names_values && !node.test.negated)
    terms.push_back({static_cast<Str>(node.test.slot), node.test.texts});
  return terms;
}

}  // namespace tidewaiter::filter
