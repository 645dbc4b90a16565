#include "filter/parser.hpp"

#include <utility>

#include "filter/field.hpp"
#include "filter/lexer.hpp"
#include "filter/message.hpp"
#include "filter/test_builder.hpp"

namespace tidewaiter::filter {
namespace {

struct NamedOperator {
  std::string_view word;
  Operator op;
};
constexpr NamedOperator named_operators[] = {
    {"in", Operator::in},         {"like", Operator::like},         {"startswith", Operator::startswith},
    {"has", Operator::has},       {"endswith", Operator::endswith}, {"contains", Operator::contains},
};

class Parser {
 public:
  Parser(std::string_view text, std::int64_t now_ns, std::vector<Token> tokens)
      : text_(text), now_ns_(now_ns), tokens_(std::move(tokens)) {}

  Result<Node> parse() {
    if (peek().kind == TokenKind::end) return Node{};
    TRY_ASSIGN(Node node, parse_or());
    if (peek().kind == TokenKind::close) return error("there is no '(' for this ')'");
    if (peek().kind != TokenKind::end) return error("'and' or 'or' was expected here" + hint_for_list());
    return node;
  }

 private:
  const Token& peek() const { return tokens_[next_]; }
  Token take() { return tokens_[next_ < tokens_.size() - 1 ? next_++ : next_]; }
  bool take_if(TokenKind kind) {
    if (peek().kind != kind) return false;
    ++next_;
    return true;
  }
  Error error(const std::string& what) const { return error_at(text_, peek().at, what); }

  std::string hint_for_list() const {
    return peek().kind == TokenKind::comma ? "; a list stands in parentheses behind 'in'" : "";
  }

  Result<Node> parse_or() { return parse_chain(TokenKind::or_, Node::Kind::or_, &Parser::parse_and); }
  Result<Node> parse_and() { return parse_chain(TokenKind::and_, Node::Kind::and_, &Parser::parse_not); }

  /// one { separator one }
  Result<Node> parse_chain(TokenKind separator, Node::Kind kind, Result<Node> (Parser::*one)()) {
    TRY_ASSIGN(Node first, (this->*one)());
    if (peek().kind != separator) return first;
    Node chain;
    chain.kind = kind;
    chain.children.push_back(std::move(first));
    while (take_if(separator)) {
      TRY_ASSIGN(Node child, (this->*one)());
      chain.children.push_back(std::move(child));
    }
    return chain;
  }

  Result<Node> parse_not() {
    if (peek().kind != TokenKind::not_) return parse_primary();
    TRY(enter());
    take();
    TRY_ASSIGN(Node child, parse_not());
    --depth_;
    Node node;
    node.kind = Node::Kind::not_;
    node.children.push_back(std::move(child));
    return node;
  }

  Result<Node> parse_primary() {
    if (peek().kind == TokenKind::open) return parse_parentheses();
    if (peek().kind != TokenKind::word) return error("a field was expected here");
    if (is_keyword(peek(), "true") || is_keyword(peek(), "false")) {
      Node node;
      node.value = is_keyword(take(), "true");
      return node;
    }
    if (++tests_ > tests_max) return error("too many comparisons: at most " + std::to_string(tests_max));
    if (is_keyword(peek(), "exists") && tokens_[next_ + 1].kind == TokenKind::open) return parse_exists();
    return parse_comparison();
  }

  Result<Node> parse_parentheses() {
    TRY(enter());
    take();
    TRY_ASSIGN(Node node, parse_or());
    --depth_;
    TRY(expect_close());
    return node;
  }

  Result<Node> parse_exists() {
    take();
    take();
    const ColumnSet set = peek().kind == TokenKind::word ? columns_of(peek().text) : ColumnSet{};
    if (peek().kind != TokenKind::word) return error("a field was expected here");
    if (set.strings == 0 && set.numbers == 0) return error(unknown_field(peek().text));
    Node node = test_node(exists_test(take().text, set));
    TRY(expect_close());
    return node;
  }

