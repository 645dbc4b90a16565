// Artifacts: what attests them, joined to what deploys and runs them, and the rules that demand it.
#include <gmock/gmock.h>

#include <random>

#include "detect/attestations.hpp"
#include "detect/policy.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string digest(const std::string& name) { return "sha256:" + name + std::string(64 - name.size(), '0'); }

std::uint64_t number(const EnumTable& table, const std::string& word) { return table.find(word).value(); }

/// An event about an artifact; who sends it counts for nothing.
Made about(const std::string& artifact, const std::string& action, std::int64_t time) {
  Made made;
  made.principal = "ci:acme/pay";
  made.principal_type = "ci_job";
  made.app = "pay";
  made.tier = "high";
  made.host.clear();
  made.category.clear();
  made.data_class.clear();
  made.bytes = 0;
  made.action = action;
  made.time = time;
  if (!artifact.empty()) made.strings.emplace_back(Str::provenance_artifact_digest, digest(artifact));
  made.numbers.emplace_back(Num::family, static_cast<std::uint64_t>(Family::ci));
  return made;
}

Made attest(const std::string& artifact, const std::string& status, std::int64_t time = monday,
            const std::string& builder = "https://ci.acme.example/runner", const std::string& kind = "provenance") {
  Made made = about(artifact, "attest", time);
  made.numbers.emplace_back(Num::provenance_status, number(enums::provenance_status, status));
  made.numbers.emplace_back(Num::provenance_kind, number(enums::provenance_kind, kind));
  if (!builder.empty()) made.strings.emplace_back(Str::provenance_builder, builder);
  return made;
}

Made approve(const std::string& artifact, const std::string& who, const std::string& decision = "approved",
             const std::string& type = "user", std::int64_t time = monday) {
  Made made = about(artifact, "approve", time);
  made.principal = who;
  made.principal_type = type;
  made.strings.emplace_back(Str::approval_approver, who);
  made.numbers.emplace_back(Num::approval_decision, number(enums::approval_decision, decision));
  made.numbers.emplace_back(Num::approval_approver_type, number(enums::principal_type, type));
  return made;
}

Made deploy(const std::string& artifact, std::int64_t time = monday + minute) { return about(artifact, "deploy", time); }

Made runs(const std::string& artifact, std::int64_t time) {
  Made made = about(artifact, "execute", time);
  made.numbers.back() = {Num::family, static_cast<std::uint64_t>(Family::runtime)};
  made.principal = "node-1";
  made.principal_type = "host";
  return made;
}

std::string policy(const std::string& members, const std::string& exceptions = "[]") {
  return R"({"version":1,"rules":[{"id":"signed","type":"attestation")" + (members.empty() ? "" : "," + members) +
         R"(}],"exceptions":)" + exceptions + "}";
}

struct Outcome {
  std::vector<Json> joins, alerts;
  std::vector<std::string> verdicts() const {
    std::vector<std::string> words;
    for (const Json& join : joins) words.push_back(join["explanation"]["verdict"]);
    return words;
  }
};

Outcome sorted(const std::vector<Json>& records) {
  Outcome outcome;
  for (const Json& record : records) {
    if (record["kind"] == "attestation_join") outcome.joins.push_back(record);
    if (record["kind"] == "alert" && record["rule"] == "signed") outcome.alerts.push_back(record);
  }
  return outcome;
}

/// The events in order, then two hours of silence.
Outcome after(const std::vector<Made>& events, const std::string& policy_json = policy(R"("risk_tiers":["high"])")) {
  Stream stream;
  if (!policy_json.empty()) stream.policy(policy_json);
  for (const Made& made : events) stream.add(made);
  stream.tick(monday + 3 * hour, {0});
  return sorted(judge(stream));
}

