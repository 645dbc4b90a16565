// Connectors against the HEC receiver, well-behaved and not: what is offered arrives at least once under one uid, the
// counters balance at every step, and a restart from any cursor skips nothing.
#include "forward/connector.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "forward/cursor.hpp"
#include "forward/format.hpp"
#include "forward/selection.hpp"
#include "tests/forward/hec_bench.hpp"

namespace tidewaiter::forward {
namespace {

using test::Bench;
using test::log_names;
using test::make_commit;
using test::token;

TEST(Connector, everything_selected_arrives_once_at_a_receiver_that_behaves) {
  Bench bench;
  bench.make();
  ASSERT_TRUE(bench.drain(10, 30, 2));
  const auto totals = bench.receiver->indexer().totals();
  EXPECT_EQ(totals.events, 320u);
  EXPECT_EQ(totals.unique, 320u);
  EXPECT_EQ(bench.receiver->indexer().counts("tidewaiter:alert").size(), 20u);
  EXPECT_EQ(bench.count("offered"), 320u);
  EXPECT_EQ(bench.count("delivered"), 320u);
}

TEST(Connector, selections_are_kept_apart_for_alerts_and_events) {
  Bench bench;
  bench.config.select_events = "risk_tier == high";
  bench.config.select_alerts = "rule == something-else";
  bench.make();
  ASSERT_TRUE(bench.drain(4, 10, 3));
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 20u);
  EXPECT_TRUE(bench.receiver->indexer().counts("tidewaiter:alert").empty());
}

/// A connector that wants checkpoints alone, fed with what is given.
struct CheckpointBench : Bench {
  CheckpointBench() {
    config.select_alerts = config.select_events = "off";
    config.select_checkpoints = true;
    make();
  }
  void settle(const std::vector<std::pair<CommitPtr, bool>>& commits) {
    for (const auto& [commit, head_is_public] : commits) {
      while (!connector->wants_more()) apply(connector->step());
      connector->offer(commit, head_is_public);
      while (!connector->drained()) apply(connector->step());
    }
    if (auto last = connector->take_rest()) apply(std::move(*last));
  }
  std::uint64_t items() const { return receiver->indexer().totals().unique; }
};

TEST(Connector, a_checkpoint_is_an_item_when_there_is_more_under_it_than_receipts) {
  CheckpointBench bench;
  bench.settle({{test::make_coverage(1, 10), true}});
  EXPECT_EQ(bench.items(), 1u) << "what was there before the start is not known to be covered";
  bench.settle({{test::make_own(2, RecordKind::receipt), true}, {test::make_coverage(3, 11), true},
                {test::make_own(4, RecordKind::control), true}, {test::make_coverage(5, 13), true}});
  EXPECT_EQ(bench.items(), 1u) << "its own receipt is no news";
  bench.settle({{make_commit(6, 3, 0), true}, {test::make_coverage(7, 14), true}, {test::make_coverage(8, 15), true}});
  EXPECT_EQ(bench.items(), 2u);
  bench.settle({{test::make_own(9, RecordKind::access), true}, {test::make_coverage(10, 16), true}});
  EXPECT_EQ(bench.items(), 3u);
  EXPECT_EQ(bench.counts["splunk/delivered"], 3u);
  EXPECT_EQ(bench.receiver->indexer().counts("tidewaiter:checkpoint").size(), 3u);
}

TEST(Connector, a_checkpoint_that_is_not_public_is_passed_over_and_the_next_one_stands_for_it) {
  CheckpointBench bench;
  bench.settle({{make_commit(1, 3, 0), true}, {test::make_coverage(2, 10), false}});
  EXPECT_EQ(bench.items(), 0u);
  bench.settle({{test::make_coverage(3, 11), true}});
  EXPECT_EQ(bench.items(), 1u);
}

TEST(Connector, a_checkpoint_that_was_not_confirmed_before_a_restart_comes_again_under_its_uid) {
  CheckpointBench bench;
  bench.settle({{test::make_coverage(1, 10), true}});
  app::HecFaults lose;
  lose.lose_answer = 100;
  bench.receiver->indexer().set_faults(lose);
  bench.connector->offer(make_commit(2, 3, 0));
  bench.apply(bench.connector->step());
  bench.connector->offer(test::make_coverage(3, 11));
  bench.apply(bench.connector->step());
  EXPECT_EQ(bench.connector->status().pending, 1u);
  if (auto last = bench.connector->take_rest()) bench.apply(std::move(*last));
  bench.receiver->indexer().set_faults({});
  bench.make();
  ASSERT_EQ(bench.connector->next_commit(), 3u) << "it is not passed before it is confirmed";
  bench.settle({{test::make_coverage(3, 11), true}});
  EXPECT_EQ(bench.items(), 2u) << "one uid, however often it came";
  EXPECT_EQ(bench.connector->status().delivered, 2u);
}

TEST(Connector, one_receipt_stands_for_each_confirmed_batch) {
  Bench bench;
  bench.make();
  ASSERT_TRUE(bench.drain(1, 40, 0));
  ASSERT_EQ(bench.receipts.size(), 2u);
  const auto receipt = nlohmann::json::parse(bench.receipts[0]);
  EXPECT_EQ(receipt["outcome"], "delivered");
  EXPECT_EQ(receipt["count"], 20);
  EXPECT_EQ(receipt["status"], 200);
  EXPECT_EQ(receipt["first"]["seq"], 1000);
  EXPECT_EQ(receipt["last"]["seq"], 1019);
}

TEST(Connector, acknowledged_delivery_waits_for_the_acknowledgement) {
  app::HecIndexerOptions options;
  options.ack = true;
  options.ack_delay_ms = 100;
  Bench bench(options);
  bench.make();
  bench.connector->offer(make_commit(1, 5, 0));
  bench.apply(bench.connector->step());
  EXPECT_EQ(bench.connector->status().delivered, 0u) << "a 200 is no acknowledgement";
  ASSERT_TRUE(bench.drain(1, 5, 0));
  EXPECT_EQ(bench.connector->status().delivered, 5u);
  EXPECT_EQ(bench.receiver->indexer().totals().events, 5u);
  EXPECT_NE(bench.receipts.at(0).find("\"ack\""), std::string::npos);
}

void survive(app::HecFaults faults, bool ack, const char* what) {
  SCOPED_TRACE(what);
  app::HecIndexerOptions options;
  options.ack = ack;
  options.ack_delay_ms = 5;
  Bench bench(options);
  bench.receiver->indexer().set_faults(faults);
  bench.make();
  ASSERT_TRUE(bench.drain(20, 20, 1, 60));
  const auto totals = bench.receiver->indexer().totals();
  EXPECT_EQ(totals.unique, 420u);
  EXPECT_EQ(bench.count("delivered"), 420u);
  EXPECT_EQ(bench.count("dead_lettered"), 0u);
}

TEST(Connector, nothing_is_lost_when_answers_are_lost) { survive({.lose_answer = 40}, false, "lost answers"); }
TEST(Connector, nothing_is_lost_when_connections_close_early) { survive({.close_early = 40}, false, "closed early"); }
TEST(Connector, nothing_is_lost_when_the_server_is_busy) { survive({.busy = 50}, false, "code 9"); }
TEST(Connector, nothing_is_lost_behind_a_front_that_answers_503) { survive({.unavailable = 50}, false, "503"); }
TEST(Connector, nothing_is_lost_when_the_token_is_refused_now_and_then) {
  survive({.refuse_token = 30}, false, "refused token");
}
TEST(Connector, nothing_is_lost_when_acknowledgements_are_lost) { survive({.lose_ack = 40}, true, "lost acks"); }
TEST(Connector, nothing_is_lost_when_acknowledged_batches_are_dropped) { survive({.drop_batch = 20}, true, "dropped"); }
TEST(Connector, nothing_is_lost_when_channels_are_reset) { survive({.reset_channel = 20}, true, "reset"); }
TEST(Connector, nothing_is_lost_when_everything_goes_wrong_at_once) {
  survive({.lose_answer = 10, .close_early = 10, .busy = 10, .unavailable = 5, .lose_ack = 10, .drop_batch = 5,
           .reset_channel = 5, .refuse_token = 5},
          true, "all");
}

TEST(Connector, a_wish_to_wait_of_the_receiver_is_honoured) {
  Bench bench;
  bench.receiver->indexer().set_faults({.rate_limited = 100});
  bench.make();
  bench.connector->offer(make_commit(1, 5, 0));
  const std::int64_t before = bench.clock.now_ns();
  const StepResult result = bench.connector->step();
  EXPECT_GE(result.call_again_ns, before + 1'000'000'000);
  EXPECT_EQ(bench.connector->status().state, Status::State::retrying);
}

TEST(Connector, one_poison_item_in_a_thousand_is_quarantined_and_the_others_arrive) {
  app::HecIndexerOptions options;
  options.poison = "\"bytes_out\":1617";
  Bench bench(options);
  bench.config.batch_items_max = 1000;
  bench.make();
  ASSERT_TRUE(bench.drain(1, 1000, 0));
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 999u);
  EXPECT_EQ(bench.count("dead_lettered"), 1u);
  EXPECT_EQ(bench.count("delivered"), 999u);
  std::size_t dead = 0;
  for (const std::string& text : bench.receipts) {
    const auto receipt = nlohmann::json::parse(text);
    if (receipt["outcome"] != "dead_lettered") continue;
    ++dead;
    EXPECT_EQ(receipt["first"]["seq"], 1617);
    EXPECT_EQ(receipt["code"], "6");
    EXPECT_NE(receipt["excerpt"].get<std::string>().find("1617"), std::string::npos);
  }
  EXPECT_EQ(dead, 1u);
}

TEST(Connector, a_revoked_token_parks_the_sink_and_a_restored_one_lets_it_go_on) {
  Bench bench;
  bench.receiver->indexer().set_faults({.refuse_token = 100});
  bench.make();
  EXPECT_FALSE(bench.drain(3, 10, 0, 1));
  EXPECT_EQ(bench.connector->status().state, Status::State::parked);
  EXPECT_NE(bench.connector->status().reason.find("code 4"), std::string::npos);
  EXPECT_EQ(bench.connector->status().dead_lettered, 0u);
  bench.receiver->indexer().set_faults({});
  ASSERT_TRUE(bench.drain(3, 10, 0));
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 30u);
}

