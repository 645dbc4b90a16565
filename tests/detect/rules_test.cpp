// Every kind of policy rule through the whole engine.
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

constexpr auto cap_expires = Num::capability_expires;

std::string rules(const std::string& list, const std::string& exceptions = "[]") {
  return R"({"version":1,"rules":[)" + list + R"(],"exceptions":)" + exceptions + "}";
}

Made leak(std::int64_t time) {
  Made made;
  made.tier = "high";
  made.data_class = "pii";
  made.host = "files.example.org";
  made.category = "public";
  made.time = time;
  return made;
}
const std::string flow_rule =
    R"({"id":"no-pii","type":"forbidden_flow","risk_tiers":["high"],"data_classes":["pii"],"destinations":["public"]})";

TEST(Rules, a_forbidden_flow_is_alerted_at_once_with_the_event_as_evidence) {
  Stream stream;
  stream.policy(rules(flow_rule));
  stream.add(leak(monday));
  const auto alerts = judge(stream);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["rule"], "no-pii");
  EXPECT_EQ(alerts[0]["detector"], "policy");
  EXPECT_EQ(alerts[0]["entity"]["id"], "agent:a");
  EXPECT_EQ(alerts[0]["evidence"][0]["seq"], 0);
  EXPECT_EQ(alerts[0]["evidence"][0]["log"], "agent-high");
  EXPECT_NE(alerts[0]["title"].get<std::string>().find("sent pii data to files.example.org (public)"), std::string::npos);
}

TEST(Rules, another_tier_class_or_destination_is_no_forbidden_flow) {
  Stream stream;
  stream.policy(rules(flow_rule));
  for (int i = 0; i < 3; ++i) {
    Made made = leak(monday + i * second);
    if (i == 0) made.tier = "low";
    if (i == 1) made.data_class = "public";
    if (i == 2) made.category = "partner";
    stream.add(made);
  }
  EXPECT_TRUE(judge(stream).empty());
}

TEST(Rules, the_same_rule_and_entity_is_told_once_an_hour_and_the_rest_in_a_digest) {
  Stream stream;
  stream.policy(rules(flow_rule));
  for (int i = 0; i < 10; ++i) stream.add(leak(monday + i * minute));
  stream.add(leak(monday + 90 * minute));
  stream.tick(monday + day + minute, {0});
  const auto alerts = judge(stream);
  EXPECT_EQ(count_rule(alerts, "no-pii"), 2u);
  ASSERT_EQ(alerts.size(), 3u);
  EXPECT_EQ(alerts[2]["kind"], "suppressed_digest");
  EXPECT_EQ(alerts[2]["explanation"]["repeats"], 9);
}

TEST(Rules, an_exception_keeps_a_rule_silent_until_it_ends_and_is_counted_per_hour) {
  Stream stream;
  stream.policy(rules(flow_rule, R"([{"id":"pilot","rules":["no-pii"],"where":"app == billing","owner":"jane",
      "reason":"pilot","until":"2025-09-01T02:00:00Z"}])"));
  for (int i = 0; i < 5; ++i) stream.add(leak(monday + i * minute));
  stream.add(leak(monday + 3 * hour));
  stream.tick(monday + 5 * hour, {0});
  const auto alerts = judge(stream);
  EXPECT_EQ(count_rule(alerts, "no-pii"), 1u);
  const auto used = std::ranges::find(alerts, nlohmann::json("exception_used"), [](const auto& a) { return a["kind"]; });
  ASSERT_NE(used, alerts.end());
  EXPECT_EQ((*used)["explanation"]["uses"], 5);
  EXPECT_EQ((*used)["explanation"]["owner"], "jane");
}

TEST(Rules, an_unapproved_destination_is_what_no_allowed_category_host_or_network_covers) {
  Stream stream;
  stream.policy(rules(R"({"id":"allow","type":"unapproved_destination","risk_tiers":["high"],
      "allow":{"categories":["internal"],"hosts":["saas.example"],"cidrs":["203.0.113.0/24"]}})"));
  Made made = leak(monday);
  for (const char* host : {"api.saas.example", "saas.example", "notsaas.example"}) {
    made.host = host;
    stream.add(made);
    made.time += 2 * hour;
  }
  const auto alerts = judge(stream);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["dst_host"], "notsaas.example");
}