TEST(Joins, a_deploy_of_an_attested_artifact_is_told_with_its_builder_and_is_no_alert) {
  const Outcome outcome = after({attest("aa", "verified"), deploy("aa")});
  ASSERT_EQ(outcome.verdicts(), std::vector<std::string>{"attested"});
  EXPECT_TRUE(outcome.alerts.empty());
  const Json& join = outcome.joins[0];
  EXPECT_EQ(join["explanation"]["artifact_digest"], digest("aa"));
  EXPECT_EQ(join["explanation"]["builder"], "https://ci.acme.example/runner");
  EXPECT_EQ(join["explanation"]["use"], "deploy");
  EXPECT_EQ(join["severity"], "informational");
  EXPECT_EQ(join["app"], "pay");
  ASSERT_EQ(join["evidence"].size(), 2u) << "the deploy, and what attests it";
  EXPECT_EQ(join["evidence"][0]["seq"], 1);
  EXPECT_EQ(join["evidence"][1]["seq"], 0);
}

TEST(Joins, an_unattested_deploy_of_a_high_tier_app_is_an_alert_and_one_of_a_low_tier_is_told_only) {
  Made low = deploy("cc");
  low.tier = "low";
  const Outcome outcome = after({attest("aa", "verified"), deploy("bb"), low});
  EXPECT_EQ(outcome.verdicts(), (std::vector<std::string>{"unattested", "unattested"}));
  ASSERT_EQ(outcome.alerts.size(), 1u);
  EXPECT_THAT(outcome.alerts[0]["title"].get<std::string>(), HasSubstr("deployed sha256:bb0000000000 of app pay: no attestation of it was seen"));
  EXPECT_EQ(outcome.alerts[0]["explanation"]["verdict"], "unattested");
  EXPECT_EQ(outcome.alerts[0]["risk_tier"], "high");
}

TEST(Joins, every_verdict_is_told_apart) {
  const Outcome outcome = after({attest("a1", "unverified"), attest("a2", "failed"), attest("a3", "expired"), attest("a4", "missing"),
                                 deploy("a1"), deploy("a2"), deploy("a3"), deploy("a4")});
  EXPECT_EQ(outcome.verdicts(), (std::vector<std::string>{"unverified", "failed", "expired", "unattested"}));
  EXPECT_EQ(outcome.alerts.size(), 4u);
}

TEST(Joins, an_attestation_may_come_within_the_grace_and_not_later) {
  const auto late_by = [](std::int64_t delay) {
    Stream stream;
    stream.policy(policy(R"("grace":"5m")"));
    stream.tick(0, {}, {0});
    stream.add(deploy("aa", monday));
    Made other = deploy("", monday + delay);  // moves the watermark
    other.action = "read";
    stream.add(other);
    stream.add(attest("aa", "verified", monday + delay));
    stream.tick(monday + 3 * hour, {0});
    return sorted(judge(stream));
  };
  EXPECT_EQ(late_by(4 * minute).verdicts(), std::vector<std::string>{"attested"});
  EXPECT_TRUE(late_by(4 * minute).alerts.empty());
  EXPECT_EQ(late_by(7 * minute).verdicts(), std::vector<std::string>{"unattested"});
  EXPECT_EQ(late_by(7 * minute).alerts.size(), 1u);
}

/// An attested deploy whose approval comes `behind` it in the log, in another partition; `before` is said ahead of both.
Outcome approved_behind(const std::vector<Made>& before, std::int64_t behind, const std::string& rules = policy("")) {
  Stream stream;
  stream.policy(rules);
  stream.tick(0, {}, {0, 1});
  for (const Made& made : before) stream.add(made);
  stream.add(attest("aa", "verified"));
  stream.add(deploy("aa", monday + minute));
  Made approval = approve("aa", "jane", "approved", "user", monday + second);
  approval.partition = 1;
  if (behind < 5 * minute) stream.add(approval);
  Made other = about("", "read", monday + minute + behind);
  stream.add(other);
  other.partition = 1;
  stream.add(other);
  if (behind >= 5 * minute) stream.add(approval);
  stream.tick(monday + 3 * hour, {0, 1});
  return sorted(judge(stream));
}

TEST(Joins, an_approval_that_another_partition_brings_behind_the_deploy_is_waited_for_where_somebody_approves) {
  const std::vector<Made> habit = {approve("bb", "joe")};
  const Outcome outcome = approved_behind(habit, second);
  ASSERT_EQ(outcome.joins.size(), 1u);
  EXPECT_EQ(outcome.joins[0]["explanation"]["verdict"], "attested");
  EXPECT_EQ(outcome.joins[0]["explanation"]["approved_by"], "jane");
  EXPECT_TRUE(outcome.alerts.empty());
}