TEST(Connector, an_index_that_is_not_allowed_parks_the_sink_instead_of_emptying_the_store_into_dead_letters) {
  app::HecIndexerOptions options;
  options.indexes = {"main"};
  Bench bench(options);
  bench.config.settings["index"] = "secret";
  bench.make();
  EXPECT_FALSE(bench.drain(1, 10, 0, 1));
  EXPECT_EQ(bench.connector->status().state, Status::State::parked);
  EXPECT_EQ(bench.connector->status().dead_lettered, 0u);
}

TEST(Connector, a_token_without_acknowledgement_parks_a_connector_that_wants_it) {
  Bench bench;
  bench.config.settings["ack"] = "true";
  bench.make();
  EXPECT_FALSE(bench.drain(1, 10, 0, 1));
  EXPECT_EQ(bench.connector->status().state, Status::State::parked);
  EXPECT_NE(bench.connector->status().reason.find("ack: false"), std::string::npos);
}

TEST(Connector, a_restart_at_any_moment_skips_nothing_and_keeps_every_id) {
  app::HecIndexerOptions options;
  options.ack = true;
  options.ack_delay_ms = 3;
  Bench bench(options);
  std::mt19937_64 random(9);
  for (int restart = 0; restart < 25; ++restart) {
    bench.make();  // from the last cursor that the store has; all else is forgotten, as after a kill
    const std::uint64_t steps = random() % 12;
    for (std::uint64_t i = 0; i < steps; ++i) {
      while (bench.connector->wants_more() && bench.connector->next_commit() <= 30)
        bench.connector->offer(make_commit(bench.connector->next_commit(), 15, 1));
      bench.apply(bench.connector->step());
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 5));
    }
  }
  bench.make();
  ASSERT_TRUE(bench.drain(30, 15, 1));
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 480u);
  EXPECT_EQ(bench.count("delivered"), 480u) << "counters move with the cursor alone";
  EXPECT_EQ(bench.count("offered"), 480u);
}

