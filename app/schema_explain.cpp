#include "app/schema_explain.hpp"

#include <algorithm>
#include <regex>
#include <set>

#include "app/yaml_tree.hpp"
#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;
using Errors = std::vector<SchemaError>;

std::string with_article(const std::string& type) {
  if (type == "integer") return "a whole number";
  if (type == "boolean") return "true or false";
  if (type == "string") return "text";
  if (type == "object") return "a mapping";
  if (type == "array") return "a list";
  if (type == "null") return "nothing";
  return "a " + type;
}

bool is_of_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  return value.is_number_integer() || (value.is_number_float() && value.get<double>() == static_cast<double>(value.get<std::int64_t>()));
}

std::string shown(const json& value) {
  if (value.is_object()) return "a mapping";
  if (value.is_array()) return "a list";
  if (value.is_null()) return "nothing";
  std::string text = value.is_string() ? "'" + value.get<std::string>() + "'" : value.dump();
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

/// "a, b or c"
std::string one_of(std::vector<std::string> parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i)
    out += (i == 0 ? "" : i + 1 == parts.size() ? " or " : ", ") + parts[i];
  return out;
}

std::string suggestion(const std::string& word, const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  const std::string_view nearest = word.size() > 128 ? std::string_view() : nearest_word(word, views);
  if (!nearest.empty()) return "; did you mean '" + std::string(nearest) + "'?";
  const auto longer = std::find_if(words.begin(), words.end(), [&](const std::string& w) { return w.starts_with(word); });
  return longer == words.end() || word.size() < 3 ? "" : "; did you mean '" + *longer + "'?";
}

/// The form that a value must have, in words: $comment says it where a description says what the value is for.
std::string form(const json& schema) {
  return schema.contains("$comment") ? " (" + schema["$comment"].get<std::string>() + ")" : "";
}

std::string hint(const json& schema) {
  const auto description = schema.find("description");
  return description == schema.end() || !description->is_string() ? "" : " (" + description->get<std::string>() + ")";
}

std::string expected_words(const json& schema) {
  std::vector<std::string> parts;
  for (const json& word : schema) parts.push_back(word.is_string() ? word.get<std::string>() : word.dump());
  return one_of(parts);
}

class Explainer {
 public:
  explicit Explainer(Errors& errors) : errors_(errors) {}

