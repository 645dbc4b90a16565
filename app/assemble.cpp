#include "app/assemble.hpp"

#include <fstream>
#include <iterator>

#include "app/config_checks.hpp"
#include "app/format_counters.hpp"
#include "ingest/file_source.hpp"
#include "ingest/kafka_source.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::app {
namespace {

class ParseEvents final : public Parse {
 public:
  ParseEvents(std::unique_ptr<ingest::Parser> parser, Metrics& metrics)
      : parser_(std::move(parser)), counters_(*parser_, metrics) {}

  void judge_by(const std::shared_ptr<const ingest::Trust>& trust) override {
    if (trust == trust_) return;
    trust_ = trust;
    parser_->judge_by(trust);
  }

  void parse(Batch& batch) override {
    parser_->parse(batch);
    counters_.publish(*parser_);
  }

  void recall_orders_by(const ingest::RecallOrder& recall, bool for_each_record) override {
    parser_->recall_orders_by(recall, for_each_record);
  }
  void forget_orders() override { parser_->forget_orders(); }
  std::vector<ingest::TextOrder> take_orders() override { return parser_->take_orders(); }

 private:
  std::unique_ptr<ingest::Parser> parser_;
  std::shared_ptr<const ingest::Trust> trust_;
  FormatCounters counters_;
};

/// The destination's category from the policy, then what the tables say, which wins.
class EnrichEvents final : public Enrich {
 public:
  EnrichEvents(const detect::Policy& policy, std::shared_ptr<const ingest::Trust> trust,
               std::shared_ptr<const ingest::TableSet> tables, Metrics& metrics)
      : trust_(std::move(trust)), destinations_(destination_groups(policy)), tables_(std::move(tables)) {
    for (std::size_t i = 0; i < ingest::table_kinds; ++i) {
      const auto kind = static_cast<ingest::TableKind>(i);
      const Labels labels = {{"table", std::string(ingest::spec_of(kind).name)}};
      enriched_[i] = &metrics.counter("tidewaiter_enriched_events_total", "Events that a user table said something about", labels);
      metrics.gauge("tidewaiter_table_rows", "Rows of the user tables in force", labels)
          .set(tables_ ? static_cast<double>(tables_->rows(kind)) : 0);
      any_row_ = any_row_ || (tables_ && tables_->rows(kind) > 0);
    }
  }

  const std::shared_ptr<const ingest::Trust>& trust() const override { return trust_; }

  void apply(Batch& batch) override {
    destinations_.apply(batch);
    if (!any_row_) return;
    const auto counts = tables_->apply(batch);
    for (std::size_t i = 0; i < ingest::table_kinds; ++i)
      if (counts[i] > 0) enriched_[i]->add(counts[i]);
  }

