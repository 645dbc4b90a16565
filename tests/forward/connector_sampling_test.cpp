// Connectors under a policy that samples tiers: the receiver has exactly the sample, what is left out is counted once over
// restarts and changes of the rate, and every item says the rate it was taken at.
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "core/sampling.hpp"
#include "forward/cursor.hpp"
#include "forward/format.hpp"
#include "forward/selection.hpp"
#include "tests/forward/hec_bench.hpp"

namespace tidewaiter::forward {
namespace {

using test::Bench;
using test::log_names;
using test::make_commit;

constexpr std::string_view low_at_half = R"({"tiers":{"low":{"forward_rate":0.5}}})";
constexpr std::string_view low_at_a_tenth = R"({"tiers":{"low":{"forward_rate":0.1}},"forward_key":"event"})";

/// Commit 1 puts a policy in force, commit 12 another one, commit 22 takes sampling back; events are in between.
struct SampledBench : Bench {
  std::map<std::uint64_t, std::string_view> policies{{1, low_at_half}, {12, low_at_a_tenth}, {22, "{}"}};
  SampledBench() {
    commit_of = [this](std::uint64_t number, std::size_t events, std::size_t alerts) {
      const auto policy = policies.find(number);
      return policy == policies.end() ? make_commit(number, events, alerts) : test::make_policy(number, policy->second);
    };
  }
  /// uids of the events that the sample has, and how many it has not.
  std::pair<std::set<std::string>, std::uint64_t> expected(std::uint64_t commits, std::size_t events) const {
    std::set<std::string> uids;
    std::uint64_t out = 0;
    Sampling sampling;
    for (std::uint64_t number = 1; number <= commits; ++number) {
      if (const auto policy = policies.find(number); policy != policies.end()) {
        sampling = *Sampling::parse(policy->second);
        continue;
      }
      const CommitPtr commit = make_commit(number, events, 0);
      for (const Record& record : commit->records)
        if (sampling.forwards(record, commit->events[record.first_event])) uids.insert(to_hex(as_view(event_uid(record, 0))));
        else ++out;
    }
    return {uids, out};
  }
  std::set<std::string> received() const {
    std::set<std::string> uids;
    for (const auto& [uid, count] : receiver->indexer().counts("tidewaiter:event")) uids.insert(uid);
    return uids;
  }
};

TEST(ConnectorSampling, what_sampling_leaves_out_is_counted_and_the_rest_arrives_with_its_rate) {
  SampledBench bench;
  bench.make();
  ASSERT_TRUE(bench.drain(30, 40, 1));
  if (auto rest = bench.connector->take_rest()) bench.apply(std::move(*rest));
  const auto [uids, out] = bench.expected(30, 40);
  EXPECT_GT(out, 200u);
  EXPECT_EQ(bench.received(), uids);
  EXPECT_EQ(bench.receiver->indexer().counts("tidewaiter:alert").size(), 27u) << "alerts are always forwarded";
  EXPECT_EQ(bench.count("sampled_out/low"), out);
  EXPECT_EQ(bench.count("sampled_out/high"), 0u);
  EXPECT_EQ(bench.count("delivered") + out, 27u * 41);
  EXPECT_EQ(bench.connector->status().sampled_out, out);
}

TEST(ConnectorSampling, restarts_over_changes_of_the_rate_keep_the_sample_and_its_counts) {
  std::mt19937_64 random(11);
  SampledBench bench;
  bench.config.pending_items_max = bench.config.batch_items_max;
  app::HecFaults faults;
  faults.lose_answer = 30;
  bench.receiver->indexer().set_faults(faults);
  for (int life = 0; life < 60; ++life) {
    bench.make();
    for (std::uint64_t steps = random() % 6; steps > 0; --steps) {
      while (bench.connector->wants_more() && bench.connector->next_commit() <= 30)
        bench.connector->offer(bench.commit_of(bench.connector->next_commit(), 40, 0));
      bench.apply(bench.connector->step());
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
    if (random() % 2 == 0)
      if (auto rest = bench.connector->take_rest()) bench.apply(std::move(*rest));
  }
  bench.receiver->indexer().set_faults({});
  bench.make();
  ASSERT_TRUE(bench.drain(30, 40, 0, 60));
  if (auto rest = bench.connector->take_rest()) bench.apply(std::move(*rest));
  const auto [uids, out] = bench.expected(30, 40);
  EXPECT_EQ(bench.received(), uids);
  EXPECT_EQ(bench.count("sampled_out/low"), out) << "each is counted once, whatever was cut short";
  EXPECT_EQ(bench.count("offered"), uids.size());
}

TEST(ConnectorSampling, a_redelivery_sends_the_sample_that_was_in_force_then) {
  SampledBench bench;
  bench.config.redelivery = true;
  bench.config.select_alerts = "off";
  bench.make();
  bench.connector->start_at(2, *Sampling::parse(low_at_half));
  ASSERT_TRUE(bench.drain(30, 40, 0));
  EXPECT_EQ(bench.received(), bench.expected(30, 40).first);
  EXPECT_TRUE(bench.counts.find("splunk/sampled_out/low") == bench.counts.end()) << "it leaves counters alone";
}

TEST(ConnectorSampling, a_forwarded_event_of_a_sampled_tier_says_the_share_that_is_forwarded) {
  const CommitPtr commit = make_commit(1, 40, 0);
  const auto selection = Selection::compile("off", "all", 0);
  ASSERT_TRUE(selection.has_value());
  const Sampling sampling = *Sampling::parse(low_at_half);
  Place from;
  std::vector<Envelope> envelopes;
  LeftOut left_out;
  ASSERT_TRUE(selection->take(*commit, log_names(), false, sampling, from, 1000, envelopes, left_out));
  std::size_t runs = 0;
  bool in_run = false;
  for (const Record& record : commit->records) {
    const bool left = !sampling.forwards(record, commit->events[record.first_event]);
    runs += left && !in_run;
    in_run = left;
  }
  EXPECT_EQ(left_out.runs(), runs) << "neighbours are one run, and no others";
  const std::uint64_t out = left_out.total()[static_cast<std::size_t>(RiskTier::low)];
  EXPECT_EQ(envelopes.size() + out, 40u);
  bool low = false;
  for (const Envelope& envelope : envelopes) {
    const bool sampled = envelope.event->get(Num::risk_tier) == static_cast<std::uint64_t>(RiskTier::low);
    low = low || sampled;
    const auto json = nlohmann::json::parse(to_json(envelope, {}));
    EXPECT_EQ(json.contains("sample_rate"), sampled);
    if (sampled) { EXPECT_EQ(json["sample_rate"], 0.5); }
    EXPECT_EQ(to_cef(envelope, {}).find("cfp1Label=sampleRate cfp1=0.5") != std::string::npos, sampled);
  }
  EXPECT_TRUE(low);
}

TEST(ConnectorSampling, a_cursor_carries_the_sampling_that_was_in_force_at_its_place) {
  const Sampling sampling = *Sampling::parse(low_at_a_tenth);
  const std::string text = write_cursor({5, 6, 7}, sampling, "splunk");
  const auto cursor = read_cursor(text, "splunk");
  ASSERT_TRUE(cursor.has_value());
  EXPECT_EQ(cursor->sampling, sampling);
  EXPECT_EQ(cursor->place, (Place{5, 6, 7}));
  std::string other = text;
  other.replace(other.find("0.1"), 3, "0.2");
  EXPECT_FALSE(read_cursor(other, "splunk").has_value());
  EXPECT_EQ(write_cursor({5, 6, 7}, {}, "splunk").substr(0, 9), "v1 5 6 7 ") << "as ever, while nothing is sampled";
}

}  // namespace
}  // namespace tidewaiter::forward
