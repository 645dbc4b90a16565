// Text formats: lines of words, under a header (VPC flow logs) or not (S3 access logs).
#include <algorithm>

#include "ingest/json_text.hpp"
#include "ingest/recipe_walker.hpp"
#include "ingest/record_headers.hpp"

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

struct LineWord {
  std::string_view text;  // without its marks
  bool marked = false;    // it had some
};

/// Takes the next word off the line; false when there is none.
bool next_word(std::string_view& line, bool quotes, LineWord& word) {
  const std::size_t begin = line.find_first_not_of(spaces);
  if (begin == std::string_view::npos) return false;
  line.remove_prefix(begin);
  const std::size_t end = word_end(line, quotes);
  const char first = line[0], last = line[end - 1];
  word.marked = quotes && end > 1 && ((first == '"' && last == '"') || (first == '[' && last == ']'));
  word.text = word.marked ? line.substr(1, end - 2) : line.substr(0, end);
  line.remove_prefix(end);
  return true;
}

/// Without the mark of a comment that a header line may have: "#Fields: a b", "# a b" or "#a b".
std::string_view without_comment_mark(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(spaces);
  if (begin == std::string_view::npos || line[begin] != '#') return line;
  line.remove_prefix(begin + 1);
  constexpr std::string_view fields = "fields:";
  if (line.size() >= fields.size() && equal_ignoring_case(line.substr(0, fields.size()), fields)) line.remove_prefix(fields.size());
  return line;
}

bool is_one_of(std::string_view word, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return equal_ignoring_case(word, name); });
}

}  // namespace

void RecipeWalker::set_text_columns(const std::vector<std::string>& names) {
  for (RecipeNode& node : recipe_->nodes) {
    if (node.columns.empty()) continue;
    node.columns.clear();
    node.orders.clear();
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

/// The node of a column, none for a name that a header line may have and nothing reads; nothing for any other word. So a
/// number is never a column.
std::optional<std::uint32_t> RecipeWalker::column_named(std::string_view word, std::uint32_t at) const {
  if (is_json_number(word)) return std::nullopt;
  const auto& known = recipe_->nodes[at].by_key;
  if (const auto exact = known.find(word); exact != known.end()) return exact->second;
  for (const auto& [name, node] : known)
    if (equal_ignoring_case(word, name)) return node;
  if (is_one_of(word, recipe_->text_header) || is_one_of(word, recipe_->text_columns)) return none;
  return std::nullopt;
}

void RecipeWalker::recall_orders_by(RecallOrder recall, bool for_each_record) {
  recall_ = std::move(recall);
  recalls_each_record_ = for_each_record;
}

TextOrder RecipeWalker::text_order(std::uint32_t at, std::string_view header) const {
  return {record_->origin, record_->partition, record_->offset, recipe_->format, recipe_->nodes[at].path, std::string(header)};
}

/// A header line counts until the next one.
bool RecipeWalker::is_header(std::string_view line, std::uint32_t at) {
  if (!read_header(line, at)) return false;
  auto [known, added] = line_columns_.try_emplace({record_->origin, record_->partition, at});
  if (recall_ && (added || known->second != header_columns_)) seen_orders_.push_back(text_order(at, line));
  known->second = header_columns_;
  return true;
}

const std::vector<std::uint32_t>* RecipeWalker::order_in_force(std::uint32_t at) {
  const std::tuple key{record_->origin, record_->partition, at};
  if (const auto known = line_columns_.find(key); known != line_columns_.end()) return &known->second;
  const std::optional<std::string> header = recall_ ? recall_(text_order(at, "")) : "";
  const bool read = header && !header->empty() && read_header(*header, at);
  if (!header || (recalls_each_record_ && !header->empty() && !read)) return nullptr;
  return &(line_columns_[key] = read ? header_columns_ : recipe_->nodes[at].columns);
}

/// A line that names the columns: each word is the name of one, none stands there twice, none in quotation marks, and
/// two of them are names that only a header has. So no value that a client chooses makes a header of a line of data.
bool RecipeWalker::read_header(std::string_view line, std::uint32_t at) {
  std::string_view rest = without_comment_mark(line);
  std::size_t telling = 0;
  LineWord word;
  header_words_.clear();
  header_columns_.clear();
  while (next_word(rest, recipe_->text_quotes, word)) {
    if (word.marked || is_one_of(word.text, header_words_)) return false;
    const auto column = column_named(word.text, at);
    if (!column) return false;
    telling += is_one_of(word.text, recipe_->text_header);
    header_words_.emplace_back(word.text);
    header_columns_.push_back(*column);
  }
  return telling >= 2 && header_columns_.size() >= recipe_->text_words_min;
}

std::size_t RecipeWalker::put_words(std::string_view line, std::uint32_t at, const std::vector<std::uint32_t>& order) {
  set(at, Cell::Kind::string, line);
  std::size_t words = 0;
  LineWord word;
  for (std::string_view rest = line; next_word(rest, recipe_->text_quotes, word); ++words)
    if (words < order.size() && order[words] != none && word.text != "-") set(order[words], Cell::Kind::string, word.text);
  return words;
}

/// The mapping's other order for lines of so many words, when its own is in force and does not fit.
const std::vector<std::uint32_t>* RecipeWalker::order_of(std::string_view line, std::size_t words,
                                                         const std::vector<std::uint32_t>& in_force, std::uint32_t at) const {
  const RecipeNode& node = recipe_->nodes[at];
  if (words == in_force.size() || in_force != node.columns) return nullptr;
  for (std::size_t i = 0; i < node.orders.size(); ++i) {
    if (node.orders[i].size() != words) continue;
    const LineOrder& order = recipe_->text_orders[i];
    LineWord word;
    for (std::size_t to = 0; to <= order.telling; ++to) next_word(line, recipe_->text_quotes, word);
    const bool tells = std::find(order.tells.begin(), order.tells.end(), word.text) != order.tells.end();
    return tells ? &node.orders[i] : nullptr;
  }
  return nullptr;
}

void RecipeWalker::text_line(std::string_view line, std::uint32_t at) {
  const std::vector<std::uint32_t>* in_force = order_in_force(at);
  if (in_force == nullptr) {
    result_.order_unknown = true;
    return;
  }
  const std::size_t mark = touched_.size();
  const std::size_t words = put_words(line, at, *in_force);
  if (const auto* other = order_of(line, words, *in_force, at)) {
    forget(mark);
    put_words(line, at, *other);
    in_force = other;
  }
  const std::vector<std::uint32_t>& order = *in_force;
  const std::size_t least = recipe_->text_words_min == 0 ? order.size() : std::min(recipe_->text_words_min, order.size());
  if (words >= least && (words <= order.size() || recipe_->text_words_min != 0)) emit(at);
  else emit_unmapped(0);
}

}  // namespace tidewaiter::ingest
