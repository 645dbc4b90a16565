#include "app/command_replay.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/detect_stage.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {
namespace {

struct Outcome {
  std::uint64_t from_commit = 0, to_commit = 0;
  std::uint64_t replayed = 0, stored = 0;
  std::map<std::string, std::uint64_t> by_detector;
  std::string difference;  // empty = none
};

std::string detector_of(std::string_view body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  return json.is_object() ? json.value("detector", std::string("unknown")) : std::string("unknown");
}

/// Alert bodies that the live service stored, in order, after the first `skip`.
Result<std::vector<std::string>> stored_alerts(const store::Reader& reader, std::uint64_t skip, std::uint64_t count) {
  std::vector<std::string> bodies;
  const auto log = std::find_if(reader.logs().begin(), reader.logs().end(),
                                [](const store::LogInfo& l) { return l.name == "alerts"; });
  if (log == reader.logs().end()) return bodies;
  TRY(reader.scan(log->id, skip, std::min(skip + count, reader.size(log->id)), true, nullptr,
                  [&](const store::StoredRecord& record) {
                    bodies.emplace_back(record.record.value);
                    return true;
                  }));
  return bodies;
}

void compare(const std::vector<std::string>& replayed, const std::vector<std::string>& stored, Outcome& outcome) {
  for (std::size_t i = 0; i < std::max(replayed.size(), stored.size()); ++i) {
    const std::string none = "(none)";
    const std::string& a = i < stored.size() ? stored[i] : none;
    const std::string& b = i < replayed.size() ? replayed[i] : none;
    if (a == b) continue;
    outcome.difference = fmt::format("alert {}:\n  stored:   {}\n  replayed: {}", i, a, b);
    return;
  }
}

/// The newest snapshot of the first half of the log, else of the first three quarters, else the oldest that is kept.
Result<std::pair<std::uint64_t, std::string>> middle_snapshot(const store::Reader& reader, std::uint64_t end) {
  for (const std::uint64_t limit : {end / 2, end / 4 * 3})
    if (auto found = reader.snapshot(std::string(detect_snapshot_name), limit)) return found;
  auto oldest = reader.snapshot(std::string(detect_snapshot_name), end - 1);
  while (oldest && oldest->first > 0) {
    auto older = reader.snapshot(std::string(detect_snapshot_name), oldest->first - 1);
    if (!older) break;
    oldest = std::move(older);
  }
  return oldest;
}

Result<Outcome> replay(const ReplayOptions& options) {
  TRY_ASSIGN(auto reader, store::Reader::open(options.store));
  detect::EngineConfig config;
  if (auto text = reader->cursor(detect_config_cursor)) {
    TRY_ASSIGN(config, decode_detect_config(*text));
  }
  for (const store::LogInfo& log : reader->logs()) config.log_names[log.id] = log.name;
  TRY_ASSIGN(const std::string cursor_text, reader->cursor(std::string(detect_cursor_name)));
  TRY_ASSIGN(const DetectCursor end, DetectCursor::decode(cursor_text));
  Metrics metrics;
  TRY_ASSIGN(auto engine, detect::Engine::create(config, metrics));
  DetectCursor begin;
  if (options.from_snapshot) {
    TRY_ASSIGN(const auto snapshot, middle_snapshot(*reader, end.commit));
    const std::size_t prefix = DetectCursor().encode().size();
    TRY_ASSIGN(begin, DetectCursor::decode(std::string_view(snapshot.second).substr(0, prefix)));
    TRY(engine->restore(std::string_view(snapshot.second).substr(prefix)));
  }
  Outcome outcome;
  outcome.from_commit = begin.commit + 1;
  outcome.to_commit = end.commit;
  std::vector<std::string> bodies;
  std::vector<OwnRecord> alerts;
  for (std::uint64_t number = begin.commit + 1; number <= end.commit; ++number) {
    TRY_ASSIGN(const CommitPtr commit, reader->commit(number, false));
    engine->process(*commit, alerts);
    for (OwnRecord& alert : alerts) {
      ++outcome.by_detector[detector_of(alert.body)];
      bodies.push_back(std::move(alert.body));
    }
    alerts.clear();
  }
  TRY_ASSIGN(const auto stored, stored_alerts(*reader, begin.alerts, end.alerts - begin.alerts));
  outcome.replayed = bodies.size();
  outcome.stored = stored.size();
  compare(bodies, stored, outcome);
  return outcome;
}

}  // namespace

std::string encode_detect_config(const detect::EngineConfig& c) {
  nlohmann::json json{{"memory_bytes", c.memory_bytes},
                      {"alerts_per_day_max", c.budget.per_day},
                      {"alerts_per_day_max_per_tenant", c.budget.per_tenant_and_day},
                      {"alerts_per_day_max_per_severity", c.budget.per_severity_and_day},
                      {"out_of_order_ns", c.out_of_order_ns},
                      {"approval_grace_ns", c.approval_grace_ns},
                      {"attestation_grace_ns", c.attestation_grace_ns},
                      {"false_alerts_per_day", c.false_alerts_per_day},
                      {"volume_min_bytes", c.volume_min_bytes}};
  for (const auto& [name, on] : detect::detector_switches) json[std::string(name)] = c.*on;
  return json.dump();
}

Result<detect::EngineConfig> decode_detect_config(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::corruption, "the stored settings of detection are not readable");
  detect::EngineConfig c;
  c.memory_bytes = json.value("memory_bytes", c.memory_bytes);
  c.budget.per_day = json.value("alerts_per_day_max", c.budget.per_day);
  c.budget.per_tenant_and_day = json.value("alerts_per_day_max_per_tenant", c.budget.per_tenant_and_day);
  c.budget.per_severity_and_day = json.value("alerts_per_day_max_per_severity", c.budget.per_severity_and_day);
  c.out_of_order_ns = json.value("out_of_order_ns", c.out_of_order_ns);
  c.approval_grace_ns = json.value("approval_grace_ns", c.approval_grace_ns);
  c.attestation_grace_ns = json.value("attestation_grace_ns", c.attestation_grace_ns);
  c.false_alerts_per_day = json.value("false_alerts_per_day", c.false_alerts_per_day);
  c.volume_min_bytes = json.value("volume_min_bytes", c.volume_min_bytes);
  // What a store does not name did not exist when it was scored.
  for (const auto& [name, on] : detect::detector_switches) c.*on = json.value(std::string(name), false);
  return c;
}

int command_replay(const ReplayOptions& options) {
  const auto result = replay(options);
  if (!result) {
    fmt::print(stderr, "tidewaiter replay: {}\n", result.error().message);
    return 3;
  }
  const bool equal = result->difference.empty();
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"equal", equal},
                                      {"from_commit", result->from_commit},
                                      {"to_commit", result->to_commit},
                                      {"stored", result->stored},
                                      {"replayed", result->replayed},
                                      {"by_detector", result->by_detector},
                                      {"difference", result->difference}}
                           .dump());
    return equal ? 0 : 1;
  }
  fmt::print("commits {} to {}: {} alerts stored, {} replayed\n", result->from_commit, result->to_commit,
             result->stored, result->replayed);
  for (const auto& [detector, count] : result->by_detector) fmt::print("  {:<10} {}\n", detector, count);
  if (equal)
    fmt::print("equal: every alert body is the one that the live service wrote\n");
  else
    fmt::print("DIFFERENT at {}\n", result->difference);
  return equal ? 0 : 1;
}

}  // namespace tidewaiter::app
