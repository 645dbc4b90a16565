#include "ingest/recipe.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "ingest/mapping_words.hpp"

namespace tidewaiter::ingest {

Pattern Pattern::of(std::string_view text) {
  Pattern made;
  if (text == "*") return {"", true, true};
  if (text.size() > 1 && text.starts_with('*')) {
    made.open_start = true;
    text.remove_prefix(1);
  }
  if (text.size() > 1 && text.ends_with('*')) {
    made.open_end = true;
    text.remove_suffix(1);
  }
  made.text = text;
  return made;
}

bool Pattern::matches(std::string_view word) const {
  if (open_start && open_end) return word.find(text) != std::string_view::npos;
  if (open_start) return word.ends_with(text);
  if (open_end) return word.starts_with(text);
  return word == text;
}

bool Condition::holds(const Cell* cells) const {
  const Cell& at = cells[cell];
  bool there = at.kind != Cell::Kind::none;
  if (there && !is.empty())
    there = std::any_of(is.begin(), is.end(), [&](const Pattern& pattern) { return pattern.matches(at.text); });
  return there != negated;
}

bool is_plain_mapping(std::string_view text) {
  using json = nlohmann::json;
  const json mapping = json::parse(text, nullptr, false);
  if (!mapping.is_object() || mapping.contains("events") || mapping.contains("text") || mapping.contains("marks") ||
      mapping.contains("signature"))
    return false;
  if (!mapping.contains("detect") || mapping["detect"].contains("any")) return false;
  static const std::set<std::string> plain = {"path", "as", "form", "separator", "segment", "paths"};
  auto is_plain_path = [](const std::string& path) { return path.find_first_of("[]{}'()^/@:=") == std::string::npos; };
  const json fields = mapping.value("fields", json::object());
  for (const auto& [column, sources] : fields.items())
    for (const json& source : sources.is_array() ? sources : json::array({sources})) {
      if (source.is_string() && !is_plain_path(source.get<std::string>())) return false;
      if (!source.is_object()) continue;
      for (const auto& [key, value] : source.items())
        if (!plain.contains(key)) return false;
      if (source.contains("path") && !is_plain_path(source["path"].get<std::string>())) return false;
      if (source.contains("as") && !transform_of(source["as"].get<std::string>())) return false;
      if (source.contains("segment") && source["segment"].get<int>() < 0) return false;
      if (source.contains("form") && !is_plain_form(source["form"].get<std::string>())) return false;
    }
  return true;
}

}  // namespace tidewaiter::ingest
