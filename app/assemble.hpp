// From a configuration to the parts of the pipeline: the one place that knows both. No threads, no I/O.
#pragma once

#include <string>
#include <vector>

#include "app/config.hpp"
#include "app/pipeline.hpp"
#include "detect/policy.hpp"
#include "ingest/enrich.hpp"

namespace tidewaiter::app {

/// What ingest fills dst_category from.
std::vector<ingest::DestinationGroup> destination_groups(const detect::Policy& policy);
store::Options store_options(const Config& config);
detect::EngineConfig engine_config(const Config& config);
std::vector<forward::ConnectorConfig> connector_configs(const Config& config);
serve::ServeConfig serve_config(const Config& config);

/// Everything but the sources.
PipelineConfig pipeline_config(const Config& config, const LoadedPolicy& policy, const LoadedTrust& trust = {},
                               const LoadedTables& tables = {});
TablesInForce tables_in_force(const LoadedTables& tables);

/// Sources of the service: Kafka.
decltype(PipelineConfig::make_sources) kafka_sources(const Config& config);
/// Sources of `tidewaiter ingest`: one per file, "-" is stdin.
decltype(PipelineConfig::make_sources) file_sources(const Config& config, std::vector<std::string> files);

}  // namespace tidewaiter::app
