// Which keys are in a sample: the same for everybody, nested by rate, and as many as the rate says.
#include "core/sampling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace tidewaiter {
namespace {

Sampling made(std::string_view json) {
  auto sampling = Sampling::parse(json);
  EXPECT_TRUE(sampling.has_value()) << sampling.error().message;
  return sampling ? *sampling : Sampling();
}

std::string error_of(std::string_view json) {
  const auto sampling = Sampling::parse(json);
  return sampling ? "no error" : sampling.error().message;
}

Event event_of(std::string_view principal, RiskTier tier, std::string_view host = "api.example") {
  Event event;
  event.set(Str::tenant, "eu");
  if (!principal.empty()) event.set(Str::principal, principal);
  if (!host.empty()) event.set(Str::dst_host, host);
  event.set(Num::risk_tier, static_cast<std::uint64_t>(tier));
  return event;
}

Record record_of(std::uint64_t offset) {
  Record record;
  record.origin = intern_origin("cluster", TopicId{7}, "audit");
  record.offset = offset;
  return record;
}

TEST(Sampling, the_hash_is_the_documented_one) {
  // FNV-1a of "s\0eu\0agent:1\0" and MurmurHash3's finalizer, computed apart from this program.
  EXPECT_EQ(made(R"({"seed":"s"})").principal_hash(event_of("agent:1", RiskTier::low)), 0x3b936b0e5ec26f84u);
}

TEST(Sampling, the_sample_has_the_size_that_the_rate_says_and_a_lower_rate_is_part_of_a_higher_one) {
  for (const double rate : {0.01, 0.1, 0.5}) {
    const Sampling low = made(R"({"tiers":{"low":{"scoring_rate":)" + std::to_string(rate) + "}}}");
    const Sampling high = made(R"({"tiers":{"low":{"scoring_rate":)" + std::to_string(rate * 1.5) + "}}}");
    constexpr int principals = 200'000;
    int kept = 0;
    for (int i = 0; i < principals; ++i) {
      const std::string name = "agent:" + std::to_string(i);
      const Event event = event_of(name, RiskTier::low);
      kept += low.scores(event);
      EXPECT_LE(low.scores(event), high.scores(event));
    }
    EXPECT_NEAR(kept, principals * rate, 5 * std::sqrt(principals * rate * (1 - rate))) << "five standard deviations";
  }
}

TEST(Sampling, only_the_tiers_that_are_named_are_sampled) {
  const Sampling sampling = made(R"({"tiers":{"low":{"scoring_rate":0.001,"forward_rate":0.001}}})");
  int kept = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "agent:" + std::to_string(i);
    for (const RiskTier tier : {RiskTier::unknown, RiskTier::medium, RiskTier::high, RiskTier::critical}) {
      EXPECT_TRUE(sampling.scores(event_of(name, tier)));
      EXPECT_TRUE(sampling.forwards(record_of(1), event_of(name, tier)));
    }
    kept += sampling.scores(event_of(name, RiskTier::low)) + sampling.forwards(record_of(1), event_of(name, RiskTier::low));
  }
  EXPECT_LT(kept, 20);
}

TEST(Sampling, a_key_is_in_with_all_of_its_events_or_with_none) {
  const std::string tiers = R"("tiers":{"low":{"forward_rate":0.5}})";
  const Sampling principal = made("{" + tiers + "}");
  const Sampling pair = made("{" + tiers + R"(,"forward_key":"principal_destination"})");
  const Sampling single = made("{" + tiers + R"(,"forward_key":"event"})");
  int pairs_apart = 0, events_apart = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "agent:" + std::to_string(i);
    const Event a = event_of(name, RiskTier::low, "a.example"), b = event_of(name, RiskTier::low, "b.example");
    EXPECT_EQ(principal.forwards(record_of(1), a), principal.forwards(record_of(2), b));
    EXPECT_EQ(pair.forwards(record_of(1), a), pair.forwards(record_of(2), a));
    pairs_apart += pair.forwards(record_of(1), a) != pair.forwards(record_of(1), b);
    events_apart += single.forwards(record_of(1), a) != single.forwards(record_of(2), a);
  }
  EXPECT_GT(pairs_apart, 60);
  EXPECT_GT(events_apart, 0);
  EXPECT_EQ(principal.scores(event_of("agent:1", RiskTier::low)), true) << "scoring has a rate of its own";
}

