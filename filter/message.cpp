#include "filter/message.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace tidewaiter::filter {
namespace {

constexpr std::size_t context_chars_before = 60, context_chars_after = 40;

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

/// Byte offset of the character boundary at or before `at`.
std::size_t boundary(std::string_view text, std::size_t at) {
  while (at > 0 && at < text.size() && !starts_character(text[at])) --at;
  return at;
}

std::string without_controls(std::string_view text) {
  std::string out(text);
  std::replace_if(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return out;
}

}  // namespace

Error error_at(std::string_view text, std::size_t at, const std::string& what) {
  at = boundary(text, std::min(at, text.size()));
  const std::size_t last_break = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  const std::size_t line_start = last_break == std::string_view::npos ? 0 : last_break + 1;
  const std::size_t line_end = std::min(text.find('\n', at), text.size());
  const bool cut_left = at - line_start > context_chars_before;
  const bool cut_right = line_end - at > context_chars_after;
  const std::size_t from = cut_left ? boundary(text, at - context_chars_before) : line_start;
  const std::size_t to = cut_right ? boundary(text, at + context_chars_after) : line_end;

  std::string message = "column " + std::to_string(characters(text.substr(0, at)) + 1) + ": " + what + "\n  ";
  if (cut_left) message += "...";
  message += without_controls(text.substr(from, to - from));
  if (cut_right) message += "...";
  message += "\n  " + std::string(characters(text.substr(from, at - from)) + (cut_left ? 3 : 0), ' ') + '^';
  return fail(Code::invalid_argument, std::move(message));
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > 256) return {};
  const std::string_view nearest = nearest_word(word, candidates);
  return nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
}

std::string shown(std::string_view word) {
  constexpr std::size_t shown_bytes_max = 60;
  if (word.size() <= shown_bytes_max) return "'" + without_controls(word) + "'";
  return "'" + without_controls(word.substr(0, boundary(word, shown_bytes_max))) + "...'";
}

}  // namespace tidewaiter::filter
