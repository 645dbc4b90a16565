#include "filter/lexer.hpp"

#include <algorithm>
#include <optional>

#include "filter/message.hpp"

namespace tidewaiter::filter {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
bool is_bare(char c) {
  return !is_space(c) && !is_control(c) && std::string_view("\"'(),=!<>~&|").find(c) == std::string_view::npos;
}

struct Symbol {
  std::string_view text;
  TokenKind kind;
};
// Longer ones before their own beginnings.
constexpr Symbol symbols[] = {
    {"==", TokenKind::equal},         {"!=", TokenKind::differs}, {"<=", TokenKind::less_equal},
    {">=", TokenKind::greater_equal}, {"!~", TokenKind::matches_not}, {"&&", TokenKind::and_},
    {"||", TokenKind::or_},           {"=", TokenKind::equal},    {"<", TokenKind::less},
    {">", TokenKind::greater},        {"~", TokenKind::matches},  {"!", TokenKind::not_},
    {"(", TokenKind::open},           {")", TokenKind::close},    {",", TokenKind::comma},
};

const Symbol* symbol_at(std::string_view rest) {
  for (const Symbol& symbol : symbols)
    if (rest.substr(0, symbol.text.size()) == symbol.text) return &symbol;
  return nullptr;
}

/// Reads the quoted word that starts at `at` and moves `at` behind it; nothing when its end is missing.
std::optional<std::string> quoted_word(std::string_view text, std::size_t& at) {
  const char quote = text[at];
  std::string word;
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == quote) {
      at = i + 1;
      return word;
    }
    // Other backslashes stay, so that "\d+" and "\*" are what a pattern needs.
    const bool escape = c == '\\' && i + 1 < text.size() && std::string_view("\\\"'").find(text[i + 1]) != std::string_view::npos;
    if (escape) c = text[++i];
    word += c;
  }
  return std::nullopt;
}

TokenKind kind_of_bare(const Token& token) {
  if (is_keyword(token, "and")) return TokenKind::and_;
  if (is_keyword(token, "or")) return TokenKind::or_;
  if (is_keyword(token, "not")) return TokenKind::not_;
  return TokenKind::word;
}

}  // namespace

bool is_keyword(const Token& token, std::string_view keyword) {
  if (token.kind != TokenKind::word || token.quoted || token.text.size() != keyword.size()) return false;
  if (token.text == keyword) return true;
  return std::equal(keyword.begin(), keyword.end(), token.text.begin(),
                    [](char small, char c) { return small - 'a' + 'A' == c; });
}

Result<std::vector<Token>> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    Token token;
    token.at = at;
    if (text[at] == '"' || text[at] == '\'') {
      auto word = quoted_word(text, at);
      if (!word) return error_at(text, at, "this quote is never closed");
      token.kind = TokenKind::word;
      token.quoted = true;
      token.text = std::move(*word);
    } else if (const Symbol* symbol = symbol_at(text.substr(at))) {
      token.kind = symbol->kind;
      at += symbol->text.size();
    } else if (is_bare(text[at])) {
      const std::size_t start = at;
      while (at < text.size() && is_bare(text[at])) ++at;
      token.kind = TokenKind::word;
      token.text = text.substr(start, at - start);
      token.kind = kind_of_bare(token);
    } else if (is_control(text[at])) {
      return error_at(text, at, "a control character; put the word in quotes");
    } else {
      return error_at(text, at, std::string("a lone '") + text[at] + "'; did you mean '" + text[at] + text[at] + "'?");
    }
    tokens.push_back(std::move(token));
  }
  Token end;
  end.at = text.size();
  tokens.push_back(end);
  return tokens;
}

}  // namespace tidewaiter::filter
