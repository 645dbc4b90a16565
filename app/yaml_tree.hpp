// A YAML file as JSON, with the line and column of every value. The only user of yaml-cpp.
// Scalars follow the core schema of YAML 1.2: true/false, null, integers and floats when plain; `yes` is text.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"

namespace tidewaiter::app {

struct Place {
  int line = 0, column = 0;  // from 1; of the key, for a member of a mapping
};

struct YamlTree {
  nlohmann::json value;
  std::map<std::string, Place> places;  // by JSON pointer; "" is the document

  /// Of the value, or of the nearest one around it.
  Place place_of(std::string pointer) const;
};

/// `expand_environment`: ${NAME} and ${NAME:-default} in scalars are replaced, $${ stands for ${. Mistakes (syntax,
/// duplicate keys, unset variables, more than 100,000 values) are added to `findings` under the name `file`.
YamlTree read_yaml(const std::string& text, const std::string& file, bool expand_environment,
                   std::vector<Finding>& findings);

/// "/kafka/topics/0" as people write it: "kafka.topics[0]".
std::string key_of_pointer(std::string_view pointer);
/// Appends a member name to a JSON pointer (RFC 6901).
std::string child_pointer(std::string_view pointer, std::string_view name);

}  // namespace tidewaiter::app
