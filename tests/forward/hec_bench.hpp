// Bench: a connector before a HEC receiver of its own, with what a store would keep for it. For the tests of connectors.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/hec_receiver.hpp"
#include "forward/connector.hpp"
#include "tests/forward/commits.hpp"

namespace tidewaiter::forward::test {

inline constexpr const char* token = "11111111-2222-3333-4444-555555555555";

struct Bench {
  SystemClock clock;
  Metrics metrics;
  std::unique_ptr<app::HecReceiver> receiver;
  ConnectorConfig config;
  std::unique_ptr<Connector> connector;
  std::map<std::string, std::uint64_t> counts;  // as the store would keep them
  std::string cursor;
  std::vector<std::string> receipts;
  std::function<CommitPtr(std::uint64_t, std::size_t, std::size_t)> commit_of =
      [](std::uint64_t number, std::size_t events, std::size_t alerts) { return make_commit(number, events, alerts); };

  explicit Bench(app::HecIndexerOptions options = {}) {
    setenv("TIDEWAITER_TEST_HEC_TOKEN", token, 1);
    options.token = token;
    auto started = app::HecReceiver::start({options, "127.0.0.1", 0});
    EXPECT_TRUE(started.has_value());
    receiver = std::move(*started);
    config.name = "splunk";
    config.type = "splunk_hec";
    config.select_events = "all";
    config.batch_items_max = 20;
    config.seed = 5;
    config.settings = {{"url", receiver->url()},     {"token_env", "TIDEWAITER_TEST_HEC_TOKEN"},
                       {"ack", options.ack ? "true" : "false"}, {"ack_poll_ms", "10"},
                       {"ack_timeout_ms", "400"},    {"retry_base_ms", "2"},
                       {"retry_cap_ms", "20"},       {"probe_interval_ms", "20"},
                       {"request_timeout_ms", "2000"}};
  }

  void make() {
    auto made = Connector::create(config, log_names(), clock, metrics);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    connector = std::move(*made);
    if (cursor.empty()) return;
    ASSERT_TRUE(connector->restore(cursor, counts).has_value());
  }

  void apply(StepResult result) {
    for (const auto& [name, by] : result.counts) counts[name] += by;
    if (result.cursor) cursor = result.cursor->value;
    for (OwnRecord& receipt : result.receipts) receipts.push_back(std::move(receipt.body));
  }

  // Steps until everything up to `commits` is settled. False when it takes more than `seconds`.
  bool drain(std::uint64_t commits, std::size_t events, std::size_t alerts, int seconds = 20) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (std::chrono::steady_clock::now() < end) {
      while (connector->wants_more() && connector->next_commit() <= commits)
        connector->offer(commit_of(connector->next_commit(), events, alerts));
      StepResult result = connector->step();
      const std::int64_t again_ns = result.call_again_ns;
      apply(std::move(result));
      const Status status = connector->status();
      const std::uint64_t done = config.redelivery ? status.redelivered : status.delivered;
      EXPECT_EQ(status.offered, done + status.pending + status.dead_lettered + status.expired);
      if (connector->drained() && connector->next_commit() > commits) return true;
      if (again_ns > clock.now_ns()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  std::uint64_t count(const char* what) const {
    const auto it = counts.find("splunk/" + std::string(what));
    return it == counts.end() ? 0 : it->second;
  }
};

}  // namespace tidewaiter::forward::test
