// What a person is told who wrote a wrong filter.
#include <gmock/gmock.h>

#include "filter/filter.hpp"

namespace tidewaiter::filter {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string message(std::string_view text) {
  auto filter = Filter::compile(text, 0);
  return filter ? "no error" : filter.error().message;
}

TEST(FilterError, it_points_at_the_character_and_suggests_the_nearest_field) {
  EXPECT_EQ(message("app == x and risk_teir == high"),
            "column 14: unknown field 'risk_teir'; did you mean 'risk_tier'?\n"
            "  app == x and risk_teir == high\n"
            "               ^");
}

TEST(FilterError, it_suggests_the_nearest_word_of_an_enumeration) {
  EXPECT_THAT(message("risk_tier == hgih"), StartsWith("column 14: risk_tier has no word 'hgih'; did you mean 'high'?"));
  EXPECT_THAT(message("data_classes in (pii, hpi)"), HasSubstr("column 23"));
}

TEST(FilterError, it_finds_the_full_name_of_a_nested_field) {
  EXPECT_THAT(message("approver == x"), HasSubstr("did you mean 'approval.approver'?"));
  EXPECT_THAT(message("exists(aproval)"), HasSubstr("unknown field 'aproval'"));
  EXPECT_THAT(message("approval == x"), HasSubstr("a group of fields: ask exists(approval)"));
}

TEST(FilterError, it_counts_characters_not_bytes) {
  EXPECT_THAT(message("app == \"\xC3\xA9\xC3\xA9\" und role == x"), StartsWith("column 13: 'and' or 'or' was expected"));
}

TEST(FilterError, it_shows_the_line_of_the_error_only) {
  EXPECT_EQ(message("app == x\nand nope == y\nor role == z"),
            "column 14: unknown field 'nope'; did you mean 'role'?\n  and nope == y\n      ^");
}

TEST(FilterError, it_cuts_long_lines_around_the_place) {
  const std::string far(500, ' ');
  const std::string text = message("app == x" + far + "and nope == y" + far + "or role == z");
  EXPECT_LT(text.size(), 300u);
  EXPECT_THAT(text, HasSubstr("...\n"));
}

TEST(FilterError, an_operator_must_fit_the_type) {
  EXPECT_THAT(message("bytes_out like 1*"), HasSubstr("column 11: bytes_out is a number and takes no 'like'"));
  EXPECT_THAT(message("app > x"), HasSubstr("app is text and takes no '>'"));
  EXPECT_THAT(message("family >= ci"), HasSubstr("the words of family have no order"));
  EXPECT_THAT(message("data_classes == pii"), HasSubstr("takes no '==' (it takes has in)"));
  EXPECT_THAT(message("app has x"), HasSubstr("takes no 'has'"));
  EXPECT_THAT(message("risk_tier > unknown"), HasSubstr("stands outside the order"));
}

TEST(FilterError, a_value_must_fit_the_type) {
  EXPECT_THAT(message("bytes_out > ten"), HasSubstr("column 13: a number was expected"));
  EXPECT_THAT(message("bytes_out > -1"), HasSubstr("never negative"));
  EXPECT_THAT(message("bytes_out > 1.5"), HasSubstr("no whole number"));
  EXPECT_THAT(message("bytes_out > 99999999999TB"), HasSubstr("too large"));
  EXPECT_THAT(message("time > yesterday"), HasSubstr("a time was expected"));
  EXPECT_THAT(message("time > 2026-02-30"), HasSubstr("a time was expected"));
  EXPECT_THAT(message("dst_ip in 10.0.0.0/33"), HasSubstr("prefix length is 0 to 32"));
  EXPECT_THAT(message("dst_ip in 10.0.0.1/8"), HasSubstr("did you mean '10.0.0.0/8'?"));
  EXPECT_THAT(message("dst_ip == host"), HasSubstr("an address or a CIDR block was expected"));
  EXPECT_THAT(message("app ~ '('"), HasSubstr("not a regular expression: missing )"));
}

TEST(FilterError, what_is_missing_or_too_much_is_named) {
  EXPECT_THAT(message("app"), HasSubstr("an operator was expected behind 'app'"));
  EXPECT_THAT(message("app lik x"), HasSubstr("did you mean 'like'?"));
  EXPECT_THAT(message("app =="), HasSubstr("column 7: a value was expected here"));
  EXPECT_THAT(message("app == and"), HasSubstr("put it in quotes"));
  EXPECT_THAT(message("app == x role == y"), HasSubstr("'and' or 'or' was expected"));
  EXPECT_THAT(message("app == x, y"), HasSubstr("a list stands in parentheses"));
  EXPECT_THAT(message("(app == x"), HasSubstr("')' was expected"));
  EXPECT_THAT(message("app == x)"), HasSubstr("there is no '('"));
  EXPECT_THAT(message("app in (x y)"), HasSubstr("',' or ')' was expected"));
  EXPECT_THAT(message("app in ()"), HasSubstr("a value was expected"));
  EXPECT_THAT(message("app == 'x"), HasSubstr("column 8: this quote is never closed"));
  EXPECT_THAT(message("app == x & role == y"), HasSubstr("did you mean '&&'?"));
  EXPECT_THAT(message("'app' == x"), HasSubstr("no quotes"));
  EXPECT_THAT(message("app not == x"), HasSubstr("was expected behind 'not'"));
}

TEST(FilterError, nesting_and_size_are_bounded) {
  const std::string deep = std::string(100, '(') + "app == x" + std::string(100, ')');
  EXPECT_THAT(message(deep), HasSubstr("nested too deep"));
  std::string nots;
  for (int i = 0; i < 100; ++i) nots += "not ";
  EXPECT_THAT(message(nots + "app == x"), HasSubstr("nested too deep"));
  std::string wide = "app == x";
  for (int i = 0; i < 5000; ++i) wide += " or app == x";
  EXPECT_THAT(message(wide), HasSubstr("too many comparisons"));
  EXPECT_THAT(message(std::string(3 << 20, ' ')), HasSubstr("at most"));
  std::string regexes = "app ~ x";
  for (int i = 0; i < 64; ++i) regexes += " or app ~ x";
  EXPECT_THAT(message(regexes), HasSubstr("too many regular expressions"));
}

}  // namespace
}  // namespace tidewaiter::filter
