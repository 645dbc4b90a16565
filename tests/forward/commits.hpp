// Commits for the tests of forward/: a stream of records with events and alerts whose contents follow from a seed.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::forward::test {

inline const std::vector<std::string>& log_names() {
  static const std::vector<std::string> names{"agent-high", "alerts"};
  return names;
}

/// Commit `number` with `events` events and `alerts` alerts; the same arguments give the same commit.
inline CommitPtr make_commit(std::uint64_t number, std::size_t events, std::size_t alerts,
                             std::string_view extra = {}) {
  auto commit = std::make_shared<Commit>();
  auto strings = std::make_shared<std::deque<std::string>>();
  const auto keep = [&](std::string text) -> std::string_view { return strings->emplace_back(std::move(text)); };
  TopicId topic{};
  topic[0] = 7;
  const Origin* origin = intern_origin("cluster", topic, "audit");
  commit->number = number;
  commit->time_ns = 1'764'000'000'000'000'000 + static_cast<std::int64_t>(number) * 1'000'000;
  for (std::size_t i = 0; i < events; ++i) {
    Record& record = commit->records.emplace_back();
    record.kind = RecordKind::event;
    record.origin = origin;
    record.partition = 1;
    record.offset = number * 1000 + i;
    record.seq = number * 1000 + i;
    record.receive_time_ns = commit->time_ns;
    record.first_event = static_cast<std::uint32_t>(commit->events.size());
    record.event_count = 1;
    Event& event = commit->events.emplace_back();
    event.record = static_cast<std::uint32_t>(commit->records.size() - 1);
    event.set(Num::time, static_cast<std::uint64_t>(commit->time_ns - 123'456'789));
    event.set(Str::principal, keep("agent-" + std::to_string(i % 10) + std::string(extra)));
    event.set(Str::app, "crm");
    event.set(Str::dst_host, "files.example");
    event.set(Num::family, static_cast<std::uint64_t>(Family::agent));
    event.set(Num::action, 8);  // send
    event.set(Num::bytes_out, 1000 + i);
    event.set(Num::risk_tier, static_cast<std::uint64_t>(i % 2 == 0 ? RiskTier::high : RiskTier::low));
  }
  for (std::size_t i = 0; i < alerts; ++i) {
    Record& record = commit->records.emplace_back();
    record.kind = RecordKind::alert;
    record.log = 1;
    record.seq = number * 100 + i;
    record.receive_time_ns = commit->time_ns;
    const std::string uid = to_hex(as_view(sha256("alert" + std::to_string(record.seq))));
    record.value = keep("{\"uid\":\"" + uid +
                        "\",\"revision\":1,\"kind\":\"alert\",\"detector\":\"policy\",\"rule\":\"no-pii-outside\","
                        "\"severity\":\"high\",\"title\":\"App crm sent pii to files.example\","
                        "\"entity\":{\"type\":\"app\",\"id\":\"crm\",\"tenant\":\"acme\"},"
                        "\"window\":{\"start\":\"2026-03-04T05:00:00Z\",\"end\":\"2026-03-04T06:00:00Z\"},"
                        "\"time\":\"2026-03-04T05:06:07.891Z\",\"explanation\":{\"observed\":5,\"expected\":0},"
                        "\"evidence\":[{\"log\":\"agent-high\",\"seq\":1,\"sub\":0,\"uid\":\"ab\"}]}" +
                        std::string(64, '\0'));
    record.value = record.value.substr(0, record.value.size() - 64);
    record.first_event = static_cast<std::uint32_t>(commit->events.size());
    record.event_count = 1;
    Event& event = commit->events.emplace_back();
    event.set(Num::severity, static_cast<std::uint64_t>(Severity::high));
    event.set(Str::rule, "no-pii-outside");
  }
  commit->owners.push_back(strings);
  return commit;
}

/// A coverage record alone, with a head of control over it that names `size`.
inline CommitPtr make_coverage(std::uint64_t number, std::uint64_t size) {
  auto commit = std::make_shared<Commit>();
  commit->number = number;
  commit->time_ns = 1'764'000'000'000'000'000 + static_cast<std::int64_t>(number) * 1'000'000;
  Record& record = commit->records.emplace_back();
  record.kind = RecordKind::control;
  record.seq = size - 1;
  record.receive_time_ns = commit->time_ns;
  commit->head = "tidewaiter.local/0123/1/control\n" + std::to_string(size) +
                 "\nMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n\n\u2014 tidewaiter.local/0123/1/control c2ln\n";
  return commit;
}

/// A policy with this section `sampling` comes into force.
inline CommitPtr make_policy(std::uint64_t number, std::string_view sampling) {
  auto commit = std::make_shared<Commit>();
  auto text = std::make_shared<std::string>("{\"type\":\"policy\",\"hash\":\"00\",\"content\":{\"version\":1,\"sampling\":" +
                                            std::string(sampling) + "}}");
  commit->number = number;
  commit->time_ns = 1'764'000'000'000'000'000 + static_cast<std::int64_t>(number) * 1'000'000;
  Record& record = commit->records.emplace_back();
  record.kind = RecordKind::control;
  record.value = *text;
  commit->owners.push_back(text);
  return commit;
}

/// Records of one kind of our own.
inline CommitPtr make_own(std::uint64_t number, RecordKind kind) {
  auto commit = std::make_shared<Commit>();
  commit->number = number;
  commit->time_ns = 1'764'000'000'000'000'000 + static_cast<std::int64_t>(number) * 1'000'000;
  commit->records.emplace_back().kind = kind;
  return commit;
}

}  // namespace tidewaiter::forward::test