  Result<Node> parse_comparison() {
    if (peek().quoted) return error("a field was expected here; a field's name has no quotes");
    const auto column = find_field(peek().text);
    if (!column) return error(columns_without(peek().text));
    take();
    const bool negated_word = peek().kind == TokenKind::not_;
    const Token place = negated_word ? tokens_[next_ + 1] : peek();
    if (negated_word) take();
    TRY_ASSIGN(const SignedOperator op, parse_operator(column->name, negated_word));
    if (auto misfit = misfit_of(*column, op.op); !misfit.empty()) return error_at(text_, place.at, misfit);
    if (op.op == Operator::matches && ++regexes_ > regexes_max)
      return error_at(text_, place.at, "too many regular expressions: at most " + std::to_string(regexes_max));
    TRY_ASSIGN(std::vector<Token> values, parse_values(op.op));
    std::vector<Operand> operands;
    for (Token& value : values) operands.push_back({std::move(value.text), value.at});
    TestBuilder builder(*column, op.op, op.negated != negated_word, now_ns_);
    auto test = builder.build(operands);
    if (!test) return error_at(text_, operands[builder.wrong_operand()].at, test.error().message);
    return test_node(std::move(*test));
  }

  /// A field that is missing, or a group where only a column will do.
  std::string columns_without(const std::string& name) const {
    const ColumnSet set = columns_of(name);
    if (set.strings == 0 && set.numbers == 0) return unknown_field(name);
    return shown(name) + " is a group of fields: ask exists(" + name + "), or compare one of its fields";
  }

  struct SignedOperator {
    Operator op;
    bool negated;
  };

  Result<SignedOperator> parse_operator(std::string_view field, bool word_only) {
    for (const NamedOperator& named : named_operators) {
      if (!is_keyword(peek(), named.word)) continue;
      take();
      return SignedOperator{named.op, false};
    }
    if (word_only) return error("'in', 'like', 'startswith', 'endswith', 'contains' or 'has' was expected behind 'not'");
    switch (peek().kind) {
      case TokenKind::equal: take(); return SignedOperator{Operator::equal, false};
      case TokenKind::differs: take(); return SignedOperator{Operator::equal, true};
      case TokenKind::less: take(); return SignedOperator{Operator::less, false};
      case TokenKind::less_equal: take(); return SignedOperator{Operator::less_equal, false};
      case TokenKind::greater: take(); return SignedOperator{Operator::greater, false};
      case TokenKind::greater_equal: take(); return SignedOperator{Operator::greater_equal, false};
      case TokenKind::matches: take(); return SignedOperator{Operator::matches, false};
      case TokenKind::matches_not: take(); return SignedOperator{Operator::matches, true};
      default: break;
    }
    std::string hint;
    if (peek().kind == TokenKind::word && !peek().quoted) {
      std::vector<std::string_view> words;
      for (const NamedOperator& named : named_operators) words.push_back(named.word);
      hint = suggestion(peek().text, words);
    }
    return error("an operator was expected behind '" + std::string(field) + "'" + hint);
  }

  Result<std::vector<Token>> parse_values(Operator op) {
    std::vector<Token> values;
    if (op != Operator::in || peek().kind != TokenKind::open) {
      TRY(expect_value());
      values.push_back(take());
      return values;
    }
    take();
    do {
      if (!values.empty() && peek().kind == TokenKind::close) break;
      TRY(expect_value());
      values.push_back(take());
    } while (take_if(TokenKind::comma));
    if (peek().kind == TokenKind::word) return error("',' or ')' was expected in this list");
    TRY(expect_close());
    return values;
  }

  Result<void> expect_value() const {
    if (peek().kind == TokenKind::word) return {};
    const bool keyword = peek().kind == TokenKind::and_ || peek().kind == TokenKind::or_ || peek().kind == TokenKind::not_;
    return error(std::string("a value was expected here") + (keyword ? "; if this is one, put it in quotes" : ""));
  }
  Result<void> expect_close() {
    if (!take_if(TokenKind::close)) return error("')' was expected here");
    return {};
  }
  Result<void> enter() {
    if (++depth_ > nesting_max) return error("nested too deep: at most " + std::to_string(nesting_max) + " levels");
    return {};
  }

  static Node test_node(Test test) {
    Node node;
    node.kind = Node::Kind::test;
    node.test = std::move(test);
    return node;
  }

  std::string_view text_;
  std::int64_t now_ns_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0, depth_ = 0, tests_ = 0, regexes_ = 0;
};

}  // namespace

Result<Node> parse(std::string_view text, std::int64_t now_ns) {
  if (text.size() > text_bytes_max)
    return fail(Code::invalid_argument, "a filter has at most " + std::to_string(text_bytes_max) + " bytes");
  TRY_ASSIGN(std::vector<Token> tokens, tokens_of(text));
  return Parser(text, now_ns, std::move(tokens)).parse();
}

}  // namespace tidewaiter::filter