 private:
  const std::shared_ptr<const ingest::Trust> trust_;
  ingest::Destinations destinations_;
  std::shared_ptr<const ingest::TableSet> tables_;
  bool any_row_ = false;
  std::array<Counter*, ingest::table_kinds> enriched_{};
};

Result<std::vector<ingest::MappingFile>> read_mapping_files(const std::vector<std::string>& names) {
  std::vector<ingest::MappingFile> files;
  for (const std::string& name : names) {
    std::ifstream in(name, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (!in) return fail(Code::not_found, "mapping " + name + ": cannot be read");
    files.push_back({name, std::move(text)});
  }
  return files;
}

ingest::BatchLimits batch_limits(const Config& config) {
  return {config.store.commit_bytes, static_cast<int>(config.store.flush_interval_ms)};
}

}  // namespace

std::vector<ingest::DestinationGroup> destination_groups(const detect::Policy& policy) {
  std::vector<ingest::DestinationGroup> groups;
  for (const detect::DestinationGroup& from : policy.destinations()) {
    ingest::DestinationGroup group{from.category, from.hosts, {}};
    for (const auto& net : from.nets) group.nets.push_back({net.base, net.prefix_bits});
    groups.push_back(std::move(group));
  }
  return groups;
}

store::Options store_options(const Config& config) {
  store::Options options;
  options.directory = config.store.directory;
  options.origin = config.store.origin;
  for (const RetentionClass& c : config.logs) {
    store::LogInfo log;
    log.name = c.name;
    log.retention_days = c.retention_days;
    options.event_logs.push_back(std::move(log));
  }
  options.signing_key_file = config.store.signing_key_file;
  options.head_file = config.store.head_file;
  options.block_bytes_max = config.store.block_bytes_max;
  options.segment_records = config.store.segment_records;
  options.zstd_level = config.store.zstd_level;
  options.cache_bytes = config.store.cache_bytes;
  return options;
}

detect::EngineConfig engine_config(const Config& config) {
  constexpr std::int64_t ns_per_ms = 1'000'000;
  const DetectConfig& d = config.detect;
  detect::EngineConfig engine;
  engine.memory_bytes = d.memory_bytes;
  engine.budget.per_day = static_cast<std::uint32_t>(d.alerts_per_day_max);
  if (d.alerts_per_day_max_per_tenant) engine.budget.per_tenant_and_day = static_cast<std::uint32_t>(*d.alerts_per_day_max_per_tenant);
  for (const auto& [severity, alerts] : d.alerts_per_day_max_per_severity)
    engine.budget.per_severity_and_day[*enums::severity.find(severity)] = static_cast<std::uint32_t>(alerts);
  engine.out_of_order_ns = d.out_of_order_ms * ns_per_ms;
  engine.approval_grace_ns = d.approval_grace_ms * ns_per_ms;
  engine.attestation_grace_ns = d.attestation_grace_ms * ns_per_ms;
  engine.false_alerts_per_day = d.false_alerts_per_day;
  engine.volume_min_bytes = d.volume_min_bytes;
  engine.flow = d.flow;
  engine.volume = d.volume;
  engine.silence = d.silence;
  engine.burst = d.burst;
  engine.sequence = d.sequence;
  engine.rhythm = d.rhythm;
  engine.health = d.health;
  return engine;
}

std::vector<forward::ConnectorConfig> connector_configs(const Config& config) {
  std::vector<forward::ConnectorConfig> connectors;
  for (std::size_t i = 0; i < config.connectors.size(); ++i)
    connectors.push_back(connector_config(config.connectors[i], i));
  return connectors;
}

serve::ServeConfig serve_config(const Config& config) {
  serve::ServeConfig serve;
  serve.api_listen = config.http.api_address;
  serve.operations_listen = config.http.metrics_address;
  serve.token_file = config.http.token_file;
  return serve;
}

TablesInForce tables_in_force(const LoadedTables& tables) {
  TablesInForce made;
  for (const LoadedTables::Text& text : tables.texts) made.texts.push_back({text.name, text.json, text.hash});
  made.set = tables.set;
  return made;
}

PipelineConfig pipeline_config(const Config& config, const LoadedPolicy& policy, const LoadedTrust& trust,
                               const LoadedTables& tables) {
  PipelineConfig parts;
  parts.store = store_options(config);
  for (const RetentionClass& c : config.logs) parts.routes.emplace_back(c.where, c.name);
  parts.writer.checkpoint_interval_ms = config.store.checkpoint_interval_ms;
  parts.writer.ticker.idle_after_ms = config.detect.idle_after_ms;
  parts.detect.engine = engine_config(config);
  parts.detect.snapshot_interval_ms = config.detect.snapshot_interval_ms;
  parts.connectors = connector_configs(config);
  parts.policy = {policy.json, policy.hash, trust.json, trust.hash};
  parts.tables = tables_in_force(tables);
  ingest::ParserOptions parser_options;
  parser_options.limits.message_bytes_max = config.limits.message_bytes_max;
  parser_options.limits.depth_max = config.limits.depth_max;
  parser_options.limits.keys_max = config.limits.keys_max;
  parser_options.strict = config.limits.strict;
  parser_options.strict_topics = {config.limits.strict_topics.begin(), config.limits.strict_topics.end()};
  parser_options.events_max = config.limits.events_max;
  parser_options.text_columns = parts.text_columns = config.formats.text_columns;
  for (const auto& [name, topic] : config.formats.topics) {
    if (topic.format != "auto") parser_options.topic_formats[name] = topic.format;
    if (topic.strict) parser_options.strict_topics.insert(name);
  }
  parts.make_parser = [options = std::move(parser_options), files = config.formats.mapping_files](
                          Metrics& metrics) -> Result<std::unique_ptr<Parse>> {
    ingest::ParserOptions with_mappings = options;
    TRY_ASSIGN(with_mappings.mappings, read_mapping_files(files));
    TRY_ASSIGN(auto parser, ingest::Parser::create(std::move(with_mappings)));
    return std::unique_ptr<Parse>(std::make_unique<ParseEvents>(std::move(parser), metrics));
  };
  parts.make_enrichment = [](const PolicyText& text, const TablesInForce& in_force,
                             Metrics& metrics) -> Result<std::unique_ptr<Enrich>> {
    TRY_ASSIGN(const auto compiled, detect::Policy::parse(text.json));
    std::shared_ptr<const ingest::Trust> keys;
    if (!text.trust_json.empty()) {
      TRY_ASSIGN(const ingest::TrustOptions trusted, ingest::trust_from_json(text.trust_json));
      TRY_ASSIGN(keys, ingest::Trust::create(trusted));
    }
    return std::unique_ptr<Enrich>(std::make_unique<EnrichEvents>(compiled, std::move(keys), in_force.set, metrics));
  };
  return parts;
}

decltype(PipelineConfig::make_sources) kafka_sources(const Config& config) {
  return [config](const SourceContext& context) -> Result<std::vector<std::unique_ptr<ingest::Source>>> {
    ingest::KafkaSourceOptions options;
    options.properties = config.kafka.properties;
    options.topics = config.kafka.topics;
    options.batch = batch_limits(config);
    options.position_for = context.position_for;
    options.commit_metadata = context.commit_metadata;
    options.record_control = context.record_control;
    options.committed_metadata = context.committed_metadata;
    TRY_ASSIGN(auto source, ingest::KafkaSource::open(std::move(options), *context.clock));
    std::vector<std::unique_ptr<ingest::Source>> sources;
    sources.push_back(std::move(source));
    return sources;
  };
}

decltype(PipelineConfig::make_sources) file_sources(const Config& config, std::vector<std::string> files) {
  return [config, files](const SourceContext& context) -> Result<std::vector<std::unique_ptr<ingest::Source>>> {
    ingest::FileSourceOptions options;
    options.paths = files;
    options.batch = batch_limits(config);
    options.position_for = context.position_for;
    auto opened = ingest::FileSource::open(std::move(options), *context.clock);
    if (!opened && opened.error().code == Code::not_found)  // a name on the command line, nothing that was looked for
      return fail(Code::invalid_argument, opened.error().message);
    TRY_ASSIGN(auto source, std::move(opened));
    std::vector<std::unique_ptr<ingest::Source>> sources;
    sources.push_back(std::move(source));
    return sources;
  };
}

}  // namespace tidewaiter::app