TEST(Joins, an_attested_deploy_is_told_at_once_where_nobody_decides_about_artifacts_or_somebody_has_decided) {
  const auto told_at_once = [](const std::vector<Made>& before) {
    Stream stream;
    stream.policy(policy(""));
    stream.tick(0, {}, {0});
    for (const Made& made : before) stream.add(made);
    stream.add(attest("aa", "verified"));
    stream.add(deploy("aa"));
    return sorted(judge(stream)).joins.size() == 1;
  };
  EXPECT_TRUE(told_at_once({}));
  EXPECT_FALSE(told_at_once({approve("bb", "joe")}));
  EXPECT_TRUE(told_at_once({approve("aa", "jane")}));
  EXPECT_TRUE(told_at_once({approve("aa", "jane", "rejected")}));
  Made elsewhere = approve("bb", "joe");
  elsewhere.tenant = "us";
  EXPECT_TRUE(told_at_once({elsewhere})) << "the habits of one tenant say nothing of another";
}

TEST(Joins, a_deploy_that_waits_in_vain_for_an_approval_is_told_once_without_one) {
  const Outcome outcome = approved_behind({approve("bb", "joe")}, 10 * minute);
  ASSERT_EQ(outcome.joins.size(), 1u);
  EXPECT_EQ(outcome.joins[0]["explanation"]["verdict"], "attested");
  EXPECT_FALSE(outcome.joins[0]["explanation"].contains("approved_by")) << outcome.joins[0];
}

TEST(Joins, one_verified_statement_counts_whatever_forgeries_come_beside_it) {
  const Outcome outcome = after({attest("aa", "failed"), attest("aa", "verified"), attest("aa", "failed", monday, "https://evil.example"),
                                 attest("aa", "unverified", monday, "https://evil.example"), deploy("aa")});
  EXPECT_EQ(outcome.verdicts(), std::vector<std::string>{"attested"});
  EXPECT_EQ(outcome.joins[0]["explanation"]["builder"], "https://ci.acme.example/runner");
}

