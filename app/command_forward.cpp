#include "app/command_forward.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/assemble.hpp"
#include "app/command_store.hpp"
#include "core/text.hpp"
#include "forward/cursor.hpp"
#include "store/head_files.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {
namespace {

std::vector<std::string> log_names(const store::Reader& reader) {
  std::vector<std::string> names;
  for (const store::LogInfo& log : reader.logs()) {
    if (names.size() <= log.id) names.resize(log.id + 1u);
    names[log.id] = log.name;
  }
  return names;
}

Result<forward::ConnectorConfig> find_connector(const Config& config, const std::string& name) {
  std::vector<std::string> names;
  for (const forward::ConnectorConfig& connector : connector_configs(config)) {
    if (connector.name == name) return connector;
    names.push_back(connector.name);
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest_word(name, views);
  return fail(Code::invalid_argument, "no connector is named '" + name + "' in " + config.file +
                                          (near.empty() ? std::string() : "; did you mean '" + std::string(near) + "'?"));
}

struct ConnectorRow {
  std::string name, type;
  std::uint64_t cursor = 0, lag = 0, offered = 0, delivered = 0, dead_lettered = 0, expired = 0, sampled_out = 0;
  Sampling sampling;  // in force at the cursor
  std::uint64_t pending() const { return offered - delivered - dead_lettered - expired; }
};

Result<std::vector<ConnectorRow>> connector_rows(const Config& config) {
  TRY_ASSIGN(auto reader, store::Reader::open(config.store.directory));
  const auto counts = reader->counters().connector;
  std::vector<ConnectorRow> rows;
  for (const ConnectorEntry& entry : config.connectors) {
    ConnectorRow row;
    row.name = entry.name;
    row.type = entry.type;
    const auto count = [&](const char* what) {
      const auto it = counts.find(entry.name + "/" + what);
      return it == counts.end() ? std::uint64_t{0} : it->second;
    };
    row.offered = count("offered");
    row.delivered = count("delivered");
    row.dead_lettered = count("dead_lettered");
    row.expired = count("expired");
    for (const std::string_view tier : enums::risk_tier.words) row.sampled_out += count(("sampled_out/" + std::string(tier)).c_str());
    if (auto text = reader->cursor(forward::Connector::cursor_name(entry.name))) {
      TRY_ASSIGN(const forward::Cursor cursor, forward::read_cursor(*text, entry.name));
      row.cursor = cursor.place.commit;
      row.sampling = cursor.sampling;
    }
    row.lag = reader->last_commit() - std::min(reader->last_commit(), row.cursor);
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Tiers that are forwarded in part, and the share of their keys.
nlohmann::json forward_rates(const Sampling& sampling) {
  nlohmann::json rates = nlohmann::json::object();
  for (std::size_t tier = 0; tier < risk_tiers; ++tier)
    if (const double rate = sampling.forward_rate(tier); rate < 1) rates[std::string(enums::risk_tier.word(tier))] = rate;
  return rates;
}

Result<int> list_connectors(const ConnectorsOptions& options) {
  TRY_ASSIGN(const Config config, load_config(options.config));
  TRY_ASSIGN(const auto rows, connector_rows(config));
  if (options.json) {
    nlohmann::json out = nlohmann::json::array();
    for (const ConnectorRow& r : rows)
      out.push_back({{"name", r.name}, {"type", r.type}, {"cursor_commit", r.cursor}, {"lag_commits", r.lag},
                     {"offered", r.offered}, {"delivered", r.delivered}, {"pending", r.pending()},
                     {"dead_lettered", r.dead_lettered}, {"expired", r.expired}, {"sampled_out", r.sampled_out},
                     {"forward_rates", forward_rates(r.sampling)}});
    fmt::print("{}\n", out.dump());
    return exit_ok;
  }
  if (rows.empty()) fmt::print("no connectors in {}\n", config.file);
  else fmt::print("{:<20} {:<12} {:>10} {:>6} {:>10} {:>10} {:>8} {:>6} {:>11}\n", "NAME", "TYPE", "COMMIT", "LAG", "OFFERED",
                  "DELIVERED", "PENDING", "DEAD", "SAMPLED OUT");
  for (const ConnectorRow& r : rows)
    fmt::print("{:<20} {:<12} {:>10} {:>6} {:>10} {:>10} {:>8} {:>6} {:>11}\n", r.name, r.type, r.cursor, r.lag, r.offered,
               r.delivered, r.pending(), r.dead_lettered, r.sampled_out);
  for (const ConnectorRow& r : rows) {
    const nlohmann::json rates = forward_rates(r.sampling);
    for (const auto& [tier, rate] : rates.items())
      fmt::print("{}: of the tier {} a share of {} of the keys is forwarded\n", r.name, tier, rate.get<double>());
  }
  return exit_ok;
}

Result<int> try_connector(const TestConnectorOptions& options) {
  TRY_ASSIGN(const Config config, load_config(options.config));
  TRY_ASSIGN(const forward::ConnectorConfig settings, find_connector(config, options.name));
  SystemClock clock;
  Metrics metrics;
  TRY_ASSIGN(auto connector, forward::Connector::create(settings, {}, clock, metrics));
  const auto answer = connector->test_connection();
  if (!answer) {
    fmt::print(stderr, "{}: {}\n", options.name, answer.error().message);
    return exit_finding;
  }
  fmt::print("{}: {}\n", options.name, *answer);
  return exit_ok;
}

/// Commit number that a bound means: itself, or the first commit at or after a time.
Result<std::uint64_t> resolve_bound(const store::Reader& reader, const std::string& text, bool upper) {
  std::uint64_t number = 0;
  if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      error == std::errc() && end == text.data() + text.size())
    return std::min(number, reader.last_commit());
  const auto time = parse_rfc3339(text);
  if (!time) return fail(Code::invalid_argument, "'" + text + "' is neither a commit number nor an RFC 3339 time");
  std::uint64_t low = 1, high = reader.last_commit() + 1;  // commit times never run back
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const CommitPtr commit, reader.commit(middle, false));
    if (commit->time_ns < *time + (upper ? 1 : 0)) low = middle + 1;
    else high = middle;
  }
  return upper ? low - 1 : low;
}

/// What the policy in force before this commit samples.
Result<Sampling> sampling_before(const store::Reader& reader, std::uint64_t commit) {
  Sampling found;
  for (const store::LogInfo& log : reader.logs())
    if (log.name == "control")
      TRY(reader.scan(log.id, 0, reader.size(log.id), true, [](const store::BlockSummary&) { return true; },
                      [&](const store::StoredRecord& stored) {
                        if (stored.commit >= commit) return false;
                        if (auto sampling = Sampling::of_record(stored.record.value)) found = std::move(*sampling);
                        return true;
                      }));
  return found;
}

Result<int> send_again(const RedeliverOptions& options) {
  TRY_ASSIGN(const Config config, load_config(options.config));
  TRY_ASSIGN(forward::ConnectorConfig settings, find_connector(config, options.name));
  settings.redelivery = true;
  TRY_ASSIGN(auto reader, store::Reader::open(config.store.directory));
  TRY_ASSIGN(const std::uint64_t from, resolve_bound(*reader, options.from, false));
  TRY_ASSIGN(const std::uint64_t to, resolve_bound(*reader, options.to, true));
  SystemClock clock;
  Metrics metrics;
  TRY_ASSIGN(auto connector, forward::Connector::create(settings, log_names(*reader), clock, metrics));
  store::PublishedHeads heads(config.store.directory, config.store.head_file);
  TRY_ASSIGN(const Sampling sampling, sampling_before(*reader, from));
  connector->start_at(std::max<std::uint64_t>(from, 1), sampling);
  while (connector->next_commit() <= to || !connector->drained()) {
    while (connector->wants_more() && connector->next_commit() <= to) {
      TRY_ASSIGN(CommitPtr commit, reader->commit(connector->next_commit(), connector->needs_bodies()));
      const bool head_is_public = commit->head.empty() || heads.holds(commit->head);
      connector->offer(std::move(commit), head_is_public);
    }
    const std::int64_t again_ns = connector->step().call_again_ns;
    const forward::Status status = connector->status();
    if (status.state == forward::Status::State::parked)
      return fail(Code::permission, "the receiver refuses: " + status.reason);
    // Between two attempts, and while acknowledgements are awaited.
    const std::int64_t wait_ms = std::clamp<std::int64_t>((again_ns - clock.now_ns()) / 1'000'000, 0, 50);
    if (wait_ms > 0 && !connector->drained()) std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
  }
  const forward::Status status = connector->status();
  if (options.json)
    fmt::print("{}\n", nlohmann::json{{"from_commit", from}, {"to_commit", to}, {"redelivered", status.redelivered},
                                      {"dead_lettered", status.dead_lettered}, {"sampled_out", status.sampled_out}}.dump());
  else
    fmt::print("commits {} to {}: {} items sent again, {} refused\n", from, to, status.redelivered, status.dead_lettered);
  return status.dead_lettered == 0 ? exit_ok : exit_finding;
}

int finish(const Result<int>& result, bool json) { return result ? *result : report_error(result.error(), json); }

}  // namespace

int command_connectors(const ConnectorsOptions& options) { return finish(list_connectors(options), options.json); }
int command_test_connector(const TestConnectorOptions& options) { return finish(try_connector(options), false); }
int command_redeliver(const RedeliverOptions& options) { return finish(send_again(options), options.json); }

}  // namespace tidewaiter::app
