#include "core/secret.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/text.hpp"

namespace tidewaiter {
namespace {

struct TokenShape {
  std::string_view prefix;
  std::size_t rest_min;  // token characters that must follow
};
constexpr TokenShape token_shapes[] = {
    {"AKIA", 16},       {"ASIA", 16},     {"ghp_", 20},   {"gho_", 20},    {"ghu_", 20},     {"ghs_", 20},
    {"ghr_", 20},       {"glpat-", 16},   {"xoxb-", 16},  {"xoxp-", 16},   {"xoxa-", 16},    {"sk-", 20},
    {"sk_live_", 16},   {"rk_live_", 16}, {"AIza", 30},   {"ya29.", 20},   {"eyJ", 30},      {"npm_", 30},
    {"github_pat_", 20}, {"pypi-", 30},   {"hvs.", 20},   {"dop_v1_", 30}, {"SharedAccessKey=", 16},
    {"glrt-", 16},      {"gldt-", 16},    {"glptt-", 16}, {"glcbt-", 16},  {"gloas-", 16},   {"glagent-", 16},
    {"GR1348941", 16},  {"xapp-", 16},    {"hf_", 30},    {"gsk_", 40},    {"SG.", 40},      {"dckr_pat_", 20},
    {"shpat_", 30},     {"IQoJb3JpZ2luX2Vj", 40},         {"FwoGZXIvYXdz", 40},  // the last two: AWS session tokens
};

constexpr std::string_view auth_schemes[] = {"bearer ", "basic "};

constexpr std::string_view secret_keys[] = {
    "password",      "passwd",       "pwd",           "secret",         "token",        "api_key",
    "apikey",        "api-key",      "access_key",    "accesskey",      "client_secret", "access_token",
    "refresh_token", "id_token",     "secret_key",    "private_key",    "authorization", "x-api-key",
    "sig",           "signature",    "x-amz-signature", "x-amz-security-token", "pre-shared-key", "psk",
};

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool alnum(char c) { return digit(c) || letter(c); }
constexpr bool token_char(char c) {
  return alnum(c) || c == '_' || c == '-' || c == '.' || c == '+' || c == '/' || c == '=';
}

/// Which shapes can begin with a character: a bit each for token_shapes, auth_schemes and secret_keys, in this order.
constexpr std::size_t schemes_at = std::size(token_shapes), keys_at = schemes_at + std::size(auth_schemes);
static_assert(keys_at + std::size(secret_keys) <= 64);
constexpr std::array<std::uint64_t, 256> shapes_by_start() {
  std::array<std::uint64_t, 256> shapes{};
  for (std::size_t c = 0; c < shapes.size(); ++c) {
    const char start = static_cast<char>(c);
    for (std::size_t i = 0; i < std::size(token_shapes); ++i)
      if (token_shapes[i].prefix.front() == start) shapes[c] |= std::uint64_t{1} << i;
    for (std::size_t i = 0; i < std::size(auth_schemes); ++i)
      if (auth_schemes[i].front() == lower(start)) shapes[c] |= std::uint64_t{1} << (schemes_at + i);
    for (std::size_t i = 0; i < std::size(secret_keys); ++i)
      if (secret_keys[i].front() == lower(start)) shapes[c] |= std::uint64_t{1} << (keys_at + i);
  }
  return shapes;
}
constexpr std::array<std::uint64_t, 256> shapes_of_start = shapes_by_start();

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

std::size_t skip(std::string_view text, std::size_t at, char c) {
  while (at < text.size() && text[at] == c) ++at;
  return at;
}

std::optional<Secret> known_token(std::string_view text, const TokenShape& shape) {
  if (!text.starts_with(shape.prefix)) return std::nullopt;
  const std::string_view rest = text.substr(shape.prefix.size(), token_length(text.substr(shape.prefix.size())));
  if (rest.size() < shape.rest_min || std::none_of(rest.begin(), rest.end(), digit)) return std::nullopt;
  return Secret{0, shape.prefix.size(), shape.prefix.size() + rest.size()};
}

std::optional<Secret> after_scheme(std::string_view text, std::string_view scheme) {
  if (!starts_with_word(text, scheme)) return std::nullopt;
  const std::size_t rest = token_length(text.substr(scheme.size()));
  if (rest < 8) return std::nullopt;
  return Secret{scheme.size(), scheme.size(), scheme.size() + rest};
}

std::optional<Secret> key_block(std::string_view text) {
  constexpr std::string_view begin = "-----BEGIN ", key = "PRIVATE KEY-----", end = "-----END ";
  if (!text.starts_with(begin)) return std::nullopt;
  const std::size_t at = text.substr(0, 64).find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t hidden = at + key.size();
  std::size_t last = text.find(end, hidden);
  if (last == std::string_view::npos) {
    last = hidden;
    while (last < text.size() && text[last] != '"') last += text[last] == '\\' && last + 1 < text.size() ? 2 : 1;
  }
  return Secret{0, hidden, std::min(last, text.size())};
}

/// `key=value`, `key: "value"`, also inside a JSON string where quotes are escaped.
std::optional<Secret> key_value(std::string_view text, std::string_view key) {
  if (!starts_with_word(text, key)) return std::nullopt;
  std::size_t at = skip(text, key.size(), '\\');
  if (at < text.size() && text[at] == '"') ++at;
  at = skip(text, at, ' ');
  if (at >= text.size() || (text[at] != '=' && text[at] != ':')) return std::nullopt;
  const bool colon = text[at] == ':';
  at = skip(text, at + 1, ' ');
  const std::size_t quote = skip(text, at, '\\');
  const bool quoted = quote < text.size() && (text[quote] == '"' || text[quote] == '\'');
  if (quoted) at = quote + 1;
  if (colon && !quoted) return std::nullopt;  // `"token": 5`, or prose such as "the token: see below"
  std::size_t last = at;
  constexpr std::string_view stops = "\"'\\";
  while (last < text.size() && stops.find(text[last]) == std::string_view::npos &&
         (quoted || (text[last] != '&' && text[last] != ';' && text[last] != ',' && text[last] != ' ')))
    ++last;
  if (last == at) return std::nullopt;
  return Secret{at, at, last};
}

/// The password of `://user:password@host`.
std::optional<Secret> url_password(std::string_view text) {
  if (!text.starts_with("://")) return std::nullopt;
  const std::string_view password = url_password_in(text.substr(0, text.find("://", 3)));
  if (password.empty()) return std::nullopt;
  const auto first = static_cast<std::size_t>(password.data() - text.data());
  return Secret{first, first, first + password.size()};
}

std::optional<Secret> secret_of_shape(std::string_view text, std::size_t shape) {
  if (shape < schemes_at) return known_token(text, token_shapes[shape]);
  if (shape < keys_at) return after_scheme(text, auth_schemes[shape - schemes_at]);
  return key_value(text, secret_keys[shape - keys_at]);
}

constexpr std::array<bool, 256> characters_that(bool (*are)(char)) {
  std::array<bool, 256> characters{};
  for (std::size_t c = 0; c < characters.size(); ++c) characters[c] = are(static_cast<char>(c));
  return characters;
}
constexpr auto in_word = characters_that([](char c) { return alnum(c) || c == '_'; });
constexpr auto in_uuid = characters_that([](char c) { return digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == '-'; });
constexpr auto in_base64 = characters_that([](char c) { return alnum(c) || c == '+' || c == '/'; });
constexpr auto before_value = characters_that([](char c) { return c == '=' || c == ':' || c == ' ' || c == '-'; });

bool is_inside_word(char c) { return in_word[static_cast<unsigned char>(c)]; }

/// Fewer characters hold no credential unless one of before_value is among them.
constexpr std::size_t bare_min = [] {
  std::size_t least = SIZE_MAX;
  for (const TokenShape& shape : token_shapes) least = std::min(least, shape.prefix.size() + shape.rest_min);
  return least;
}();

/// Of SHA-256 or SHA-1, and Community ID's, which is the latter behind its version.
bool is_digest_in_base64(std::string_view text) {
  if (text.starts_with("1:")) text.remove_prefix(2);
  if ((text.size() != 44 && text.size() != 28) || text.back() != '=') return false;
  return std::all_of(text.begin(), text.end() - 1, [](char c) { return in_base64[static_cast<unsigned char>(c)]; });
}

bool is_named_hash(std::string_view text) {
  constexpr std::string_view name = "sha256:";
  return text.size() == name.size() + 64 && text.starts_with(name) &&
         std::all_of(text.begin() + name.size(), text.end(), [](char c) { return digit(c) || (c >= 'a' && c <= 'f'); });
}

int base64_digit(char c) {
  if (digit(c)) return c - '0' + 52;
  if (c == '+' || c == '/') return c == '+' ? 62 : 63;
  return c >= 'a' ? c - 'a' + 26 : c - 'A';
}

/// Base64 of words, as the exec ids of Tetragon: thirty random bytes are never all printable.
bool is_text_in_base64(std::string_view text) {
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    bits = (bits << 6 | static_cast<unsigned>(base64_digit(c))) & 0xFFFF;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    const unsigned byte = bits >> held & 0xFF;
    if (byte < ' ' || byte > '~') return false;
  }
  return true;
}

/// Upper, lower and digits, so that no hex is taken for one.
bool is_like_aws_secret_key(std::string_view text) {
  bool upper = false, small = false, number = false;
  if (text.size() != 40) return false;
  for (const char c : text) {
    if (!alnum(c) && c != '+' && c != '/') return false;
    number = number || digit(c);
    upper = upper || (letter(c) && c != lower(c));
    small = small || (letter(c) && c == lower(c));
  }
  return upper && small && number && !is_text_in_base64(text);
}

}  // namespace