TEST(Joins, a_wrong_builder_is_named) {
  const std::string rule = policy(R"("builders":["https://ci.acme.example/*"])");
  EXPECT_EQ(after({attest("aa", "verified"), deploy("aa")}, rule).verdicts(), std::vector<std::string>{"attested"});
  const Outcome wrong = after({attest("aa", "verified", monday, "https://laptop.example"), deploy("aa")}, rule);
  EXPECT_EQ(wrong.verdicts(), std::vector<std::string>{"wrong_builder"});
  ASSERT_EQ(wrong.alerts.size(), 1u);
  EXPECT_THAT(wrong.alerts[0]["title"].get<std::string>(), HasSubstr("it was built by https://laptop.example, the wrong builder"));
  const Outcome none = after({attest("aa", "verified", monday, ""), deploy("aa")}, rule);
  EXPECT_EQ(none.verdicts(), std::vector<std::string>{"wrong_builder"}) << "no builder is no allowed builder";
  const Outcome borrowed = after({attest("aa", "verified", monday, ""), attest("aa", "unverified"), deploy("aa")}, rule);
  EXPECT_EQ(borrowed.verdicts(), std::vector<std::string>{"wrong_builder"}) << "a builder in an unverified statement is nobody's word";
}

TEST(Joins, who_approved_is_told_and_can_be_demanded) {
  const std::string rule = policy(R"("approved":"human")");
  const Outcome good = after({attest("aa", "verified"), approve("aa", "jane"), deploy("aa")}, rule);
  EXPECT_EQ(good.joins[0]["explanation"]["approved_by"], "jane");
  EXPECT_EQ(good.joins[0]["explanation"]["approved_by_human"], true);
  EXPECT_EQ(good.joins[0]["evidence"].size(), 3u);
  EXPECT_TRUE(good.alerts.empty());
  const auto why = [&](const std::vector<Made>& events) {
    const Outcome outcome = after(events, rule);
    return outcome.alerts.size() == 1 ? outcome.alerts[0]["explanation"]["observed"].get<std::string>() : "no alert";
  };
  EXPECT_EQ(why({attest("aa", "verified"), deploy("aa")}), "nobody approved it");
  EXPECT_EQ(why({attest("aa", "verified"), approve("aa", "bot", "approved", "agent"), deploy("aa")}), "no human approved it");
  EXPECT_EQ(why({attest("aa", "verified"), approve("aa", "jane", "rejected"), deploy("aa")}), "it was rejected");
  EXPECT_EQ(why({attest("aa", "verified"), approve("aa", "ci:acme/pay"), deploy("aa")}), "who used it approved it");
  EXPECT_EQ(why({attest("aa", "verified"), approve("aa", "jane", "rejected"), approve("aa", "jane"), deploy("aa")}), "no alert")
      << "the last decision counts";
  EXPECT_EQ(why({approve("aa", "jane"), deploy("aa")}), "no attestation of it was seen");
}

TEST(Joins, a_status_that_a_native_event_gives_itself_is_a_claim) {
  Made claim = attest("aa", "verified");
  claim.numbers.emplace_back(Num::format, 1);
  const Outcome doubted = after({claim, deploy("aa")}, policy(""));
  EXPECT_EQ(doubted.verdicts(), std::vector<std::string>{"unverified"});
  EXPECT_EQ(doubted.joins[0]["explanation"]["claimed"], true);
  EXPECT_EQ(doubted.alerts.size(), 1u);
  const Outcome believed = after({claim, deploy("aa")}, policy(R"("accept_claims":true)"));
  EXPECT_EQ(believed.verdicts(), std::vector<std::string>{"attested"});
  EXPECT_TRUE(believed.alerts.empty());
}

TEST(Joins, each_demanded_kind_must_be_verified) {
  const std::string rule = policy(R"("kinds":["provenance","sbom"])");
  const Outcome half = after({attest("aa", "verified"), deploy("aa")}, rule);
  ASSERT_EQ(half.alerts.size(), 1u);
  EXPECT_THAT(half.alerts[0]["title"].get<std::string>(), HasSubstr("(needed: provenance, sbom)"));
  EXPECT_TRUE(after({attest("aa", "verified"), attest("aa", "verified", monday, "", "sbom"), deploy("aa")}, rule).alerts.empty());
  EXPECT_EQ(after({attest("aa", "verified", monday, "", "sbom"), deploy("aa")}).verdicts(), std::vector<std::string>{"unattested"})
      << "an SBOM alone does not tell where an artifact comes from";
}

TEST(Joins, a_deploy_without_a_digest_breaks_the_rule_at_once_unless_it_need_not_have_one) {
  const Outcome outcome = after({deploy("")});
  EXPECT_TRUE(outcome.joins.empty());
  ASSERT_EQ(outcome.alerts.size(), 1u);
  EXPECT_THAT(outcome.alerts[0]["title"].get<std::string>(), HasSubstr("names no digest"));
  EXPECT_TRUE(after({deploy("")}, policy(R"("require_digest":false)")).alerts.empty());
}

TEST(Joins, where_nobody_signs_and_nobody_asks_nothing_is_said) {
  Made claim = attest("aa", "verified");
  claim.numbers.emplace_back(Num::format, 1);
  EXPECT_TRUE(after({claim, attest("bb", "unverified"), deploy("aa"), deploy("bb")}, "").joins.empty());
  EXPECT_EQ(after({claim, attest("bb", "failed"), deploy("aa"), deploy("bb")}, "").verdicts(),
            (std::vector<std::string>{"unverified", "failed"}));
}

TEST(Joins, what_runs_is_told_once_and_again_when_its_standing_changes) {
  Stream stream;
  stream.policy(policy(R"("risk_tiers":["critical"])"));
  stream.tick(0, {}, {0});
  for (int i = 0; i < 5; ++i) stream.add(runs("aa", monday + i * 10 * minute));
  stream.add(attest("aa", "verified", monday + 50 * minute));
  for (int i = 6; i < 9; ++i) stream.add(runs("aa", monday + i * 10 * minute));
  stream.tick(monday + 3 * hour, {0});
  EXPECT_EQ(sorted(judge(stream)).verdicts(), (std::vector<std::string>{"unattested", "attested"}));
}

TEST(Joins, a_rule_may_be_about_what_runs) {
  const std::vector<Made> events = {runs("aa", monday), runs("aa", monday + minute)};
  EXPECT_TRUE(after(events, policy("")).alerts.empty()) << "deploys, when nothing else is said";
  const Outcome outcome = after(events, policy(R"("uses":["runtime"])"));
  ASSERT_EQ(outcome.alerts.size(), 1u);
  EXPECT_THAT(outcome.alerts[0]["title"].get<std::string>(), HasSubstr("node-1 runs sha256:aa0000000000 of app pay"));
}

TEST(Joins, a_file_that_is_carried_is_no_artifact_that_runs) {
  Made sent = runs("aa", monday), executed = runs("bb", monday);
  sent.action = "send";
  for (Made* made : {&sent, &executed}) made->numbers.emplace_back(Num::resource_type, number(enums::resource_type, "file"));
  EXPECT_EQ(after({sent, executed}, policy(R"("uses":["runtime"])")).verdicts(), (std::vector<std::string>{"unattested"}));
}

TEST(Joins, what_did_not_happen_is_not_joined) {
  Made denied = deploy("aa"), begun = deploy("aa");
  denied.numbers.emplace_back(Num::outcome, number(enums::outcome, "denied"));
  begun.numbers.emplace_back(Num::flags, flag::stage_partial);
  const Outcome outcome = after({denied, begun});
  EXPECT_TRUE(outcome.joins.empty());
  EXPECT_TRUE(outcome.alerts.empty());
}

TEST(Joins, a_digest_is_the_same_in_either_case_and_without_its_name) {
  Made upper = deploy("AB"), bare = deploy("");
  bare.strings.emplace_back(Str::provenance_artifact_digest, digest("ab").substr(7));
  EXPECT_EQ(after({attest("ab", "verified"), upper, bare}).verdicts(), (std::vector<std::string>{"attested", "attested"}));
}

TEST(Joins, an_attestation_counts_in_its_tenant_only) {
  Made other = attest("aa", "verified");
  other.tenant = "us";
  EXPECT_EQ(after({other, deploy("aa")}).verdicts(), std::vector<std::string>{"unattested"});
}

Made in_tenant(Made made, const std::string& tenant) {
  made.tenant = tenant;
  return made;
}

TEST(Joins, an_audit_log_that_names_no_tenant_joins_what_any_tenant_says_and_the_other_way_round) {
  const Made attested = attest("aa", "verified"), deployed = deploy("aa");
  EXPECT_EQ(after({in_tenant(attested, "us"), in_tenant(deployed, "")}).verdicts(), std::vector<std::string>{"attested"});
  EXPECT_EQ(after({in_tenant(attested, ""), in_tenant(deployed, "us")}).verdicts(), std::vector<std::string>{"attested"});
  EXPECT_EQ(after({in_tenant(attested, ""), in_tenant(deployed, "")}).verdicts(), std::vector<std::string>{"attested"});
}

TEST(Joins, of_statements_with_and_without_a_tenant_the_better_counts_and_of_decisions_the_last) {
  const std::string rule = policy(R"("approved":"human","builders":["https://good/*"])");
  const auto why = [&](const std::vector<Made>& events) {
    const Outcome outcome = after(events, rule);
    return outcome.alerts.size() == 1 ? outcome.alerts[0]["explanation"]["observed"].get<std::string>() : "no alert";
  };
  const Made good = attest("aa", "verified", monday, "https://good/runner"), bad = attest("aa", "failed", monday, "https://bad/");
  const Made other = attest("aa", "verified", monday, "https://other/");
  const Made yes = approve("aa", "jane"), no = approve("aa", "jo", "rejected");
  for (const std::string user : {"", "us"}) {
    const std::string one = user, two = user.empty() ? "us" : "";
    const Made use = in_tenant(deploy("aa"), user);
    EXPECT_EQ(why({in_tenant(good, one), in_tenant(bad, two), in_tenant(yes, two), use}), "no alert");
    EXPECT_EQ(why({in_tenant(bad, one), in_tenant(good, two), in_tenant(yes, one), use}), "no alert");
    EXPECT_EQ(why({in_tenant(other, one), in_tenant(good, two), in_tenant(yes, one), use}), "no alert");
    EXPECT_EQ(why({in_tenant(good, one), in_tenant(other, two), in_tenant(yes, one), use}),
              "it was built by https://other/, the wrong builder") << "of two verified ones the last counts";
    EXPECT_EQ(why({in_tenant(good, one), in_tenant(yes, one), in_tenant(no, two), use}), "it was rejected");
    EXPECT_EQ(why({in_tenant(good, one), in_tenant(no, one), in_tenant(yes, two), use}), "no alert");
  }
}

TEST(Joins, what_one_tenant_decides_is_neither_approval_nor_rejection_to_another) {
  const std::string rule = policy(R"("approved":"any")");
  const Made shared = in_tenant(attest("aa", "verified"), "");
  const Outcome approved = after({shared, in_tenant(approve("aa", "eve"), "us"), deploy("aa")}, rule);
  ASSERT_EQ(approved.alerts.size(), 1u);
  EXPECT_EQ(approved.alerts[0]["explanation"]["observed"], "nobody approved it");
  const Outcome rejected =
      after({shared, approve("aa", "jane"), in_tenant(approve("aa", "eve", "rejected"), "us"), deploy("aa")}, rule);
  EXPECT_TRUE(rejected.alerts.empty());
  EXPECT_EQ(rejected.joins[0]["explanation"]["approved_by"], "jane");
}

TEST(Joins, an_exception_keeps_the_rule_silent_and_the_join_is_told_all_the_same) {
  const Outcome outcome = after({deploy("aa")}, policy("", R"([{"id":"legacy","rules":["signed"],"where":"app == pay","owner":"jane",
      "reason":"moves in May","until":"2027-01-01T00:00:00Z"}])"));
  EXPECT_EQ(outcome.verdicts(), std::vector<std::string>{"unattested"});
  EXPECT_TRUE(outcome.alerts.empty());
}

TEST(Joins, have_columns_to_be_found_by) {
  Machine machine;
  Stream stream;
  stream.add(attest("aa", "verified"));
  stream.add(approve("aa", "jane"));
  stream.add(deploy("aa"));
  std::vector<OwnRecord> records;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 10; }, records);
  ASSERT_EQ(records.size(), 1u);
  const Event& columns = *records[0].columns;
  EXPECT_EQ(columns.get(Str::operation), "attestation_join");
  EXPECT_EQ(columns.get(Str::provenance_artifact_digest), digest("aa"));
  EXPECT_EQ(columns.get(Num::provenance_status), number(enums::provenance_status, "verified"));
  EXPECT_EQ(columns.get(Str::approval_approver), "jane");
  EXPECT_EQ(columns.get(Str::app), "pay");
  EXPECT_EQ(columns.get(Str::principal), "ci:acme/pay");
  EXPECT_EQ(machine.engine->status().attestation_joins, 1u);
}

