// What a schema cannot say about a configuration: filters that compile, files outside the store, names once only.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "app/yaml_tree.hpp"
#include "forward/connector.hpp"

namespace tidewaiter::app {

/// Reads a YAML file and holds it against an embedded schema. Nothing when there were findings.
std::optional<YamlTree> read_valid_yaml(const std::string& file, std::string_view schema_name, bool expand_environment,
                                        std::vector<Finding>& findings);

void check_meaning(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

/// Reads the files that `attestation` names, and whether they hold what they should.
void check_attestation(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

/// Everything of a connector's section; `index` is its place in the list.
forward::ConnectorConfig connector_config(const ConnectorEntry& entry, std::size_t index);

/// Whether a mapping file is valid and compiles. The name of its format; nothing when there were findings.
std::optional<std::string> check_mapping_file(const std::string& file, std::vector<Finding>& findings);

/// The user's mappings, compiled, and the names of formats in the configuration.
void check_formats(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

/// The settings of each connector, as far as they can be judged without the network; reads the files they name.
void check_connectors(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

}  // namespace tidewaiter::app
