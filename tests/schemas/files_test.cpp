// Every schema file is a schema: JSON Schema 2020-12 in the keywords that validators agree on, references that lead
// somewhere, one $id that says where the file is.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "app/schema.hpp"
#include "app/schema_explain.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;

constexpr std::string_view types[] = {"object", "array", "string", "integer", "number", "boolean", "null"};

bool is_type(const json& type) {
  return type.is_string() && std::find(std::begin(types), std::end(types), type.get<std::string>()) != std::end(types);
}

void expect_schema(const json& schema, const std::string& place);

void expect_all(const json& schemas, const std::string& place) {
  for (const auto& [name, child] : schemas.items()) expect_schema(child, place + "/" + name);
}

void expect_value(const std::string& keyword, const json& value, const std::string& place) {
  static const std::set<std::string> counts = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"};
  static const std::set<std::string> bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
  static const std::set<std::string> one = {"items", "additionalProperties", "propertyNames", "not", "if", "then", "else"};
  static const std::set<std::string> many = {"allOf", "anyOf", "oneOf"};
  static const std::set<std::string> maps = {"properties", "patternProperties", "$defs"};
  EXPECT_TRUE(is_known_keyword(keyword)) << place;
  if (counts.contains(keyword)) {
    EXPECT_TRUE(value.is_number_unsigned()) << place;
  }
  if (bounds.contains(keyword)) {
    EXPECT_TRUE(value.is_number()) << place;
  }
  if (one.contains(keyword)) expect_schema(value, place);
  if (many.contains(keyword)) {
    EXPECT_TRUE(value.is_array() && !value.empty()) << place;
    expect_all(value, place);
  }
  if (maps.contains(keyword)) {
    EXPECT_TRUE(value.is_object()) << place;
    expect_all(value, place);
  }
  if (keyword == "type") {
    EXPECT_TRUE(is_type(value) || (value.is_array() && std::all_of(value.begin(), value.end(), is_type))) << place;
  }
  if (keyword == "enum") {
    EXPECT_TRUE(value.is_array() && !value.empty()) << place;
    EXPECT_EQ(std::set<json>(value.begin(), value.end()).size(), value.size()) << place << ": a word is there twice";
  }
  if (keyword == "required") {
    EXPECT_TRUE(value.is_array()) << place;
  }
  if (keyword == "pattern") {
    EXPECT_NO_THROW(std::regex compiled(value.get<std::string>())) << place;
  }
}

void expect_schema(const json& schema, const std::string& place) {
  if (schema.is_boolean()) return;
  ASSERT_TRUE(schema.is_object()) << place;
  for (const auto& [keyword, value] : schema.items()) expect_value(keyword, value, place + "/" + keyword);
  // What is required must be possible.
  if (!schema.contains("required") || schema.value("additionalProperties", json(true)) != json(false)) return;
  for (const json& name : schema["required"])
    EXPECT_TRUE(schema.value("properties", json::object()).contains(name.get<std::string>())) << place << " " << name;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(SchemaFiles, every_file_is_part_of_the_program_as_it_stands) {
  std::set<std::string> embedded, found;
  for (const SchemaFile& file : embedded_schemas()) {
    embedded.insert(std::string(file.name));
    EXPECT_EQ(text_of(std::filesystem::path("schemas") / file.name), file.text) << file.name;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator("schemas"))
    if (entry.path().string().ends_with(".schema.json"))
      found.insert(std::filesystem::relative(entry.path(), "schemas").string());
  EXPECT_EQ(embedded, found);
  EXPECT_GE(embedded.size(), 10u);
}

TEST(SchemaFiles, each_is_a_schema_in_the_keywords_that_validators_agree_on) {
  for (const SchemaFile& file : embedded_schemas()) {
    const json schema = json::parse(file.text, nullptr, false);
    ASSERT_FALSE(schema.is_discarded()) << file.name;
    expect_schema(schema, std::string(file.name));
    EXPECT_EQ(schema.value("$schema", ""), "https://json-schema.org/draft/2020-12/schema") << file.name;
    EXPECT_EQ(schema.value("$id", ""), "https://tidewaiter.dev/schemas/v1/" + std::string(file.name));
    EXPECT_TRUE(schema.contains("title")) << file.name;
  }
}

TEST(SchemaFiles, every_reference_leads_somewhere) {
  for (const SchemaFile& file : embedded_schemas()) {
    const json resolved = resolved_schema(file.name);
    ASSERT_FALSE(resolved.is_null()) << file.name;
    EXPECT_EQ(resolved.dump().find("\"$ref\""), std::string::npos) << file.name;
  }
  EXPECT_TRUE(resolved_schema("nothing.schema.json").is_null());
}

TEST(SchemaFiles, every_mapping_fits_the_schema_of_mappings) {
  int mappings = 0;
  for (const auto& entry : std::filesystem::directory_iterator("schemas/mappings")) {
    json mapping = json::parse(text_of(entry.path()), nullptr, false);
    ASSERT_FALSE(mapping.is_discarded()) << entry.path();
    const auto errors = validate_by_name(mapping, "mapping.schema.json");
    EXPECT_TRUE(errors.empty()) << entry.path() << " " << errors[0].pointer << ": " << errors[0].message;
    ++mappings;
  }
  EXPECT_GE(mappings, 1);
}

}  // namespace
}  // namespace tidewaiter::app
