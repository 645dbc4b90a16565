// Says in words why a document does not fit a schema. Knows the keywords that our schemas use; whether a document fits
// is decided by the validator in app/schema.cpp, and a test holds the two against each other.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/schema.hpp"

namespace tidewaiter::app {

/// Keywords that explain() understands (annotations included).
bool is_known_keyword(const std::string& keyword);

/// `schema` has no $ref any more (resolved_schema).
void explain(const nlohmann::json& document, const nlohmann::json& schema, const std::string& pointer,
             std::vector<SchemaError>& errors);

}  // namespace tidewaiter::app