TEST(Rules, an_action_outside_the_scopes_of_its_token_breaks_the_capability_rule) {
  Stream stream;
  stream.policy(rules(R"({"id":"cap","type":"capability","principal_types":["agent"]})"));
  const auto with = [&](const std::string& principal, const std::string& scopes, const std::string& action,
                        std::int64_t expires) {
    Made made;
    made.principal = principal;
    made.action = action;
    made.strings = {{Str::capability_scopes, scopes}, {Str::tool_name, "db.query"}};
    if (expires != 0) made.numbers = {{cap_expires, static_cast<std::uint64_t>(expires)}};
    stream.add(made);
  };
  with("agent:1", "read send", "read", monday + hour);
  with("agent:2", "read send", "execute", monday + hour);
  with("agent:3", "db.*", "execute", monday + hour);
  with("agent:4", "read", "read", monday - hour);
  Made bare;
  bare.principal = "agent:5";
  stream.add(bare);
  const auto alerts = judge(stream);
  std::vector<std::string> who;
  for (const auto& alert : alerts) who.push_back(alert["entity"]["id"]);
  EXPECT_EQ(who, (std::vector<std::string>{"agent:2", "agent:4", "agent:5"}));
  EXPECT_NE(alerts[1]["title"].get<std::string>().find("expired 60 min before"), std::string::npos);
}

TEST(Rules, a_scope_may_join_server_and_tool_or_action_and_resource) {
  Stream stream;
  stream.policy(rules(R"({"id":"cap","type":"capability","principal_types":["agent"]})"));
  int agents = 0;
  std::vector<std::string> outside;
  const auto with = [&](const std::string& scope, bool inside) {
    Made made;
    made.principal = "agent:" + std::to_string(++agents);
    made.action = "read";
    made.strings = {{Str::capability_scopes, scope}, {Str::tool_name, "query"}, {Str::tool_server, "crm"},
                    {Str::resource, "orders/17"}};
    stream.add(made);
    if (!inside) outside.push_back(made.principal);
  };
  with("crm/query", true);
  with("crm/*", true);
  with("*m/qu?ry", true);
  with("crm/quer", false);
  with("crm/query2", false);
  with("cr/mquery", false);
  with("/query", false);
  with("read:orders/17", true);
  with("read:*", true);
  with("r*:orders/??", true);
  with("read:orders", false);
  with("write:*", false);
  std::vector<std::string> who;
  for (const auto& alert : judge(stream)) who.push_back(alert["entity"]["id"]);
  EXPECT_EQ(who, outside);
}

Made deploy(std::int64_t time, const std::string& id) {
  Made made;
  made.principal = "ci:billing";
  made.principal_type = "ci_job";
  made.action = "deploy";
  made.bytes = 0;
  made.time = time;
  if (!id.empty()) made.strings = {{Str::approval_id, id}};
  return made;
}
Made approval(std::int64_t time, const std::string& id, const std::string& kind, const std::string& decision = "approved") {
  Made made;
  made.principal = kind == "user" ? "jane.doe" : "agent:b";
  made.principal_type = kind;
  made.action = "approve";
  made.bytes = 0;
  made.time = time;
  made.partition = 1;
  made.strings = {{Str::approval_id, id}, {Str::approval_approver, made.principal}};
  made.numbers = {{Num::approval_decision, enums::approval_decision.find(decision).value()},
                  {Num::approval_approver_type, enums::principal_type.find(kind).value()}};
  return made;
}
const std::string approval_rule = R"({"id":"deploy","type":"approval","where":"action == deploy","grace":"2m","grace_named":"1h"})";

TEST(Rules, a_deployment_that_a_human_approved_before_is_silent) {
  Stream stream;
  stream.policy(rules(approval_rule));
  stream.add(approval(monday, "A1", "user"));
  stream.add(deploy(monday + minute, "A1"));
  stream.tick(monday + 3 * hour, {0, 1});
  EXPECT_TRUE(judge(stream).empty());
}

TEST(Rules, an_approval_that_arrives_later_but_was_given_before_counts) {
  Stream stream;
  stream.policy(rules(approval_rule));
  stream.add(deploy(monday + minute, "A1"));
  stream.add(approval(monday, "A1", "user"));
  stream.tick(monday + 3 * hour, {0, 1});
  EXPECT_TRUE(judge(stream).empty());
}

