#include "filter/filter.hpp"

#include <gtest/gtest.h>

#include "tests/filter/make_event.hpp"

namespace tidewaiter::filter {
namespace {

using test::make_event;

const std::int64_t now_ns = parse_rfc3339("2026-03-04T12:00:00Z").value();

Filter compiled(std::string_view text) {
  auto filter = Filter::compile(text, now_ns);
  EXPECT_TRUE(filter) << (filter ? "" : filter.error().message);
  return filter ? *filter : Filter();
}

bool match(std::string_view text, std::initializer_list<std::pair<std::string, std::string>> values) {
  return compiled(text).matches(make_event(values));
}

TEST(Filter, an_empty_text_matches_everything) {
  EXPECT_TRUE(match("", {}));
  EXPECT_TRUE(match("  \n ", {{"app", "crm"}}));
  EXPECT_TRUE(compiled("").matches_everything());
  EXPECT_TRUE(Filter().matches(make_event({})));
  EXPECT_EQ(Filter().canonical(), "true");
}

TEST(Filter, true_and_false_are_constants) {
  EXPECT_TRUE(match("true", {}));
  EXPECT_FALSE(match("false", {}));
  EXPECT_FALSE(match("not true", {}));
  EXPECT_TRUE(match("app == x or true", {}));
  EXPECT_FALSE(match("FALSE", {}));
}

TEST(Filter, text_is_equal_byte_for_byte) {
  EXPECT_TRUE(match("app == crm", {{"app", "crm"}}));
  EXPECT_TRUE(match("app = crm", {{"app", "crm"}}));
  EXPECT_FALSE(match("app == CRM", {{"app", "crm"}}));
  EXPECT_FALSE(match("app == crm", {{"app", "crm2"}}));
  EXPECT_TRUE(match("app == ''", {{"app", ""}}));
  EXPECT_TRUE(match("app == \"it's \\\"so\\\"\"", {{"app", "it's \"so\""}}));
}

TEST(Filter, a_missing_column_matches_no_test) {
  for (const char* text : {"app == x", "app != x", "app in (x)", "app not in (x)", "app like '*'", "app not like x",
                           "app ~ ''", "app !~ x", "bytes_out != 1", "bytes_out >= 0", "risk_tier != high",
                           "data_classes has pii", "data_classes not has pii", "dst_ip != 10.0.0.1", "time != now"})
    EXPECT_FALSE(match(text, {{"role", "r"}})) << text;
}

TEST(Filter, not_turns_the_verdict_of_what_it_holds_even_if_the_column_is_missing) {
  EXPECT_TRUE(match("not (app == x)", {}));
  EXPECT_TRUE(match("not app == x", {}));
  EXPECT_TRUE(match("!(app != x)", {}));
  EXPECT_FALSE(match("not not app == x", {}));
  EXPECT_FALSE(match("not (app == x)", {{"app", "x"}}));
}

TEST(Filter, and_binds_stronger_than_or) {
  EXPECT_TRUE(match("app == a or app == b and role == r", {{"app", "a"}}));
  EXPECT_FALSE(match("(app == a or app == b) and role == r", {{"app", "a"}}));
  EXPECT_TRUE(match("app == a && role == r || role == s", {{"role", "s"}}));
  EXPECT_TRUE(match("app == a AND NOT role == r", {{"app", "a"}, {"role", "s"}}));
}

TEST(Filter, numbers_take_sizes_in_powers_of_1000_and_1024) {
  EXPECT_TRUE(match("bytes_out > 10MB", {{"bytes_out", "10000001"}}));
  EXPECT_FALSE(match("bytes_out > 10MB", {{"bytes_out", "10000000"}}));
  EXPECT_TRUE(match("bytes_out == 1KiB", {{"bytes_out", "1024"}}));
  EXPECT_TRUE(match("bytes_out == 1.5kb", {{"bytes_out", "1500"}}));
  EXPECT_TRUE(match("bytes_out <= 18446744073709551615", {{"bytes_out", "18446744073709551615"}}));
  EXPECT_FALSE(match("bytes_out > 18446744073709551615", {{"bytes_out", "18446744073709551615"}}));
  EXPECT_FALSE(match("bytes_out < 0", {{"bytes_out", "0"}}));
  EXPECT_TRUE(match("bytes_out != 5", {{"bytes_out", "6"}}));
  EXPECT_TRUE(match("dst_port in (443, 80, 8443,)", {{"dst_port", "80"}}));
  EXPECT_FALSE(match("dst_port not in (443, 80)", {{"dst_port", "80"}}));
}

TEST(Filter, the_order_of_risk_tiers_leaves_unknown_out) {
  EXPECT_TRUE(match("risk_tier >= high", {{"risk_tier", "critical"}}));
  EXPECT_TRUE(match("risk_tier >= high", {{"risk_tier", "high"}}));
  EXPECT_FALSE(match("risk_tier >= high", {{"risk_tier", "medium"}}));
  EXPECT_TRUE(match("risk_tier < high", {{"risk_tier", "low"}}));
  EXPECT_FALSE(match("risk_tier < high", {{"risk_tier", "unknown"}}));
  EXPECT_FALSE(match("risk_tier > critical", {{"risk_tier", "critical"}}));
  EXPECT_TRUE(match("risk_tier == unknown", {{"risk_tier", "unknown"}}));
  EXPECT_TRUE(match("severity <= medium", {{"severity", "informational"}}));
}

TEST(Filter, enumerations_and_sets_compare_by_word) {
  EXPECT_TRUE(match("family in (agent, ci)", {{"family", "ci"}}));
  EXPECT_FALSE(match("family != agent", {{"family", "agent"}}));
  EXPECT_TRUE(match("family in agent", {{"family", "agent"}}));
  EXPECT_TRUE(match("data_classes has pii", {{"data_classes", "public,pii"}}));
  EXPECT_TRUE(match("data_classes in (pii, phi)", {{"data_classes", "phi"}}));
  EXPECT_FALSE(match("data_classes in (pii, phi)", {{"data_classes", "public"}}));
  EXPECT_TRUE(match("data_classes not has pii", {{"data_classes", "public"}}));
  EXPECT_TRUE(match("flags has truncated_column", {{"flags", "3"}}));
  EXPECT_FALSE(match("flags has wrapped", {{"flags", "3"}}));
}

TEST(Filter, addresses_compare_with_addresses_and_blocks) {
  EXPECT_TRUE(match("dst_ip in 10.0.0.0/8", {{"dst_ip", "10.255.255.255"}}));
  EXPECT_FALSE(match("dst_ip in 10.0.0.0/8", {{"dst_ip", "11.0.0.0"}}));
  EXPECT_TRUE(match("dst_ip in (192.168.0.0/16, 10.1.0.0/16, 10.0.0.0/8)", {{"dst_ip", "10.2.0.1"}}));
  EXPECT_TRUE(match("dst_ip == 1.2.3.4", {{"dst_ip", "::ffff:1.2.3.4"}}));
  EXPECT_TRUE(match("dst_ip in fe80::/10", {{"dst_ip", "fe80::1"}}));
  EXPECT_FALSE(match("dst_ip in 0.0.0.0/0", {{"dst_ip", "fe80::1"}}));
  EXPECT_TRUE(match("dst_ip in ::/0", {{"dst_ip", "9.9.9.9"}}));
  EXPECT_TRUE(match("dst_ip not in (10.0.0.0/8, 2001:db8::/32)", {{"dst_ip", "2001:db9::"}}));
}

TEST(Filter, strings_are_searched_by_prefix_suffix_substring_and_glob) {
  EXPECT_TRUE(match("dst_host startswith api.", {{"dst_host", "api.example.com"}}));
  EXPECT_TRUE(match("dst_host endswith .com", {{"dst_host", "api.example.com"}}));
  EXPECT_TRUE(match("operation contains del", {{"operation", "bulk_delete"}}));
  EXPECT_FALSE(match("operation not contains del", {{"operation", "bulk_delete"}}));
  EXPECT_TRUE(match("dst_host like *.example.com", {{"dst_host", "a.b.example.com"}}));
  EXPECT_FALSE(match("dst_host like *.example.com", {{"dst_host", "example.com"}}));
  EXPECT_TRUE(match("dst_host like a*b*c", {{"dst_host", "a-bb-bc"}}));
  EXPECT_TRUE(match("app like 'caf?'", {{"app", "caf\xC3\xA9"}}));
  EXPECT_TRUE(match("app like '100\\*'", {{"app", "100*"}}));
  EXPECT_FALSE(match("app like '100\\*'", {{"app", "1000"}}));
  EXPECT_TRUE(match("app like ''", {{"app", ""}}));
  EXPECT_TRUE(match("app like '**'", {{"app", ""}}));
}

TEST(Filter, a_regular_expression_matches_anywhere) {
  EXPECT_TRUE(match("principal ~ \"^bot-\\d+$\"", {{"principal", "bot-42"}}));
  EXPECT_TRUE(match("principal ~ 'o+'", {{"principal", "foo"}}));
  EXPECT_TRUE(match("principal ~ '(?i)FOO'", {{"principal", "a foo"}}));
  EXPECT_FALSE(match("principal !~ 'o+'", {{"principal", "foo"}}));
}

TEST(Filter, scopes_are_a_list_of_words) {
  EXPECT_TRUE(match("capability.scopes has crm:read", {{"capability.scopes", "crm:write crm:read"}}));
  EXPECT_FALSE(match("capability.scopes has crm", {{"capability.scopes", "crm:write crm:read"}}));
  EXPECT_TRUE(match("capability.scopes contains 'e c'", {{"capability.scopes", "crm:write crm:read"}}));
}

TEST(Filter, times_are_absolute_or_count_from_now) {
  const std::string noon = "2026-03-04T12:00:00Z";
  EXPECT_TRUE(match("time == now", {{"time", noon}}));
  EXPECT_TRUE(match("time >= -1h", {{"time", "2026-03-04T11:00:00Z"}}));
  EXPECT_FALSE(match("time >= -1h", {{"time", "2026-03-04T10:59:59.999999999Z"}}));
  EXPECT_TRUE(match("time >= now-7d and time < now+1ms", {{"time", noon}}));
  EXPECT_TRUE(match("time < 2026-03-05", {{"time", noon}}));
  EXPECT_FALSE(match("time < 2026-03-04", {{"time", noon}}));
  EXPECT_TRUE(match("time == 2026-03-04T12:00", {{"time", noon}}));
  EXPECT_TRUE(match("time == 2026-03-04T13:00:00.000+01:00", {{"time", noon}}));
  EXPECT_TRUE(match("time > 1969-12-31", {{"time", "1970-01-01T00:00:00Z"}}));
  EXPECT_TRUE(match("time < 1970-01-01", {{"time", "1969-12-31T23:59:59Z"}}));
}

TEST(Filter, exists_asks_for_a_column_or_for_any_of_a_group) {
  EXPECT_TRUE(match("exists(approval.id)", {{"approval.id", "7"}}));
  EXPECT_FALSE(match("exists(approval.id)", {{"approval.approver", "eve"}}));
  EXPECT_TRUE(match("exists(approval)", {{"approval.approver", "eve"}}));
  EXPECT_TRUE(match("exists(dst_ip)", {{"dst_ip", "1.1.1.1"}}));
  EXPECT_TRUE(match("not exists(approval)", {{"app", "x"}}));
}

TEST(Filter, the_canonical_text_compiles_to_itself) {
  const std::pair<const char*, const char*> cases[] = {
      {"risk_tier=high and  dst_ip in 10.0.0.0/8", "risk_tier == high and dst_ip in (10.0.0.0/8)"},
      {"a" "pp == x or (role == 'y' or not (tenant != z))",
       "app == \"x\" or (role == \"y\" or not tenant != \"z\")"},
      {"(app == x or role == y) and bytes_out > 1KB", "(app == \"x\" or role == \"y\") and bytes_out > 1000"},
      {"not (not (app == x and role == y))", "not not (app == \"x\" and role == \"y\")"},
      {"time >= -1h", "time >= 2026-03-04T11:00:00Z"},
      {"app not like 'a\"b\\\\c'", "app not like \"a\\\"b\\\\c\""},
      {"not exists(agent)", "not exists(agent)"},
  };
  for (const auto& [text, canonical] : cases) {
    EXPECT_EQ(compiled(text).canonical(), canonical);
    EXPECT_EQ(compiled(canonical).canonical(), canonical);
  }
}

TEST(Filter, it_knows_the_columns_that_decide) {
  const ColumnSet set = compiled("app == x and (bytes_out > 1 or dst_ip in 10.0.0.0/8)").columns();
  EXPECT_EQ(set.strings, std::uint64_t{1} << static_cast<int>(Str::app));
  EXPECT_EQ(set.numbers, std::uint64_t{1} << static_cast<int>(Num::bytes_out) |
                             std::uint64_t{1} << (num_count + static_cast<std::size_t>(Addr::dst_ip)));
}

TEST(Filter, it_names_the_terms_that_every_match_has) {
  const Filter filter = compiled("(app == a or app in (b, c)) and role == r and tenant != t");
  const auto& terms = filter.required_terms();
  ASSERT_EQ(terms.size(), 2u);
  EXPECT_EQ(terms[0].column, Str::app);
  EXPECT_EQ(terms[0].any_of, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(terms[1].column, Str::role);
  EXPECT_TRUE(compiled("app == a or role == r").required_terms().empty());
  EXPECT_TRUE(compiled("not (app == a)").required_terms().empty());
}

TEST(Filter, copies_share_one_program) {
  const Filter one = compiled("app == x");
  const Filter other = one;  // NOLINT: the copy is what is tested
  EXPECT_EQ(&one.canonical(), &other.canonical());
  EXPECT_TRUE(other.matches(make_event({{"app", "x"}})));
}

}  // namespace
}  // namespace tidewaiter::filter
