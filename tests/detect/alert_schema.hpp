// Holds records of detection against schemas/alert.schema.json.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace tidewaiter::detect {

class AlertSchema {
 public:
  AlertSchema() {
    std::ifstream file("schemas/alert.schema.json");
    const nlohmann::json json = nlohmann::json::parse(file);
    const valijson::adapters::NlohmannJsonAdapter adapter(json);
    valijson::SchemaParser().populateSchema(adapter, schema_);
  }
  /// What is wrong with a record; "" = nothing.
  std::string problem(const nlohmann::json& record) {
    valijson::Validator validator;
    valijson::ValidationResults results;
    const valijson::adapters::NlohmannJsonAdapter target(record);
    if (validator.validate(schema_, target, &results)) return "";
    valijson::ValidationResults::Error error;
    results.popError(error);
    return error.description + "\n" + record.dump();
  }

 private:
  valijson::Schema schema_;
};

}  // namespace tidewaiter::detect
