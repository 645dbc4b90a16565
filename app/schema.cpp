#include "app/schema.hpp"

// A library's own warnings are not ours to mend.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

#include <algorithm>
#include <optional>

#include "app/schema_explain.hpp"
#include "app/yaml_tree.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;

std::optional<json> schema_text(const std::string& name) {
  for (const SchemaFile& file : embedded_schemas())
    if (file.name == name) return json::parse(file.text, nullptr, false);
  return std::nullopt;
}

/// "../enums.schema.json" seen from "parts/agent.schema.json".
std::string relative_to(const std::string& base, std::string name) {
  std::string folder = base.substr(0, base.rfind('/') == std::string::npos ? 0 : base.rfind('/') + 1);
  while (name.starts_with("../")) {
    name.erase(0, 3);
    if (!folder.empty()) folder.pop_back();
    const std::size_t slash = folder.rfind('/');
    folder.resize(slash == std::string::npos ? 0 : slash + 1);
  }
  return folder + name;
}

bool is_annotation(const std::string& keyword) {
  return keyword == "description" || keyword == "title" || keyword == "default" || keyword == "$comment" ||
         keyword == "examples" || keyword == "deprecated";
}

/// Replaces references in place. False when one leads nowhere or in a circle.
class Resolver {
 public:
  bool resolve(json& schema, const std::string& file, int depth = 0) {
    if (depth > 64) return false;
    if (!schema.is_object()) return true;
    schema.erase("$defs");
    auto resolve_all = [&](json& children) {
      return std::all_of(children.begin(), children.end(), [&](json& child) { return resolve(child, file, depth + 1); });
    };
    for (const char* keyword : {"properties", "patternProperties", "allOf", "anyOf", "oneOf"})
      if (const auto found = schema.find(keyword); found != schema.end() && !resolve_all(*found)) return false;
    for (const char* keyword : {"items", "additionalProperties", "propertyNames", "not", "if", "then", "else"})
      if (const auto found = schema.find(keyword); found != schema.end() && !resolve(*found, file, depth + 1)) return false;
    const auto reference = schema.find("$ref");
    if (reference == schema.end() || !reference->is_string()) return true;
    const std::string target = reference->get<std::string>();
    schema.erase("$ref");
    return replace(schema, target, file, depth);
  }

 private:
  bool replace(json& node, const std::string& reference, const std::string& file, int depth) {
    const std::size_t hash = reference.find('#');
    const std::string path = reference.substr(0, hash);
    const std::string target_file = path.empty() ? file : relative_to(file, path);
    auto document = schema_text(target_file);
    if (!document || document->is_discarded()) return false;
    json target = *document;
    if (hash != std::string::npos && hash + 1 < reference.size()) {
      const json::json_pointer pointer(reference.substr(hash + 1));
      if (!document->contains(pointer)) return false;
      target = document->at(pointer);
    }
    if (!resolve(target, target_file, depth + 1)) return false;
    merge(node, std::move(target));
    return true;
  }

  /// Annotations beside a $ref describe this use of the target; constraints beside it hold as well.
  static void merge(json& node, json target) {
    json constraints = json::object();
    if (!target.is_object()) target = json{{"allOf", json::array({target})}};
    for (const auto& [name, value] : node.items())
      (is_annotation(name) ? target : constraints)[name] = value;
    if (!constraints.empty()) {
      target = json{{"allOf", json::array({target, constraints})}};
    }
    node = std::move(target);
  }
};

/// The verdict of the library, and its words for it.
std::vector<SchemaError> library_errors(const json& document, const json& schema) {
  std::vector<SchemaError> errors;
  valijson::Schema compiled;
  valijson::SchemaParser parser;
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), compiled);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(compiled, valijson::adapters::NlohmannJsonAdapter(document), &results)) return errors;
  for (const auto& result : results) {
    std::string pointer;
    for (const std::string& part : result.context)
      if (part.size() > 2 && part.front() == '[') pointer = child_pointer(pointer, part.substr(1, part.size() - 2));
    errors.push_back({pointer, result.description});
  }
  if (errors.empty()) errors.push_back({"", "does not fit the schema"});
  return errors;
}

}  // namespace

json resolved_schema(std::string_view name) {
  const std::string file(name);
  auto schema = schema_text(file);
  if (!schema || schema->is_discarded() || !Resolver().resolve(*schema, file)) return nullptr;
  return *schema;
}

std::vector<SchemaError> validate(const json& document, const json& schema) {
  try {
    std::vector<SchemaError> errors = library_errors(document, schema);
    if (errors.empty()) return errors;
    std::vector<SchemaError> explained;
    explain(document, schema, "", explained);
    return explained.empty() ? errors : explained;
  } catch (const std::exception& e) {  // valijson and std::regex throw on a schema that is none
    return {{"", std::string("the schema itself is wrong: ") + e.what()}};
  }
}

std::vector<SchemaError> validate_by_name(const json& document, std::string_view schema_name) {
  const json schema = resolved_schema(schema_name);
  if (schema.is_null()) return {{"", "there is no schema " + std::string(schema_name)}};
  return validate(document, schema);
}

}  // namespace tidewaiter::app