std::optional<Secret> secret_at(std::string_view text, bool word_start) {
  if (text.front() == ':') return url_password(text);
  if (!word_start) return std::nullopt;
  if (text.front() == '-') return key_block(text);
  for (std::uint64_t shapes = shapes_of_start[static_cast<unsigned char>(text.front())]; shapes != 0; shapes &= shapes - 1)
    if (const auto secret = secret_of_shape(text, static_cast<std::size_t>(std::countr_zero(shapes)))) return secret;
  return std::nullopt;
}

bool is_word_start(std::string_view text, std::size_t at) {
  if (at == 0) return true;
  const char before = text[at - 1];
  const bool escaped = at > 1 && text[at - 2] == '\\' && (before == 'n' || before == 't' || before == 'r');
  return escaped || (!alnum(before) && before != '_');
}

std::string_view secret_in_id(std::string_view id) {
  const auto separates = [](char c) { return before_value[static_cast<unsigned char>(c)]; };
  if (id.size() < bare_min && std::none_of(id.begin(), id.end(), separates)) return {};
  const auto is_hex = [](char c) { return in_uuid[static_cast<unsigned char>(c)]; };
  if (std::all_of(id.begin(), id.end(), is_hex) || is_digest_in_base64(id)) return {};
  for (std::size_t at = 0; at < id.size(); ++at) {
    if (at > 0 && is_inside_word(id[at - 1]) && id[at] != ':') continue;
    const auto found = secret_at(id.substr(at), is_word_start(id, at));
    if (!found) continue;
    const std::string_view secret = id.substr(at + found->first, found->last - found->first);
    if (!is_named_hash(secret)) return secret;
    at += found->last - 1;  // `token=sha256:…`: somebody has hashed it
  }
  return is_like_aws_secret_key(id) ? id : std::string_view();
}

}  // namespace tidewaiter