TEST(Joins, a_flood_of_statements_pushes_out_what_nobody_has_verified_first_and_is_counted) {
  Machine machine;
  Stream stream;
  stream.add(attest("aa", "verified"));
  for (int i = 0; i < 20'000; ++i) stream.add(attest("f" + std::to_string(i), "unverified", monday + second));
  stream.add(deploy("aa"));
  std::vector<OwnRecord> records;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 500; }, records);
  const Outcome outcome = sorted(parsed(records));
  EXPECT_EQ(outcome.verdicts(), std::vector<std::string>{"attested"});
  EXPECT_GT(machine.engine->status().evictions, 10'000u);
  EXPECT_LE(machine.engine->status().memory_bytes, small_config().memory_bytes);
}

TEST(Joins, when_too_many_wait_those_due_first_are_judged_early_and_none_is_lost) {
  Machine machine;
  Stream stream;
  stream.policy(policy(R"("risk_tiers":["critical"])"));
  stream.tick(0, {}, {0});
  constexpr int many = 2'000;
  for (int i = 0; i < many; ++i) stream.add(deploy("d" + std::to_string(i), monday + i));
  std::vector<OwnRecord> records;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 100; }, records);
  const auto status = machine.engine->status();
  EXPECT_GT(records.size(), 0u);
  EXPECT_LT(status.pending_attestations, 500u);
  EXPECT_EQ(status.attestation_joins + status.pending_attestations, static_cast<std::uint64_t>(many));
}

