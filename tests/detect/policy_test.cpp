#include "detect/policy.hpp"

#include <gtest/gtest.h>

#include "core/text.hpp"
#include "detect/rule.hpp"

namespace tidewaiter::detect {
namespace {

std::string error_of(const std::string& json) {
  const auto policy = Policy::parse(json);
  return policy ? "accepted" : policy.error().message;
}

TEST(Policy, an_empty_policy_has_no_rules_and_calls_everything_public) {
  const auto policy = Policy::parse(R"({"version":1})");
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->rule_count(), 0u);
  EXPECT_EQ(policy->category_of("db.corp.example", nullptr), "public");
  EXPECT_EQ(policy->hash().size(), 64u);
}

TEST(Policy, an_unknown_key_is_named_with_its_place_and_the_nearest_valid_word) {
  const std::string error = error_of(R"({"version":1,"rules":[{"id":"x","type":"where","were":"app == a","where":"app == b"}]})");
  EXPECT_NE(error.find("rules[0].were"), std::string::npos) << error;
  EXPECT_NE(error.find("did you mean 'where'"), std::string::npos) << error;
}

TEST(Policy, a_wrong_word_of_an_enumeration_is_named_with_the_nearest_valid_one) {
  const std::string error = error_of(R"({"version":1,"rules":[{"id":"x","type":"forbidden_flow","risk_tiers":["hihg"],
      "data_classes":["pii"],"destinations":["public"]}]})");
  EXPECT_NE(error.find("rules[0].risk_tiers"), std::string::npos) << error;
  EXPECT_NE(error.find("did you mean 'high'"), std::string::npos) << error;
}

TEST(Policy, what_a_rule_cannot_do_without_is_asked_for) {
  EXPECT_NE(error_of(R"({"version":1,"rules":[{"id":"x","type":"egress_cap"}]})").find("bytes"), std::string::npos);
  EXPECT_NE(error_of(R"({"version":1,"rules":[{"id":"x","type":"approval"}]})").find("where"), std::string::npos);
  EXPECT_NE(error_of(R"({"version":1,"rules":[{"type":"where","where":"app == a"}]})").find("id"), std::string::npos);
  EXPECT_NE(error_of(R"({"version":2})").find("version"), std::string::npos);
  EXPECT_NE(error_of("[]").find("object"), std::string::npos);
}

TEST(Policy, a_filter_that_does_not_compile_is_refused_with_its_place) {
  EXPECT_NE(error_of(R"({"version":1,"rules":[{"id":"x","type":"where","where":"nofield == 1"}]})").find("rules[0].where"),
            std::string::npos);
}

TEST(Policy, an_exception_needs_an_owner_a_reason_and_an_end) {
  const std::string rule = R"("rules":[{"id":"x","type":"where","where":"app == a"}])";
  EXPECT_NE(error_of("{\"version\":1," + rule + R"(,"exceptions":[{"id":"e","rules":["x"],"reason":"r","until":"2026-01-01T00:00:00Z"}]})").find("owner"),
            std::string::npos);
  EXPECT_NE(error_of("{\"version\":1," + rule + R"(,"exceptions":[{"id":"e","rules":["x"],"owner":"o","reason":"r","until":"soon"}]})").find("until"),
            std::string::npos);
  EXPECT_NE(error_of("{\"version\":1," + rule + R"(,"exceptions":[{"id":"e","rules":["y"],"owner":"o","reason":"r","until":"2026-01-01T00:00:00Z"}]})").find("no rule 'y'"),
            std::string::npos);
}

TEST(Policy, two_rules_of_one_name_are_refused) {
  EXPECT_NE(error_of(R"({"version":1,"rules":[{"id":"x","type":"where","where":"app == a"},
      {"id":"x","type":"where","where":"app == b"}]})").find("twice"), std::string::npos);
}

TEST(Policy, destinations_are_found_by_host_suffix_and_by_network) {
  const auto policy = Policy::parse(R"({"version":1,"destinations":[
    {"category":"internal","hosts":["corp.example"],"cidrs":["10.0.0.0/8","fc00::/7"]},
    {"category":"partner","hosts":["partner.example"]}]})");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->category_of("corp.example", nullptr), "internal");
  EXPECT_EQ(policy->category_of("DB.Corp.Example", nullptr), "internal");
  EXPECT_EQ(policy->category_of("evilcorp.example", nullptr), "public");
  EXPECT_EQ(policy->category_of("api.partner.example", nullptr), "partner");
  const Ip inside = *parse_ip("10.9.8.7"), outside = *parse_ip("11.0.0.1"), six = *parse_ip("fd00::1");
  EXPECT_EQ(policy->category_of("", &inside), "internal");
  EXPECT_EQ(policy->category_of("", &outside), "public");
  EXPECT_EQ(policy->category_of("", &six), "internal");
}

TEST(Policy, globs_match_like_a_shell_does) {
  EXPECT_TRUE(glob_matches("files.*", "files.read"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*b?c", "axxbyc"));
  EXPECT_FALSE(glob_matches("files.*", "file.read"));
  EXPECT_FALSE(glob_matches("a?c", "ac"));
}

}  // namespace
}  // namespace tidewaiter::detect