TEST(Connector, a_restart_with_another_selection_skips_nothing_it_selects) {
  Bench bench;
  bench.config.pending_items_max = bench.config.batch_items_max;
  bench.make();
  bench.connector->offer(make_commit(1, 100, 0));
  bench.apply(bench.connector->step());
  ASSERT_FALSE(bench.cursor.empty());
  const auto stored = read_cursor(bench.cursor, "splunk");
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->place.commit, 1u);
  EXPECT_EQ(stored->place.record, 20u);
  bench.config.select_events = "risk_tier == low";
  bench.make();
  ASSERT_TRUE(bench.drain(1, 100, 0));
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 20u + 40u);
}

TEST(Connector, memory_is_bounded_however_large_a_commit_is) {
  Bench bench;
  bench.config.pending_items_max = 50;
  bench.receiver->stop();
  bench.make();
  bench.connector->offer(make_commit(1, 10'000, 0));
  bench.connector->step();
  EXPECT_LE(bench.connector->status().pending, 50u);
  EXPECT_FALSE(bench.connector->wants_more());
}

TEST(Connector, a_receiver_that_is_away_costs_nothing_but_lag) {
  Bench bench;
  const int port = bench.receiver->port();
  bench.receiver->stop();
  bench.make();
  EXPECT_FALSE(bench.drain(5, 20, 1, 1));
  EXPECT_EQ(bench.connector->status().state, Status::State::retrying);
  EXPECT_GT(bench.connector->status().oldest_pending_ns, 0);
  app::HecIndexerOptions options;
  options.token = token;
  auto again = app::HecReceiver::start({options, "127.0.0.1", port});
  ASSERT_TRUE(again.has_value());
  bench.receiver = std::move(*again);
  ASSERT_TRUE(bench.drain(5, 20, 1));
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 105u);
}

TEST(Connector, records_that_nobody_wants_move_the_cursor_without_receipts) {
  Bench bench;
  bench.config.select_events = "app == nothing";
  bench.make();
  ASSERT_TRUE(bench.drain(50, 10, 0));
  EXPECT_TRUE(bench.receipts.empty());
  EXPECT_TRUE(bench.counts.empty());
  if (auto rest = bench.connector->take_rest()) bench.apply(std::move(*rest));
  EXPECT_EQ(read_cursor(bench.cursor, "splunk")->place.commit, 51u);
}

TEST(Connector, receipts_and_other_records_of_our_own_are_never_delivered) {
  Bench bench;
  bench.make();
  auto commit = std::make_shared<Commit>(*make_commit(1, 2, 1));
  commit->records[0].kind = RecordKind::receipt;
  commit->records[1].kind = RecordKind::access;
  bench.connector->offer(commit);
  while (!bench.connector->drained()) bench.apply(bench.connector->step());
  EXPECT_EQ(bench.receiver->indexer().totals().unique, 1u);
}

TEST(Connector, a_redelivery_sends_the_same_ids_and_bytes_again_and_leaves_the_cursor_alone) {
  const std::string file = "/tmp/forward-redelivery-" + std::to_string(getpid());
  app::HecIndexerOptions options;
  options.file = file;
  Bench bench(options);
  bench.make();
  ASSERT_TRUE(bench.drain(3, 10, 1));
  const std::string cursor = bench.cursor;
  bench.cursor.clear();
  bench.config.redelivery = true;
  bench.make();
  bench.connector->start_at(2, {});
  ASSERT_TRUE(bench.drain(3, 10, 1));
  EXPECT_TRUE(bench.cursor.empty());
  EXPECT_EQ(bench.connector->status().redelivered, 22u);
  EXPECT_EQ(bench.count("delivered"), 33u) << "a redelivery is counted apart";
  EXPECT_EQ(bench.count("redelivered"), 22u);
  const auto totals = bench.receiver->indexer().totals();
  EXPECT_EQ(totals.unique, 33u);
  EXPECT_EQ(totals.events, 55u);
  std::ifstream lines(file);
  std::map<std::string, std::set<std::string>> forms;
  for (std::string line; std::getline(lines, line);)
    forms[nlohmann::json::parse(line)["fields"]["uid"].get<std::string>()].insert(line);
  for (const auto& [uid, texts] : forms) EXPECT_EQ(texts.size(), 1u) << uid;
  std::filesystem::remove(file);
}

TEST(Connector, the_connection_test_proves_the_token_and_stores_nothing) {
  Bench bench;
  bench.make();
  const auto good = bench.connector->test_connection();
  ASSERT_TRUE(good.has_value()) << good.error().message;
  EXPECT_EQ(bench.receiver->indexer().totals().events, 0u);
  bench.receiver->indexer().set_faults({.refuse_token = 100});
  const auto bad = bench.connector->test_connection();
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, Code::permission);
}

TEST(Connector, a_cancelled_connector_ends_a_slow_call_at_once) {
  Bench bench;
  bench.receiver->indexer().set_faults({.slow_ms = 1900});
  bench.make();
  bench.connector->offer(make_commit(1, 5, 0));
  const auto before = std::chrono::steady_clock::now();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    bench.connector->cancel();
  });
  bench.connector->step();
  other.join();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1500));
  EXPECT_EQ(bench.connector->status().pending, 5u);
}

TEST(Connector, a_damaged_or_foreign_cursor_is_refused) {
  Bench bench;
  bench.make();
  std::string cursor = write_cursor({5, 6, 7}, {}, "splunk");
  EXPECT_TRUE(bench.connector->restore(cursor).has_value());
  EXPECT_FALSE(bench.connector->restore(write_cursor({5, 6, 7}, {}, "other")).has_value());
  cursor[3] = '6';
  EXPECT_FALSE(bench.connector->restore(cursor).has_value());
  EXPECT_FALSE(bench.connector->restore("").has_value());
}

}  // namespace
}  // namespace tidewaiter::forward
