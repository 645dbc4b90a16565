// From text to tokens. Tokens are views into the text, but for quoted words with an escape in them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace tidewaiter::filter {

enum class TokenKind : unsigned char {
  word,    // bare or quoted
  open,    // (
  close,   // )
  comma,
  equal,   // == =
  differs, // !=
  less,
  less_equal,
  greater,
  greater_equal,
  matches,     // ~
  matches_not, // !~
  and_,        // &&, and the keyword
  or_,
  not_,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  bool quoted = false;
  std::size_t at = 0;  // byte offset of its first character
  std::string text;    // of a word, with escapes resolved
};

/// The tokens of `text`, an `end` last. Errors: an open quote, a control character, a lone & or |.
Result<std::vector<Token>> tokens_of(std::string_view text);

/// True for the bare word `keyword`, in small letters or capitals.
bool is_keyword(const Token& token, std::string_view keyword);

}  // namespace tidewaiter::filter
