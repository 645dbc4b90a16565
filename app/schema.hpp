// The JSON Schemas that are part of the program, and validation against them. The only user of valijson.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tidewaiter::app {

/// Name relative to schemas/ ("config.schema.json", "parts/agent.schema.json") and text of every schema file.
struct SchemaFile {
  std::string_view name, text;
};
std::vector<SchemaFile> embedded_schemas();

/// The schema with every $ref replaced by what it points to, across files too. Null when there is no such schema, a
/// reference leads nowhere, or in a circle.
nlohmann::json resolved_schema(std::string_view name);

/// One violation, as seen by the person who wrote the document.
struct SchemaError {
  std::string pointer;  // of the value (JSON pointer); of the key itself when it is unknown
  std::string message;  // what was expected, and the nearest valid word
};

/// Every violation. Empty exactly when the document is valid.
std::vector<SchemaError> validate(const nlohmann::json& document, const nlohmann::json& schema);
std::vector<SchemaError> validate_by_name(const nlohmann::json& document, std::string_view schema_name);

}  // namespace tidewaiter::app