  void visit(const json& value, const json& schema, const std::string& at) {
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) wrong(at, "must not be there");
      return;
    }
    if (!check_type(value, schema, at)) return;
    check_words(value, schema, at);
    if (value.is_number()) check_number(value, schema, at);
    if (value.is_string()) check_text(value.get_ref<const std::string&>(), schema, at);
    if (value.is_array()) check_list(value, schema, at);
    if (value.is_object()) check_mapping(value, schema, at);
    check_combinations(value, schema, at);
  }

 private:
  void wrong(const std::string& at, std::string message) { errors_.push_back({at, std::move(message)}); }
  static bool fits(const json& value, const json& schema) {
    Errors errors;
    Explainer(errors).visit(value, schema, "");
    return errors.empty();
  }

  bool check_type(const json& value, const json& schema, const std::string& at) {
    const auto type = schema.find("type");
    if (type == schema.end()) return true;
    std::vector<std::string> expected;
    for (const json& one : type->is_array() ? *type : json::array({*type})) {
      if (is_of_type(value, one.get<std::string>())) return true;
      expected.push_back(with_article(one.get<std::string>()));
    }
    const std::string about = at.empty() ? "" : hint(schema);  // of the document it says what such files are for
    wrong(at, "expected " + one_of(expected) + ", found " + shown(value) + about);
    return false;
  }

  void check_words(const json& value, const json& schema, const std::string& at) {
    if (const auto constant = schema.find("const"); constant != schema.end() && value != *constant)
      wrong(at, "expected " + shown(*constant) + ", found " + shown(value));
    const auto words = schema.find("enum");
    if (words == schema.end() || std::find(words->begin(), words->end(), value) != words->end()) return;
    std::vector<std::string> candidates;
    for (const json& word : *words)
      if (word.is_string()) candidates.push_back(word.get<std::string>());
    wrong(at, "expected " + expected_words(*words) + ", found " + shown(value) +
                  (value.is_string() ? suggestion(value.get<std::string>(), candidates) : ""));
  }

  void check_number(const json& value, const json& schema, const std::string& at) {
    const double number = value.get<double>();
    auto bound = [&](const char* keyword, auto broken, const char* words) {
      const auto limit = schema.find(keyword);
      if (limit != schema.end() && broken(number, limit->get<double>()))
        wrong(at, std::string(words) + limit->dump() + ", found " + value.dump());
    };
    bound("minimum", std::less<>(), "expected at least ");
    bound("maximum", std::greater<>(), "expected at most ");
    bound("exclusiveMinimum", std::less_equal<>(), "expected more than ");
    bound("exclusiveMaximum", std::greater_equal<>(), "expected less than ");
  }

  void check_text(const std::string& value, const json& schema, const std::string& at) {
    const auto characters = static_cast<std::size_t>(
        std::count_if(value.begin(), value.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    if (const auto limit = schema.find("minLength"); limit != schema.end() && characters < limit->get<std::size_t>())
      wrong(at, characters == 0 ? "must not be empty" : "expected at least " + limit->dump() + " characters");
    if (const auto limit = schema.find("maxLength"); limit != schema.end() && characters > limit->get<std::size_t>())
      wrong(at, "expected at most " + limit->dump() + " characters, found " + std::to_string(characters));
    const auto pattern = schema.find("pattern");
    if (pattern == schema.end() || std::regex_search(value, std::regex(pattern->get<std::string>()))) return;
    const std::string description = form(schema).empty() ? hint(schema) : form(schema);
    wrong(at, description.empty() ? "expected text of the form " + pattern->get<std::string>() + ", found " + shown(value)
                                  : shown(value) + " has not the form expected here" + description);
  }

  void check_list(const json& value, const json& schema, const std::string& at) {
    if (const auto limit = schema.find("minItems"); limit != schema.end() && value.size() < limit->get<std::size_t>())
      wrong(at, value.empty() ? "must not be empty" : "expected at least " + limit->dump() + " entries");
    if (const auto limit = schema.find("maxItems"); limit != schema.end() && value.size() > limit->get<std::size_t>())
      wrong(at, "expected at most " + limit->dump() + " entries, found " + std::to_string(value.size()));
    if (schema.value("uniqueItems", false)) {
      std::set<json> seen;
      for (std::size_t i = 0; i < value.size(); ++i)
        if (!seen.insert(value[i]).second) wrong(at + "/" + std::to_string(i), shown(value[i]) + " is there twice");
    }
    if (const auto items = schema.find("items"); items != schema.end())
      for (std::size_t i = 0; i < value.size(); ++i) visit(value[i], *items, at + "/" + std::to_string(i));
  }

  void check_mapping(const json& value, const json& schema, const std::string& at) {
    for (const json& name : schema.value("required", json::array()))
      if (!value.contains(name.get<std::string>())) wrong(at, "the key '" + name.get<std::string>() + "' is missing");
    if (const auto limit = schema.find("minProperties"); limit != schema.end() && value.size() < limit->get<std::size_t>() &&
                                                         !schema.contains("anyOf") && !schema.contains("oneOf"))  // they say which
      wrong(at, value.empty() ? "must not be empty" : "expected at least " + limit->dump() + " keys");
    if (const auto limit = schema.find("maxProperties"); limit != schema.end() && value.size() > limit->get<std::size_t>())
      wrong(at, "expected at most " + limit->dump() + " keys");
    const json properties = schema.value("properties", json::object());
    const json patterns = schema.value("patternProperties", json::object());
    for (const auto& [name, child] : value.items()) {
      const std::string child_at = child_pointer(at, name);
      if (const auto names = schema.find("propertyNames"); names != schema.end()) visit(json(name), *names, child_at);
      bool known = properties.contains(name);
      if (known) visit(child, properties.at(name), child_at);
      for (const auto& [pattern, child_schema] : patterns.items()) {
        if (!std::regex_search(name, std::regex(pattern))) continue;
        known = true;
        visit(child, child_schema, child_at);
      }
      if (!known) check_additional(child, schema, properties, name, child_at);
    }
  }

  void check_additional(const json& child, const json& schema, const json& properties, const std::string& name,
                        const std::string& child_at) {
    const auto additional = schema.find("additionalProperties");
    if (additional == schema.end()) return;
    if (*additional != json(false)) return visit(child, *additional, child_at);
    std::vector<std::string> names;
    for (const auto& [known, unused] : properties.items()) names.push_back(known);
    std::string near = suggestion(name, names);
    if (near.empty() && names.size() <= 16) near = "; known here: " + one_of(names);
    wrong(child_at, "unknown key" + near);
  }

  void check_combinations(const json& value, const json& schema, const std::string& at) {
    for (const json& part : schema.value("allOf", json::array())) visit(value, part, at);
    if (const auto condition = schema.find("if"); condition != schema.end()) {
      const auto branch = schema.find(fits(value, *condition) ? "then" : "else");
      if (branch != schema.end()) visit(value, *branch, at);
    }
    if (const auto part = schema.find("not"); part != schema.end() && fits(value, *part))
      wrong(at, "this is not allowed here" + hint(schema));
    for (const char* keyword : {"anyOf", "oneOf"}) {
      const auto parts = schema.find(keyword);
      if (parts != schema.end()) check_choice(value, schema, *parts, keyword == std::string("oneOf"), at);
    }
  }

  void check_choice(const json& value, const json& schema, const json& parts, bool exactly_one, const std::string& at) {
    const auto fitting = std::count_if(parts.begin(), parts.end(), [&](const json& part) { return fits(value, part); });
    if (fitting == 1 || (fitting > 1 && !exactly_one)) return;
    if (const std::vector<std::string> names = asked_keys(parts); !names.empty()) return check_keys(value, names, at);
    if (fitting > 1) return wrong(at, "fits more than one of the forms that are allowed here" + hint(schema));
    // The branch that the writer meant is the one with the fewest complaints, those about its very type counting most.
    Errors best;
    std::size_t best_weight = SIZE_MAX;
    for (const json& part : parts) {
      Errors errors;
      Explainer(errors).visit(value, part, at);
      std::size_t weight = errors.size();
      for (const SchemaError& error : errors)
        if (error.pointer == at && !value.is_object()) weight += 1;
      if (is_of_other_type(value, part)) weight += 1000;
      if (weight < best_weight) {
        best_weight = weight;
        best = std::move(errors);
      }
    }
    const bool about_the_value = best.size() == 1 && best[0].pointer == at && !value.is_object();
    if (about_the_value && !form(schema).empty()) return wrong(at, "found " + shown(value) + "; expected" + form(schema));
    if (best_weight >= 1000 || (about_the_value && !hint(schema).empty()))
      return wrong(at, "found " + shown(value) + "; expected " + expected_types(parts) + hint(schema));
    for (SchemaError& error : best) {
      const std::string beside = known_elsewhere(value, parts, error.pointer, at);
      if (!beside.empty()) error.message = beside;
      const bool is_told = error.pointer != at && std::any_of(errors_.begin(), errors_.end(), [&](const SchemaError& one) {
        return one.pointer == error.pointer;  // by what holds for all of the forms
      });
      if (!is_told) errors_.push_back(std::move(error));
    }
  }

  /// Of an unknown key of an object that another of the forms knows: with which of the other keys it does not go.
  static std::string known_elsewhere(const json& value, const json& parts, const std::string& pointer, const std::string& at) {
    if (!value.is_object() || !pointer.starts_with(at + "/")) return "";
    const auto knows = [](const json& part, const std::string& name) {
      return part.is_object() && part.contains("properties") && part["properties"].contains(name);
    };
    for (const auto& [name, child] : value.items()) {
      if (child_pointer(at, name) != pointer) continue;
      for (const json& part : parts) {
        if (!knows(part, name)) continue;
        for (const auto& [other, unused] : value.items())
          if (other != name && !knows(part, other)) return "'" + other + "' and '" + name + "' exclude each other; keep one of them";
      }
    }
    return "";
  }

  /// Names of which each part asks for one and says no more; else nothing.
  static std::vector<std::string> asked_keys(const json& parts) {
    std::vector<std::string> names;
    for (const json& part : parts) {
      if (!part.is_object() || part.size() != 1 || !part.contains("required") || part["required"].size() != 1) return {};
      names.push_back(part["required"][0].get<std::string>());
    }
    return names;
  }

  /// Some of the keys are there that exclude each other, or none of those that are asked for.
  void check_keys(const json& value, const std::vector<std::string>& names, const std::string& at) {
    std::vector<std::string> there, quoted;
    for (const std::string& name : names) {
      quoted.push_back("'" + name + "'");
      if (value.contains(name)) there.push_back(name);
    }
    if (there.empty()) return wrong(at, "one of the keys " + one_of(quoted) + " is missing");
    for (std::size_t i = 1; i < there.size(); ++i)
      wrong(child_pointer(at, there[i]), "'" + there[0] + "' and '" + there[i] + "' exclude each other; keep one of them");
  }

  static bool is_of_other_type(const json& value, const json& part) {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end()) return false;
    for (const json& one : type->is_array() ? *type : json::array({*type}))
      if (is_of_type(value, one.get<std::string>())) return false;
    return true;
  }

  static std::string expected_types(const json& parts) {
    std::vector<std::string> words;
    for (const json& part : parts)
      if (part.is_object() && part.contains("type") && part["type"].is_string()) words.push_back(with_article(part["type"]));
      else if (part.is_object() && part.contains("const")) words.push_back(shown(part["const"]));
      else if (part.is_object() && part.contains("enum")) words.push_back(expected_words(part["enum"]));
    return words.empty() ? "another form" : one_of(words);
  }

  Errors& errors_;
};

}  // namespace

bool is_known_keyword(const std::string& keyword) {
  static const std::set<std::string> known = {
      "$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples", "deprecated", "type", "enum",
      "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern", "format",
      "items", "minItems", "maxItems", "uniqueItems", "properties", "patternProperties", "additionalProperties",
      "propertyNames", "required", "minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not", "if", "then",
      "else", "$ref"};
  return known.contains(keyword);
}

void explain(const json& document, const json& schema, const std::string& pointer, Errors& errors) {
  Explainer(errors).visit(document, schema, pointer);
}

}  // namespace tidewaiter::app
