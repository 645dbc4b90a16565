#include "store/mask.hpp"

#include <array>
#include <cstdint>
#include <optional>

#include "core/text.hpp"

namespace tidewaiter::store {

namespace {

constexpr std::string_view ellipsis = "\xe2\x80\xa6";

struct TokenShape {
  std::string_view prefix;
  std::size_t rest_min;  // token characters that must follow
};
constexpr TokenShape token_shapes[] = {
    {"AKIA", 16},       {"ASIA", 16},     {"ghp_", 20},   {"gho_", 20},    {"ghu_", 20},     {"ghs_", 20},
    {"ghr_", 20},       {"glpat-", 16},   {"xoxb-", 16},  {"xoxp-", 16},   {"xoxa-", 16},    {"sk-", 20},
    {"sk_live_", 16},   {"rk_live_", 16}, {"AIza", 30},   {"ya29.", 20},   {"eyJ", 30},      {"npm_", 30},
    {"github_pat_", 20}, {"pypi-", 30},   {"hvs.", 20},   {"dop_v1_", 30}, {"SharedAccessKey=", 16},
};

constexpr std::string_view secret_keys[] = {
    "password",      "passwd",       "pwd",           "secret",         "token",        "api_key",
    "apikey",        "api-key",      "access_key",    "accesskey",      "client_secret", "access_token",
    "refresh_token", "id_token",     "secret_key",    "private_key",    "authorization", "x-api-key",
    "sig",           "signature",    "x-amz-signature", "x-amz-security-token", "pre-shared-key", "psk",
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool alnum(char c) { return digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }
bool token_char(char c) { return alnum(c) || c == '_' || c == '-' || c == '.' || c == '+' || c == '/' || c == '='; }

bool starts_with_word(std::string_view text, std::string_view word) {
  if (text.size() < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (lower(text[i]) != word[i]) return false;
  return true;
}

std::size_t token_length(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && token_char(text[n])) ++n;
  return n;
}

/// [first, last) of a secret inside the text from here on; both relative to `text`.
struct Cut {
  std::size_t first, last;
};

std::optional<Cut> known_token(std::string_view text) {
  for (const TokenShape& shape : token_shapes) {
    if (text.substr(0, shape.prefix.size()) != shape.prefix) continue;
    const std::size_t rest = token_length(text.substr(shape.prefix.size()));
    if (rest < shape.rest_min) continue;
    bool has_digit = false;
    for (char c : text.substr(shape.prefix.size(), rest)) has_digit |= digit(c);
    if (has_digit) return Cut{shape.prefix.size(), shape.prefix.size() + rest};
  }
  return std::nullopt;
}

std::optional<Cut> bearer(std::string_view text) {
  for (std::string_view word : {std::string_view("bearer "), std::string_view("basic ")}) {
    if (!starts_with_word(text, word)) continue;
    const std::size_t rest = token_length(text.substr(word.size()));
    if (rest >= 8) return Cut{word.size(), word.size() + rest};
  }
  return std::nullopt;
}

std::optional<Cut> key_block(std::string_view text) {
  constexpr std::string_view begin = "-----BEGIN ", key = "PRIVATE KEY-----", end = "-----END ";
  if (text.substr(0, begin.size()) != begin) return std::nullopt;
  const std::size_t at = text.substr(0, 64).find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t first = at + key.size();
  std::size_t last = text.find(end, first);
  if (last == std::string_view::npos) {
    last = first;
    while (last < text.size() && text[last] != '"') last += text[last] == '\\' && last + 1 < text.size() ? 2 : 1;
  }
  return Cut{first, std::min(last, text.size())};
}

std::size_t skip(std::string_view text, std::size_t at, char c) {
  while (at < text.size() && text[at] == c) ++at;
  return at;
}

/// `key=value`, `key: "value"`, also inside a JSON string where quotes are escaped.
std::optional<Cut> key_value(std::string_view text) {
  for (std::string_view key : secret_keys) {
    if (!starts_with_word(text, key)) continue;
    std::size_t at = skip(text, key.size(), '\\');
    if (at < text.size() && text[at] == '"') ++at;
    at = skip(text, at, ' ');
    if (at >= text.size() || (text[at] != '=' && text[at] != ':')) continue;
    const bool colon = text[at] == ':';
    at = skip(text, at + 1, ' ');
    std::size_t quote = skip(text, at, '\\');
    const bool quoted = quote < text.size() && (text[quote] == '"' || text[quote] == '\'');
    if (quoted) at = quote + 1;
    if (colon && !quoted) continue;  // `"token": 5`, or prose such as "the token: see below"
    std::size_t last = at;
    constexpr std::string_view stops = "\"'\\";
    while (last < text.size() && stops.find(text[last]) == std::string_view::npos &&
           (quoted || (text[last] != '&' && text[last] != ';' && text[last] != ',' && text[last] != ' ')))
      ++last;
    if (last > at) return Cut{at, last};
  }
  return std::nullopt;
}

/// The password of `://user:password@host`.
std::optional<Cut> url_password(std::string_view text) {
  if (text.substr(0, 3) != "://") return std::nullopt;
  const std::size_t next = text.find("://", 3);
  const std::string_view password = url_password_in(text.substr(0, next));
  if (password.empty()) return std::nullopt;
  const auto first = static_cast<std::size_t>(password.data() - text.data());
  return Cut{first, first + password.size()};
}

std::optional<Cut> secret_at(std::string_view text, bool word_start) {
  const char c = text.front();
  if (c == ':') return url_password(text);
  if (!word_start) return std::nullopt;
  if (c == '-') return key_block(text);
  if (auto cut = known_token(text)) return cut;
  if (auto cut = bearer(text)) return cut;
  return key_value(text);
}

}  // namespace

std::string mask_secrets(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char before = i ? text[i - 1] : ' ';
    const bool escaped = i > 1 && text[i - 2] == '\\' && (before == 'n' || before == 't' || before == 'r');
    const auto cut = secret_at(text.substr(i), escaped || (!alnum(before) && before != '_'));
    if (!cut) {
      ++i;
      continue;
    }
    out.append(text.substr(copied, i + cut->first - copied)).append(ellipsis);
    copied = i = i + cut->last;
  }
  out.append(text.substr(copied));
  return out;
}

}  // namespace tidewaiter::store
