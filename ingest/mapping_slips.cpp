// Paths that can be read and are not what was meant.
#include <algorithm>
#include <string>

#include "core/text.hpp"
#include "ingest/mapping_review.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::string_view quote_it = " (a key of this name stands in single quotation marks)";

/// The path with what stands in quotation marks blotted out, the marks as well; its length is kept.
std::string without_quoted(std::string_view path) {
  std::string bare(path);
  bool inside = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool may_open = i == 0 || path[i - 1] == '.' || path[i - 1] == '/' || path[i - 1] == '^';
    const bool is_mark = path[i] == '\'' && (inside || may_open);
    if (is_mark || inside) bare[i] = 'q';
    if (is_mark) inside = !inside;
  }
  return bare;
}

/// The first character that has a meaning in paths and stands where it has none; npos = there is none.
std::size_t stray_mark(std::string_view bare) {
  char open = 0;
  std::size_t at = std::min(bare.find_first_not_of("/^"), bare.size());
  for (; at < bare.size(); ++at) {
    const char c = bare[at];
    const bool begins_key = at == 0 || std::string_view("./^").find(bare[at - 1]) != std::string_view::npos;
    if (open != 0) {
      if (c == open) open = 0;
    } else if (c == '[' || c == '{') {
      open = c == '[' ? ']' : '}';
    } else if (c == '(' && begins_key) {
      open = ')';
    } else if (std::string_view("]})(|^'").find(c) != std::string_view::npos) {
      return at;
    }
  }
  return std::string_view::npos;
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string slip_of_origin(std::string_view path, std::string_view bare) {
  if (path.starts_with('=')) return "'=' begins a literal text, and a path is expected here" + std::string(quote_it);
  if (path.starts_with("$.") || path == "$") return "paths begin at the event by themselves, without '$'" + std::string(quote_it);
  const std::string_view first = bare.substr(0, bare.find_first_of(".[{"));
  if (path.starts_with('@')) {
    for (const std::string_view word : {"@raw", "@key"}) {
      if (path == word) return "";
      if (first == word) return quoted(word) + " is a text by itself, with nothing below it" + std::string(quote_it);
      if (is_nearly(first, word)) return quoted(first) + " is nothing that is known; did you mean " + quoted(word) + "?" + std::string(quote_it);
    }
    return "";
  }
  constexpr std::string_view header = "header:";
  if (path == header) return "the name of the header is missing behind 'header:'";
  if (path.starts_with(header)) return "";
  const std::size_t colon = first.find(':');
  if (colon == std::string_view::npos) return "";
  const std::string_view word = first.substr(0, colon);
  if (is_nearly(word, "header") || is_nearly(word, "headers"))
    return quoted(std::string(word) + ":") + " is nothing that is known; did you mean 'header:'?" + std::string(quote_it);
  return "";
}

}  // namespace

bool is_nearly(std::string_view written, std::string_view word) {
  std::string text(written);
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  std::size_t at = 0;
  while (at < text.size() && at < word.size() && text[at] == word[at]) ++at;
  const std::string_view left = std::string_view(text).substr(at), right = word.substr(at);
  const auto behind = [](std::string_view view, std::size_t count) { return view.substr(std::min(count, view.size())); };
  if (left.size() == right.size() && left.size() > 1 && left[0] == right[1] && left[1] == right[0] && behind(left, 2) == behind(right, 2))
    return true;
  return behind(left, 1) == behind(right, 1) || behind(left, 1) == right || left == behind(right, 1);
}

std::string path_slip(std::string_view path) {
  const std::string bare = without_quoted(path);
  if (std::string slip = slip_of_origin(path, bare); !slip.empty()) return slip;
  if (path.starts_with("header:")) return "";
  if (bare.find('*') != std::string::npos)
    return "'*' has no meaning in a path: [] stands for the elements of a list, (one|other) for one of several keys" + std::string(quote_it);
  for (const std::string_view empty : {"(|", "||", "|)", "()"})
    if (bare.find(empty) != std::string::npos) return "a key is missing in the parentheses, at " + quoted(empty);
  if (const std::size_t at = stray_mark(bare); at != std::string_view::npos)
    return quoted(bare.substr(at, 1)) + " stands where it has no meaning, at " + quoted(path.substr(at)) + std::string(quote_it);
  for (std::size_t at = bare.find(' '); at != std::string::npos; at = bare.find(' ', at + 1)) {
    constexpr std::string_view edges = ".[{]}^/";
    const bool begins = at == 0 || edges.find(bare[at - 1]) != std::string_view::npos;
    if (begins || at + 1 == bare.size() || edges.find(bare[at + 1]) != std::string_view::npos)
      return "a space at the beginning or the end of a key: take it away" + std::string(quote_it);
  }
  return "";
}

}  // namespace tidewaiter::ingest