TEST(Rules, absence_is_judged_when_the_watermark_passes_event_time_and_grace_and_not_before) {
  Stream stream;
  stream.policy(rules(approval_rule));
  stream.add(deploy(monday, ""));
  stream.tick(monday + minute, {0});
  const std::size_t early = stream.size();
  stream.tick(monday + 3 * minute, {0});
  Machine machine;
  std::vector<OwnRecord> alerts;
  stream.feed(*machine.engine, 0, early, [] { return 1; }, alerts);
  EXPECT_TRUE(alerts.empty());
  EXPECT_EQ(machine.engine->status().pending_approvals, 1u);
  stream.feed(*machine.engine, early, stream.size(), [] { return 1; }, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(parsed(alerts)[0]["time"], "2025-09-01T00:02:00Z");
}

TEST(Rules, an_approval_that_is_named_but_not_seen_is_waited_for_longer) {
  Stream stream;
  stream.policy(rules(approval_rule));
  stream.add(deploy(monday, "A1"));
  stream.tick(monday + 30 * minute, {0});
  EXPECT_TRUE(judge(stream).empty());
  stream.tick(monday + 61 * minute, {0});
  EXPECT_EQ(judge(stream).size(), 1u);
}

TEST(Rules, the_word_of_an_agent_ones_own_word_a_later_word_and_a_rejection_are_no_approval) {
  const auto why = [](const Made& given) {
    Stream stream;
    stream.policy(rules(approval_rule));
    stream.add(given);
    stream.add(deploy(monday + minute, "A1"));
    stream.tick(monday + 3 * hour, {0, 1});
    const auto alerts = judge(stream);
    return alerts.size() == 1 ? alerts[0]["explanation"]["observed"].get<std::string>() : std::string("no alert");
  };
  EXPECT_EQ(why(approval(monday, "A1", "agent")), "it was approved by no human");
  EXPECT_EQ(why(approval(monday + 90 * second, "A1", "user")), "the approval came only after it");
  EXPECT_EQ(why(approval(monday, "A1", "user", "rejected")), "it was not approved, but rejected or deferred");
  Made own = approval(monday, "A1", "user");
  own.strings[1].second = "ci:billing";
  EXPECT_EQ(why(own), "who did it approved it");
}

TEST(Rules, an_egress_cap_breaks_once_per_window_at_the_event_that_passes_it) {
  Stream stream;
  stream.policy(rules(R"({"id":"cap","type":"egress_cap","window":"1h","bytes":"1GB"})"));
  Made made;
  made.category = "partner";
  made.bytes = 400'000'000;
  for (int i = 0; i < 5; ++i) {
    made.time = monday + i * minute;
    stream.add(made);
  }
  const auto alerts = judge(stream);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["explanation"]["observed"], 1'200'000'000);
  EXPECT_EQ(alerts[0]["entity"]["type"], "app");
}

TEST(Rules, bytes_that_stay_inside_or_come_from_another_observer_do_not_add_up) {
  Stream stream;
  stream.policy(rules(R"({"id":"cap","type":"egress_cap","window":"1h","bytes":"1GB"})"));
  Made made;
  made.bytes = 700'000'000;
  made.category = "internal";
  stream.add(made);
  stream.add(made);
  made.category = "partner";
  made.observer = "sensor-1";
  stream.add(made);
  made.observer = "sensor-2";
  stream.add(made);
  EXPECT_TRUE(judge(stream).empty());
}

TEST(Rules, a_generic_rule_alerts_what_its_filter_matches) {
  Stream stream;
  stream.policy(rules(R"({"id":"odd","type":"where","severity":"low","where":"app == billing and bytes_out > 1MB"})"));
  Made made;
  stream.add(made);
  made.bytes = 2'000'000;
  stream.add(made);
  const auto alerts = judge(stream);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["severity"], "low");
}

TEST(Rules, a_policy_takes_effect_where_it_stands_in_the_log) {
  Stream stream;
  stream.add(leak(monday));
  stream.policy(rules(flow_rule));
  stream.add(leak(monday + 2 * hour));
  stream.policy(rules(""));
  stream.add(leak(monday + 4 * hour));
  const auto alerts = judge(stream);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["time"], "2025-09-01T02:00:00Z");
}

TEST(Rules, a_late_event_is_judged_by_policy_and_marked) {
  Stream stream;
  stream.policy(rules(flow_rule));
  Made now;
  now.time = monday + 5 * hour;
  stream.add(now);
  stream.tick(monday + 5 * hour, {0});
  stream.add(leak(monday));
  Machine machine;
  std::vector<OwnRecord> alerts;
  stream.feed(*machine.engine, 0, stream.size(), [] { return 1; }, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(parsed(alerts)[0]["late"], true);
  EXPECT_EQ(machine.engine->status().late_events, 1u);
}

}  // namespace
}  // namespace tidewaiter::detect