TEST(Sampling, events_without_a_principal_are_taken_one_by_one) {
  const Sampling sampling = made(R"({"tiers":{"unknown":{"forward_rate":0.25}}})");
  int kept = 0;
  for (std::uint64_t offset = 0; offset < 4000; ++offset)
    kept += sampling.forwards(record_of(offset), event_of("", RiskTier::unknown));
  EXPECT_NEAR(kept, 1000, 140);
}

TEST(Sampling, another_seed_is_another_sample) {
  const Sampling a = made(R"({"tiers":{"low":{"scoring_rate":0.5}},"seed":"a"})");
  const Sampling b = made(R"({"tiers":{"low":{"scoring_rate":0.5}},"seed":"b"})");
  int both = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string name = "agent:" + std::to_string(i);
    both += a.scores(event_of(name, RiskTier::low)) && b.scores(event_of(name, RiskTier::low));
  }
  EXPECT_NEAR(both, 1000, 140);
}

TEST(Sampling, its_text_reads_back_as_the_same_and_is_empty_when_nothing_is_sampled) {
  const Sampling sampling = made(R"({ "tiers": {"low": {"scoring_rate": 0.1}, "medium": {"forward_rate": 0.5}}, "seed": "x" })");
  EXPECT_EQ(sampling.text().find(' '), std::string::npos);
  const Sampling again = made(sampling.text());
  EXPECT_EQ(again, sampling);
  EXPECT_EQ(again.scoring_rate(1), 0.1);
  EXPECT_EQ(again.forward_rate(2), 0.5);
  EXPECT_EQ(made(R"({"tiers":{"low":{"scoring_rate":1}}})").text(), "");
  EXPECT_EQ(made("").text(), "");
}

TEST(Sampling, a_rate_that_makes_no_sense_is_named_with_its_key) {
  EXPECT_EQ(error_of(R"({"tiers":{"low":{"scoring_rate":0}}})").find("tiers.low.scoring_rate: expected a share from 0.001 to 1, found 0"), 0u);
  EXPECT_EQ(error_of(R"({"tiers":{"low":{"forward_rate":1.5}}})").find("tiers.low.forward_rate: expected a share"), 0u);
  EXPECT_EQ(error_of(R"({"tiers":{"low":{"forward_rate":"all"}}})").find("tiers.low.forward_rate: expected a share"), 0u);
  EXPECT_EQ(error_of(R"({"tiers":{"high":{"forward_rate":0.5}}})").find("tiers.high: events of this tier are never sampled"), 0u);
  EXPECT_EQ(error_of(R"({"tiers":{"lwo":{"forward_rate":0.5}}})").find("tiers.lwo: is no risk tier"), 0u);
  EXPECT_EQ(error_of(R"({"tiers":{"low":{"rate":0.5}}})").find("tiers.low.rate: unknown key"), 0u);
  EXPECT_EQ(error_of(R"({"forward_key":"app"})").find("forward_key: expected principal"), 0u);
  EXPECT_EQ(error_of(R"({"seed":"a b"})").find("seed: expected up to 64 letters"), 0u);
}

TEST(Sampling, a_policy_record_brings_it_and_no_other_record_does) {
  const auto with = Sampling::of_record(R"({"type":"policy","hash":"00","content":{"version":1,"sampling":{"tiers":{"low":{"forward_rate":0.5}}}}})");
  ASSERT_TRUE(with.has_value());
  EXPECT_EQ(with->forward_rate(1), 0.5);
  const auto without = Sampling::of_record(R"({"type":"policy","hash":"00","content":{"version":1}})");
  ASSERT_TRUE(without.has_value());
  EXPECT_EQ(without->text(), "");
  EXPECT_FALSE(Sampling::of_record(R"({"type":"tick","idle":[]})").has_value());
  EXPECT_FALSE(Sampling::of_record("").has_value());
}

}  // namespace
}  // namespace tidewaiter
