// Our receiver answers as Splunk does: the codes, and the rules of acknowledgement.
#include "app/hec_indexer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidewaiter::app {
namespace {

using nlohmann::json;

constexpr const char* channel = "11111111-2222-3333-4444-555555555555";
constexpr std::int64_t ms = 1'000'000;

struct Bench {
  ManualClock clock{1'000'000 * ms};
  HecIndexer indexer;
  explicit Bench(HecIndexerOptions options = {}) : indexer(with_token(std::move(options)), clock) {}
  static HecIndexerOptions with_token(HecIndexerOptions options) {
    options.token = "t";
    return options;
  }
  HecAnswer send(const std::string& body, const std::string& authorization = "Splunk t",
                 const std::string& on = channel) {
    return indexer.take_events({authorization, on, body});
  }
  json ask(const std::string& acks, const std::string& on = channel) {
    return json::parse(indexer.tell_acks({"Splunk t", on, "{\"acks\":" + acks + "}"}).body);
  }
};

std::pair<int, int> codes(const HecAnswer& answer) { return {answer.status, json::parse(answer.body)["code"]}; }
using Codes = std::pair<int, int>;

TEST(HecIndexer, refuses_as_splunk_does) {
  Bench bench({.indexes = {"main"}});
  EXPECT_EQ(codes(bench.send("{\"event\":1}", "")), Codes(401, 2));
  EXPECT_EQ(codes(bench.send("{\"event\":1}", "Basic t")), Codes(401, 3));
  EXPECT_EQ(codes(bench.send("{\"event\":1}", "Splunk x")), Codes(403, 4));
  EXPECT_EQ(codes(bench.send("  ")), Codes(400, 5));
  EXPECT_EQ(codes(bench.send("[]")), Codes(400, 6));
  EXPECT_EQ(codes(bench.send("{\"event\":1}{\"event\":")), Codes(400, 6));
  EXPECT_EQ(codes(bench.send("{\"event\":1,\"index\":\"secret\"}")), Codes(400, 7));
  EXPECT_EQ(codes(bench.send("{\"event\":1}", "Splunk t", "no-guid")), Codes(400, 11));
  EXPECT_EQ(codes(bench.send("{\"time\":1}")), Codes(400, 12));
  EXPECT_EQ(codes(bench.send("{\"event\":\"\"}")), Codes(400, 13));
  EXPECT_EQ(codes(bench.send("{\"event\":1,\"fields\":{\"a\":{\"b\":1}}}")), Codes(400, 15));
  EXPECT_EQ(codes(bench.send("{\"event\":1}")), Codes(200, 0));
  EXPECT_EQ(codes(bench.indexer.tell_acks({"Splunk t", channel, "{\"acks\":[0]}"})), Codes(400, 14));
}

TEST(HecIndexer, names_the_invalid_event_and_takes_those_in_front_of_it) {
  Bench bench;
  const HecAnswer answer = bench.send("{\"event\":1} {\"event\":\"}{\"}\n{\"event\":\"\"}{\"event\":4}");
  EXPECT_EQ(json::parse(answer.body)["invalid-event-number"], 2);
  EXPECT_EQ(bench.indexer.totals().events, 2u);
}

TEST(HecIndexer, counts_repeats_by_uid_and_revision) {
  Bench bench;
  bench.send(R"({"event":1,"fields":{"uid":"a"}}{"event":1,"fields":{"uid":"a"}})");
  bench.send(R"({"event":1,"fields":{"uid":"a","revision":"2"}})");
  const HecTotals totals = bench.indexer.totals();
  EXPECT_EQ(totals.unique, 2u);
  EXPECT_EQ(totals.repeats(), 1u);
  EXPECT_EQ(bench.indexer.counts().at("a.2"), 1u);
}

TEST(HecIndexer, wants_a_channel_when_acknowledgement_is_on) {
  Bench bench({.ack = true});
  EXPECT_EQ(codes(bench.send("{\"event\":1}", "Splunk t", "")), Codes(400, 10));
}

TEST(HecIndexer, says_true_once_and_only_when_indexed) {
  Bench bench({.ack = true, .ack_delay_ms = 50});
  EXPECT_EQ(json::parse(bench.send("{\"event\":1}").body)["ackId"], 0);
  EXPECT_EQ(json::parse(bench.send("{\"event\":2}").body)["ackId"], 1);
  EXPECT_EQ(bench.ask("[0,1,7]")["acks"], (json{{"0", false}, {"1", false}, {"7", false}}));
  EXPECT_EQ(bench.indexer.totals().events, 0u) << "taken is not indexed";
  bench.clock.advance(50 * ms);
  EXPECT_EQ(bench.ask("[0]")["acks"], (json{{"0", true}}));
  EXPECT_EQ(bench.ask("[0,1]")["acks"], (json{{"0", false}, {"1", true}}));
  EXPECT_EQ(bench.indexer.totals().events, 2u);
}

TEST(HecIndexer, keeps_channels_apart) {
  Bench bench({.ack = true, .ack_delay_ms = 0});
  bench.send("{\"event\":1}");
  EXPECT_EQ(bench.ask("[0]", "99999999-2222-3333-4444-555555555555")["acks"]["0"], false);
  EXPECT_EQ(bench.ask("[0]")["acks"]["0"], true);
}

TEST(HecIndexer, a_reset_channel_counts_from_zero_and_loses_what_was_not_indexed) {
  Bench bench({.ack = true, .ack_delay_ms = 50});
  bench.send("{\"event\":1}");
  bench.indexer.set_faults({.reset_channel = 100});
  EXPECT_EQ(json::parse(bench.send("{\"event\":2}").body)["ackId"], 0);
  bench.clock.advance(100 * ms);
  EXPECT_EQ(bench.indexer.totals().events, 1u);
}

TEST(HecIndexer, misbehaves_as_told) {
  Bench bench({.ack = true, .ack_delay_ms = 0});
  bench.indexer.set_faults({.lose_answer = 100});
  EXPECT_TRUE(bench.send("{\"event\":1}").cut_off);
  EXPECT_EQ(bench.indexer.totals().events, 1u) << "the events are taken, only the answer is lost";
  bench.indexer.set_faults({.close_early = 100});
  EXPECT_TRUE(bench.send("{\"event\":2}").cut_off);
  EXPECT_EQ(bench.indexer.totals().events, 1u);
  bench.indexer.set_faults({.busy = 100});
  EXPECT_EQ(codes(bench.send("{\"event\":3}")), Codes(503, 9));
  bench.indexer.set_faults({.rate_limited = 100});
  EXPECT_EQ(bench.send("{\"event\":4}").retry_after, "1");
  bench.indexer.set_faults({.drop_batch = 100});
  EXPECT_EQ(codes(bench.send("{\"event\":5}")), Codes(200, 0));
  EXPECT_EQ(bench.indexer.totals().events, 1u);
  bench.indexer.set_faults({.lose_ack = 100});
  EXPECT_TRUE(bench.indexer.tell_acks({"Splunk t", channel, "{\"acks\":[0]}"}).cut_off);
  EXPECT_EQ(bench.ask("[0]")["acks"]["0"], false) << "its true went with the lost answer";
}

}  // namespace
}  // namespace tidewaiter::app
