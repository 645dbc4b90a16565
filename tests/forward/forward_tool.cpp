// forward_tool: a connector outside the service, for the tests that need a real receiver. Reads its configuration as
// JSON from a file, follows `commits` made-up commits, and keeps its cursor and its counters in a state file that it
// replaces after every step, as the store does; so it can be killed and started again at any moment.
//
//   forward_tool CONFIG.json STATE.json    run until everything is settled: exit 0; after `seconds`: exit 3
//   forward_tool CONFIG.json --test        test_connection(): exit 0 or 1, the sentence on stdout
//   forward_tool CONFIG.json --uids        the uids that the receiver must have in the end, one a line
//
// CONFIG: {"type","name","select_alerts","select_events","settings":{...},"batch_items_max","commits","events","alerts",
//          "seconds","extra","redeliver":[from,to]}
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/log_line.hpp"
#include "forward/connector.hpp"
#include "forward/format.hpp"
#include "forward/selection.hpp"
#include "tests/forward/commits.hpp"

namespace tidewaiter::forward {
namespace {

using nlohmann::json;

struct Setup {
  ConnectorConfig connector;
  std::uint64_t first = 1, commits = 1;
  std::size_t events = 0, alerts = 0;
  int seconds = 30;
  std::string extra;
};

Setup read_setup(const json& in) {
  Setup out;
  out.connector.name = in.value("name", "tool");
  out.connector.type = in.at("type");
  out.connector.select_alerts = in.value("select_alerts", "all");
  out.connector.select_events = in.value("select_events", "all");
  out.connector.batch_items_max = in.value("batch_items_max", 50u);
  for (const auto& [key, value] : in.at("settings").items()) out.connector.settings[key] = value;
  out.commits = in.value("commits", 1u);
  out.events = in.value("events", 10u);
  out.alerts = in.value("alerts", 0u);
  out.seconds = in.value("seconds", 30);
  out.extra = in.value("extra", "");
  if (in.contains("redeliver")) {
    out.connector.redelivery = true;
    out.first = in["redeliver"][0];
    out.commits = in["redeliver"][1];
  }
  return out;
}

CommitPtr commit_of(const Setup& setup, std::uint64_t number) {
  return test::make_commit(number, setup.events, setup.alerts, setup.extra);
}

// Replaced by rename: a kill leaves the old state or the new one.
void write_state(const std::string& path, const json& state) {
  const std::string next = path + ".next";
  std::ofstream(next) << state.dump();
  std::rename(next.c_str(), path.c_str());
}

json read_state(const std::string& path) {
  std::ifstream in(path);
  json state = in ? json::parse(in, nullptr, false) : json();
  return state.is_object() ? state : json{{"cursor", ""}, {"counts", json::object()}, {"receipts", json::array()}};
}

void apply(StepResult result, json& state, const std::string& path) {
  for (const auto& [name, by] : result.counts) state["counts"][name] = state["counts"].value(name, 0u) + by;
  for (const OwnRecord& receipt : result.receipts) state["receipts"].push_back(json::parse(receipt.body));
  if (result.cursor) state["cursor"] = result.cursor->value;
  if (result.cursor || !result.receipts.empty()) write_state(path, state);
}

int run(const Setup& setup, Connector& connector, const std::string& path, const Clock& clock) {
  json state = read_state(path);
  if (setup.connector.redelivery) {
    connector.start_at(setup.first, {});
  } else if (const std::string cursor = state["cursor"]; !cursor.empty()) {
    if (const auto restored = connector.restore(cursor, state["counts"]); !restored) {
      std::cerr << restored.error().message << "\n";
      return 2;
    }
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(setup.seconds);
  while (std::chrono::steady_clock::now() < end) {
    while (connector.wants_more() && connector.next_commit() <= setup.commits)
      connector.offer(commit_of(setup, connector.next_commit()));
    StepResult result = connector.step();
    const std::int64_t again_ns = result.call_again_ns;
    apply(std::move(result), state, path);
    const Status s = connector.status();
    const std::uint64_t done = setup.connector.redelivery ? s.redelivered : s.delivered;
    if (s.offered != done + s.pending + s.dead_lettered + s.expired) return 4;
    if (connector.drained() && connector.next_commit() > setup.commits) break;
    if (again_ns > clock.now_ns()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (auto rest = connector.take_rest()) apply(std::move(*rest), state, path);
  const Status s = connector.status();
  std::cout << json{{"state", state_name(s.state)}, {"reason", s.reason}, {"offered", s.offered},
                    {"delivered", s.delivered}, {"pending", s.pending}, {"dead_lettered", s.dead_lettered},
                    {"redelivered", s.redelivered}, {"retries", s.retries}}
                   .dump()
            << "\n";
  return connector.drained() && connector.next_commit() > setup.commits ? 0 : 3;
}

int list_uids(const Setup& setup) {
  const auto selection = Selection::compile(setup.connector.select_alerts, setup.connector.select_events, 0);
  if (!selection) return 2;
  for (std::uint64_t number = setup.first; number <= setup.commits; ++number) {
    const CommitPtr commit = commit_of(setup, number);
    std::vector<Envelope> envelopes;
    Place place{number, 0, 0};
    LeftOut left_out;
    selection->take(*commit, test::log_names(), setup.connector.select_checkpoints, {}, place, SIZE_MAX, envelopes, left_out);
    for (const Envelope& envelope : envelopes) std::cout << item_uid(envelope) << "\n";
  }
  return 0;
}

int run_main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: forward_tool CONFIG.json STATE.json | --test | --uids\n";
    return 2;
  }
  std::ifstream in(argv[1]);
  const Setup setup = read_setup(json::parse(in));
  if (std::string(argv[2]) == "--uids") return list_uids(setup);
  SystemClock clock;
  Metrics metrics;
  auto connector = Connector::create(setup.connector, test::log_names(), clock, metrics);
  if (!connector) {
    std::cerr << connector.error().message << "\n";
    return 2;
  }
  if (std::string(argv[2]) != "--test") return run(setup, **connector, argv[2], clock);
  const auto answer = (*connector)->test_connection();
  std::cout << (answer ? *answer : answer.error().message) << "\n";
  return answer ? 0 : 1;
}

}  // namespace
}  // namespace tidewaiter::forward

int main(int argc, char** argv) { return tidewaiter::forward::run_main(argc, argv); }
