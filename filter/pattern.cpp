#include "filter/pattern.hpp"

#include <re2/re2.h>

namespace tidewaiter::filter {
namespace {

/// Length of the UTF-8 character at `at`; a stray byte counts as one.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  if (static_cast<unsigned char>(text[at]) >= 0xC0)
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

/// Matches one element of the pattern (no star) and moves both positions behind it.
bool step(std::string_view pattern, std::size_t& p, std::string_view text, std::size_t& t) {
  if (pattern[p] == '?') {
    t += character_bytes(text, t);
    ++p;
    return true;
  }
  const std::size_t literal = pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
  if (pattern[literal] != text[t]) return false;
  p = literal + 1;
  ++t;
  return true;
}

}  // namespace

// Greedy with one point to come back to: the last star. Earlier stars never need to take more.
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star_p = std::string_view::npos, star_t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star_p = ++p;
      star_t = t;
      continue;
    }
    if (p < pattern.size() && step(pattern, p, text, t)) continue;
    if (star_p == std::string_view::npos) return false;
    p = star_p;
    t = star_t += character_bytes(text, star_t);
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<Regex> Regex::compile(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto re = std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!re->ok()) return fail(Code::invalid_argument, re->error());
  return Regex(std::move(re));
}

Result<Regex> Regex::literal(std::string_view text) {
  return compile("(?i)" + re2::RE2::QuoteMeta(re2::StringPiece(text.data(), text.size())));
}

bool Regex::matches(std::string_view text) const {
  return re_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
}

}  // namespace tidewaiter::filter
