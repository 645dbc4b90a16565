// What a schema cannot say about a configuration: filters that compile, files outside the store, names once only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "app/yaml_tree.hpp"
#include "core/result.hpp"
#include "forward/connector.hpp"

namespace tidewaiter::app {

/// Reads a YAML file and holds it against an embedded schema. Nothing when there were findings.
std::optional<YamlTree> read_valid_yaml(const std::string& file, std::string_view schema_name, bool expand_environment,
                                        std::vector<Finding>& findings);

/// A configuration as far as it can be read.
struct ReadConfig {
  Config config;
  YamlTree tree;
};

/// Every mistake is added to `findings`: what breaks the schema is left out, so that the rest is judged all the same.
/// Nothing when the file is no mapping of keys.
std::optional<ReadConfig> read_config(const std::string& file, std::vector<Finding>& findings);

/// In the order of reading: the file, then those that it names, each from top to bottom.
void put_in_order(const std::string& file, std::vector<Finding>& findings);

/// `is_whole`: nothing was left out, so that its parts can be held against each other.
void check_meaning(const Config& config, const YamlTree& tree, bool is_whole, std::vector<Finding>& findings);

/// Reads the files that `attestation` names, and whether they hold what they should.
void check_attestation(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

/// Everything of a connector's section; `index` is its place in the list.
forward::ConnectorConfig connector_config(const ConnectorEntry& entry, std::size_t index);

/// A file as text. Error: not_found, or invalid_argument when it is larger than `bytes_max`; the message goes behind its name.
constexpr std::uintmax_t file_bytes_max = 16 << 20;
Result<std::string> text_of_file(const std::string& file, std::uintmax_t bytes_max = file_bytes_max);

/// Everything that is wrong with a mapping, from top to bottom: syntax, schema, and what does not compile or cannot be
/// meant. The name of its format; nothing when there were findings.
std::optional<std::string> check_mapping_text(const std::string& file, const std::string& text, std::vector<Finding>& findings);
std::optional<std::string> check_mapping_file(const std::string& file, std::vector<Finding>& findings);

/// The user's mappings, compiled, and the names of formats in the configuration.
void check_formats(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

/// The settings of each connector, as far as they can be judged without the network; reads the files they name.
void check_connectors(const Config& config, const YamlTree& tree, std::vector<Finding>& findings);

}  // namespace tidewaiter::app
