// Text formats: lines of words, under a header (VPC flow logs) or not (S3 access logs).
#include <algorithm>

#include "ingest/recipe_walker.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::string_view spaces = " \t\r";

/// Where the word at the start of `line` ends. "…" and […] are one word, up to a closing mark before a space: quotation
/// marks inside may be escaped or not.
std::size_t word_end(std::string_view line, bool quotes) {
  const char close = !quotes ? 0 : line[0] == '"' ? '"' : line[0] == '[' ? ']' : 0;
  auto ends = [&](std::size_t at) {
    return line[at - 1] != '\\' && (at + 1 == line.size() || spaces.find(line[at + 1]) != std::string_view::npos);
  };
  if (close != 0)
    for (std::size_t at = line.find(close, 1); at != std::string_view::npos; at = line.find(close, at + 1))
      if (ends(at)) return at + 1;
  return std::min(line.find_first_of(spaces), line.size());
}

/// Calls `visit(number, word)` for the words of a line, without their marks.
template <class Visit>
std::size_t for_each_word(std::string_view line, bool quotes, Visit visit) {
  std::size_t count = 0;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(spaces);
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    const std::size_t end = word_end(line, quotes);
    const char first = line[0], last = line[end - 1];
    const bool marked = quotes && end > 1 && ((first == '"' && last == '"') || (first == '[' && last == ']'));
    visit(count++, marked ? line.substr(1, end - 2) : line.substr(0, end));
    line.remove_prefix(end);
  }
  return count;
}

}  // namespace

void RecipeWalker::set_text_columns(const std::vector<std::string>& names) {
  for (RecipeNode& node : recipe_->nodes) {
    if (node.columns.empty()) continue;
    node.columns.clear();
    for (const std::string& name : names) {
      const auto found = node.by_key.find(name);
      node.columns.push_back(found == node.by_key.end() ? none : found->second);
    }
  }
}

WalkResult RecipeWalker::lines(std::string_view text, Batch& batch, const Record& record, const WalkLimits& limits,
                               Explanation* explanation) {
  begin(batch, record, limits, explanation);
  if (recipe_->nodes[0].text >= 0) text_lines(text, static_cast<std::uint32_t>(recipe_->nodes[0].text));
  return result_;
}

void RecipeWalker::text_lines(std::string_view text, std::uint32_t at) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (is_header(line, at)) {
      result_.no_element = true;
      continue;
    }
    const std::size_t mark = touched_.size();
    text_line(line, at);
    forget(mark);
  }
}

/// A line that names the columns: two of the names that only a header has. It counts until the next one.
bool RecipeWalker::is_header(std::string_view line, std::uint32_t at) {
  std::size_t names = 0;
  for_each_word(line, recipe_->text_quotes, [&](std::size_t, std::string_view word) {
    names += std::find(recipe_->text_header.begin(), recipe_->text_header.end(), word) != recipe_->text_header.end();
  });
  if (names < 2) return false;
  std::vector<std::uint32_t>& order = line_columns_[{record_->origin, record_->partition, at}];
  order.clear();
  const RecipeNode& node = recipe_->nodes[at];
  for_each_word(line, recipe_->text_quotes, [&](std::size_t, std::string_view word) {
    const auto found = node.by_key.find(word);
    order.push_back(found == node.by_key.end() ? none : found->second);
  });
  return true;
}

void RecipeWalker::text_line(std::string_view line, std::uint32_t at) {
  const auto known = line_columns_.find({record_->origin, record_->partition, at});
  const std::vector<std::uint32_t>& order = known == line_columns_.end() ? recipe_->nodes[at].columns : known->second;
  set(at, Cell::Kind::string, line);
  const std::size_t words = for_each_word(line, recipe_->text_quotes, [&](std::size_t number, std::string_view word) {
    if (number >= order.size() || order[number] == none || word == "-") return;
    set(order[number], Cell::Kind::string, word);
  });
  const std::size_t least = recipe_->text_words_min == 0 ? order.size() : std::min(recipe_->text_words_min, order.size());
  if (words >= least && (words <= order.size() || recipe_->text_words_min != 0)) emit(at);
  else emit_unmapped(0);
}

}  // namespace tidewaiter::ingest
