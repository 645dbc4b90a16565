#include "ingest/recipe.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "ingest/json_text.hpp"
#include "ingest/mapping_words.hpp"
#include "ingest/whole_number.hpp"

namespace tidewaiter::ingest {

namespace {

std::uint64_t mask_of(std::size_t bytes) { return bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1; }

}  // namespace

std::uint64_t Word::head_of(std::string_view text) {
  const std::size_t size = text.size();
  std::uint64_t head = 0;
  if (size >= 8) {
    std::memcpy(&head, text.data(), 8);
    return head;
  }
  if (size >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, text.data(), 4);
    std::memcpy(&last, text.data() + size - 4, 4);
    return first | std::uint64_t{last} << 8 * (size - 4);
  }
  for (std::size_t i = 0; i < size; ++i) head |= std::uint64_t{static_cast<unsigned char>(text[i])} << 8 * i;
  return head;
}

Pattern Pattern::of(std::string_view text) {
  Pattern made;
  if (text == "*") {
    made.open_start = made.open_end = made.is_decided = true;
    return made;
  }
  if (text.size() > 1 && text.starts_with('*')) {
    made.open_start = true;
    text.remove_prefix(1);
  }
  if (text.size() > 1 && text.ends_with('*')) {
    made.open_end = true;
    text.remove_suffix(1);
  }
  made.text = text;
  made.size_min = text.size();
  if (made.open_start) return made;
  if (!made.open_end) made.size_max = text.size();
  made.head = Word::head_of(text);
  made.head_mask = made.open_end ? mask_of(text.size()) : mask_of(8);
  made.is_decided = text.size() <= 8;
  return made;
}

bool Pattern::matches_whole(std::string_view word) const {
  if (open_start && open_end) return word.find(text) != std::string_view::npos;
  if (open_start) return word.ends_with(text);
  if (open_end) return word.starts_with(text);
  return word == text;
}

bool Condition::holds(const Cell* cells) const {
  const Cell& at = cells[cell];
  if (at.kind == Cell::Kind::none || is.empty()) return (at.kind != Cell::Kind::none) != negated;
  if (is.size() == 1 && at.kind != Cell::Kind::array) return is.front().matches(at.text) != negated;
  const auto is_one = [this](std::string_view text) {
    const Word word(text);
    return std::any_of(is.begin(), is.end(), [&](const Pattern& pattern) { return pattern.matches(word); });
  };
  return (at.kind == Cell::Kind::array ? any_value(at.text, is_one) : is_one(at.text)) != negated;
}

std::optional<bool> Condition::holds_by_presence(const std::uint64_t* present) const {
  const bool there = has_cell(present, cell);
  if (there && !is.empty()) return std::nullopt;
  return there != negated;
}

Constant Constant::of(const Leaf& leaf, std::string_view text) {
  Constant made;
  if (text.empty()) return made;
  if (leaf.as == Transform::word) {
    made.kind = Kind::number;
    made.number = leaf.words->find(text).value_or(0);
  } else if (leaf.as == Transform::uint) {
    const auto number = read_unsigned(text);
    if (!number || number->lossy || number->value > leaf.max) return made;
    made.kind = Kind::number;
    made.number = number->value;
  } else if (leaf.as == Transform::copy && text.size() <= leaf.limit_bytes) {
    made.kind = Kind::text;
    made.text = text;
  }
  return made;
}

namespace {

using json = nlohmann::json;

/// What a Plan knows of conditions: how one text begins, for a text that is copied.
bool is_plain_condition(const json& source, const json& when) {
  if (!when.is_object() || !when.contains("path") || source.contains("as") || source.contains("separator")) return false;
  const json& word = when.contains("not") ? when["not"] : when.value("is", json());
  if (!word.is_string()) return false;
  const auto text = word.get<std::string>();
  return text.size() > 1 && text.find('*') == text.size() - 1;
}

bool is_plain(const json& mapping) {
  if (!mapping.is_object() || mapping.contains("text") || mapping.contains("marks") ||
      mapping.contains("signature"))
    return false;
  if (mapping.contains("events") && mapping["events"] != json::array({"", "[]"})) return false;
  if (!mapping.contains("detect") || mapping["detect"].contains("any")) return false;
  static const std::set<std::string> plain = {"path", "as", "form", "separator", "segment", "paths", "when"};
  auto is_plain_path = [](const std::string& path) { return path.find_first_of("[]{}'()^/@:=") == std::string::npos; };
  const json fields = mapping.value("fields", json::object());
  for (const auto& [column, sources] : fields.items())
    for (const json& source : sources.is_array() ? sources : json::array({sources})) {
      if (source.is_string() && !is_plain_path(source.get<std::string>())) return false;
      if (!source.is_object()) continue;
      for (const auto& [key, value] : source.items())
        if (!plain.contains(key)) return false;
      if (source.contains("when") && !is_plain_condition(source, source["when"])) return false;
      if (source.contains("path") && !is_plain_path(source["path"].get<std::string>())) return false;
      if (source.contains("as") && !transform_of(source["as"].get<std::string>())) return false;
      if (source.contains("segment") && whole_number<int>(source["segment"]) < 0) return false;
    }
  return true;
}

}  // namespace

bool is_plain_mapping(std::string_view text) {
  const json mapping = json::parse(text, nullptr, false);
  try {
    return is_plain(mapping);
  } catch (const std::exception&) {  // the wrong type of a value: the compiler will say which
    return false;
  }
}

bool reads_arrays(std::string_view text) {
  const json mapping = json::parse(text, nullptr, false);
  return mapping.is_object() && mapping.contains("events");
}

}  // namespace tidewaiter::ingest