/// A random mix of everything above.
Stream mixed() {
  Stream stream;
  std::mt19937_64 random(11);
  const auto one_of = [&](const std::vector<std::string>& words) { return words[random() % words.size()]; };
  stream.policy(policy(R"("builders":["https://ci.*"],"uses":["deploy","runtime"],"grace":"2m")"));
  stream.tick(0, {}, {0});
  for (int i = 0; i < 4'000; ++i) {
    const std::string artifact = "a" + std::to_string(random() % 300);
    const std::int64_t time = monday + i * second;
    if (i == 2'500) stream.policy(policy(R"("approved":"any","uses":["runtime","deploy"])"));
    switch (random() % 4) {
      case 0: stream.add(attest(artifact, one_of({"verified", "unverified", "failed", "expired"}), time, one_of({"https://ci.x", "https://else.x", ""}))); break;
      case 1: stream.add(approve(artifact, one_of({"jane", "ci:acme/pay"}), one_of({"approved", "rejected"}), "user", time)); break;
      case 2: stream.add(deploy(artifact, time)); break;
      default: stream.add(runs(artifact, time)); break;
    }
  }
  stream.tick(monday + 3 * hour, {0});
  return stream;
}

TEST(Joins, a_replay_from_a_snapshot_and_other_cuts_give_the_same_records_byte_for_byte) {
  const Stream stream = mixed();
  Machine straight;
  std::vector<OwnRecord> expected;
  stream.feed(*straight.engine, 0, stream.size(), [] { return 64; }, expected);
  EXPECT_GT(sorted(parsed(expected)).joins.size(), 500u);
  EXPECT_GT(sorted(parsed(expected)).alerts.size(), 50u);
  for (const std::size_t at : {std::size_t{700}, std::size_t{2'499}, std::size_t{3'800}}) {
    Machine first, second;
    std::vector<OwnRecord> records;
    stream.feed(*first.engine, 0, at, [] { return 7; }, records);
    const std::string snapshot = first.engine->snapshot();
    const auto restored = second.engine->restore(snapshot);
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(second.engine->snapshot(), snapshot);
    stream.feed(*second.engine, at, stream.size(), [] { return 1'000; }, records);
    EXPECT_EQ(bodies(records), bodies(expected)) << "snapshot at " << at;
  }
}

TEST(AttestationRule, mistakes_are_named) {
  const auto error = [](const std::string& members) {
    const auto parsed_policy = Policy::parse(policy(members));
    return parsed_policy ? std::string("accepted") : parsed_policy.error().message;
  };
  EXPECT_THAT(error(R"("uses":["deployment"])"), HasSubstr("rules[0].uses: 'deployment' is none of: deploy, runtime"));
  EXPECT_THAT(error(R"("kinds":["slsa"])"), HasSubstr("rules[0].kinds"));
  EXPECT_THAT(error(R"("approved":"humans")"), HasSubstr("did you mean 'human'?"));
  EXPECT_THAT(error(R"("builder":["x"])"), HasSubstr("did you mean 'builders'?"));
  EXPECT_THAT(error(R"("grace":"soon")"), HasSubstr("rules[0].grace"));
  EXPECT_EQ(error(R"("risk_tiers":["high"],"builders":["a*"],"kinds":["vsa"],"approved":"any","accept_claims":true)"), "accepted");
}

}  // namespace
}  // namespace tidewaiter::detect
