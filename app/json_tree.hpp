// A JSON file as a tree with the line and column of every value, as yaml_tree.hpp has it of YAML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/yaml_tree.hpp"

namespace tidewaiter::app {

/// Mistakes (syntax, duplicate keys, more than 100,000 values) are added to `findings` under the name `file`; after a
/// mistake of syntax the value is null. Of a duplicate key the first one counts. Numbers that JSON alone can hold become
/// floats.
YamlTree read_json(std::string_view text, const std::string& file, std::vector<Finding>& findings);

}  // namespace tidewaiter::app
