#include "ingest/recipe_pick.hpp"

#include <algorithm>
#include <span>

#include "ingest/json_text.hpp"
#include "ingest/recipe.hpp"

namespace tidewaiter::ingest {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Members of an object or elements of an array, one after the other. Of a text that is no JSON some are found or none.
class Members {
 public:
  explicit Members(std::string_view json) : text_(trimmed(json)) {
    is_object_ = text_.starts_with('{');
    if (is_object_ || text_.starts_with('[')) at_ = 1;
    else at_ = text_.size();
  }

  bool next() {
    pass_over(", \t\n\r");
    if (at_ >= text_.size() || text_[at_] == '}' || text_[at_] == ']') return false;
    if (is_object_) {
      if (text_[at_] != '"') return false;
      key_ = token();
      pass_over(": \t\n\r");
      if (at_ >= text_.size()) return false;
    }
    value_ = token();
    return !value_.empty();
  }
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  void pass_over(std::string_view characters) {
    at_ = std::min(text_.find_first_not_of(characters, at_), text_.size());
  }
  /// The value that begins here.
  std::string_view token() {
    const std::size_t begin = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        pass_string();
        if (depth == 0) break;
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_space(c))) return text_.substr(begin, at_ - begin);
      if ((c == '}' || c == ']') && --depth == 0) break;
    }
    at_ = std::min(at_ + 1, text_.size());
    return text_.substr(begin, at_ - begin);
  }
  void pass_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
  }

  std::string_view text_, key_, value_;
  std::size_t at_ = 0;
  bool is_object_ = false;
};

std::string characters(std::string_view quoted) {
  const std::string_view inside = quoted.size() < 2 ? std::string_view() : quoted.substr(1, quoted.size() - 2);
  if (inside.find('\\') == std::string_view::npos) return std::string(inside);
  std::string out(inside.size(), '\0');
  out.resize(unescape_json(inside, out.data()).length);
  return out;
}

/// Without a copy, unless there are escapes.
bool says(std::string_view value, std::string_view text) {
  if (value.empty() || value[0] == '{' || value[0] == '[' || value == "null") return false;
  if (value[0] != '"') return value == text;
  if (value.size() < text.size() + 2) return false;
  if (value.find('\\') == std::string_view::npos) return value.substr(1, value.size() - 2) == text;
  return characters(value) == text;
}

std::optional<std::string> text_of(std::string_view value) {
  if (value.starts_with('"')) return characters(value);
  if (value.empty() || value[0] == '{' || value[0] == '[' || value == "null") return std::nullopt;
  return std::string(value);
}

/// The first one counts.
std::string_view member_of(std::string_view object, std::string_view key) {
  if (!object.starts_with('{')) return {};
  for (Members members(object); members.next();)
    if (says(members.key(), key)) return members.value();
  return {};
}

std::string_view element_at(std::string_view array, std::int64_t index) {
  if (!array.starts_with('[')) return {};
  for (Members members(array); members.next();)
    if (index-- == 0) return members.value();
  return {};
}

std::optional<std::string> wanted_text(const PickStep& step, const Cell* cells) {
  const std::int32_t number = step.picked ? step.picked->cell : step.cell;
  if (number < 0) return std::string(step.literal);
  const Cell& cell = cells[number];
  if (step.picked) {
    const bool is_container = cell.kind == Cell::Kind::object || cell.kind == Cell::Kind::array;
    return is_container ? picked_text(step.picked->steps, cell.text, cells) : std::nullopt;
  }
  return cell.is_text() ? std::optional<std::string>(cell.text) : std::nullopt;
}

std::string_view element_with(std::string_view array, const PickStep& step, const Cell* cells) {
  if (!array.starts_with('[')) return {};
  const auto wanted = wanted_text(step, cells);
  if (!wanted) return {};
  for (Members members(array); members.next();)
    if (says(member_of(members.value(), step.key), *wanted)) return members.value();
  return {};
}

/// Empty where a step leads nowhere.
std::string_view step_into(std::span<const PickStep> steps, std::string_view json, const Cell* cells) {
  std::string_view at = trimmed(json);
  for (const PickStep& step : steps) {
    at = step.is_element ? element_with(at, step, cells) : step.index >= 0 ? element_at(at, step.index) : member_of(at, step.key);
    if (at.empty()) break;
  }
  return at;
}

}  // namespace

std::optional<std::string> picked_text(const std::vector<PickStep>& steps, std::string_view json, const Cell* cells) {
  return text_of(step_into(steps, json, cells));
}

std::optional<std::uint32_t> picked_count(const std::vector<PickStep>& steps, std::string_view json, const Cell* cells) {
  const std::string_view array = step_into({steps.data(), steps.size() - 1}, json, cells);
  if (!array.starts_with('[')) return std::nullopt;
  const auto wanted = wanted_text(steps.back(), cells);
  if (!wanted) return std::nullopt;
  std::uint32_t count = 0;
  for (Members members(array); members.next();)
    if (says(member_of(members.value(), steps.back().key), *wanted)) ++count;
  return count;
}

}  // namespace tidewaiter::ingest
