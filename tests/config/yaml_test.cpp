#include "app/yaml_tree.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tidewaiter::app {
namespace {

using nlohmann::json;

json value_of(const std::string& text, bool expand = false) {
  std::vector<Finding> findings;
  YamlTree tree = read_yaml(text, "f.yaml", expand, findings);
  EXPECT_TRUE(findings.empty()) << to_text(findings[0]);
  return tree.value;
}

std::string finding_of(const std::string& text, bool expand = false) {
  std::vector<Finding> findings;
  read_yaml(text, "f.yaml", expand, findings);
  return findings.size() == 1 ? to_text(findings[0]) : std::to_string(findings.size()) + " findings";
}

TEST(Yaml, plain_scalars_have_a_type_and_quoted_ones_are_text) {
  EXPECT_EQ(value_of("[1, -2, 1.5, true, null, ~, yes, '1', \"true\", 0x10, 1e3, 10MB, +4, -, 18446744073709551615]"),
            json::parse(R"([1, -2, 1.5, true, null, null, "yes", "1", "true", "0x10", 1000.0, "10MB", 4, "-", 18446744073709551615])"));
  EXPECT_EQ(value_of("a: {b: [x, {c: d}]}"), json::parse(R"({"a": {"b": ["x", {"c": "d"}]}})"));
  EXPECT_EQ(value_of(""), json());
}

TEST(Yaml, every_value_knows_its_line) {
  std::vector<Finding> findings;
  const YamlTree tree = read_yaml("a: 1\nb:\n  - x\n  - y/z: 2\n", "f.yaml", false, findings);
  EXPECT_EQ(tree.place_of("/a").line, 1);
  EXPECT_EQ(tree.place_of("/b/1").line, 4);
  EXPECT_EQ(tree.place_of("/b/1/y~1z").line, 4);
  EXPECT_EQ(tree.place_of("/b/1/not there").line, 4);
  EXPECT_EQ(tree.place_of("/c").line, 1);
}

TEST(Yaml, a_key_that_is_there_twice_is_an_error) {
  EXPECT_EQ(finding_of("a:\n  b: 1\n  c: 2\n  b: 3\n"), "f.yaml:4: a.b: this key is there twice (first in line 2)");
}

TEST(Yaml, broken_text_is_named_by_line) {
  EXPECT_EQ(finding_of("a: 1\nb: [1, 2\n").substr(0, 21), "f.yaml:3: not YAML: e");
  EXPECT_EQ(finding_of("a: b: c\n").substr(0, 8), "f.yaml:1");
}

TEST(Yaml, an_alias_bomb_is_refused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_NE(finding_of(bomb).find("too large"), std::string::npos);
}

TEST(Yaml, environment_variables_are_expanded_with_defaults) {
  ::setenv("TIDEWAITER_TEST_PORT", "9092", 1);
  ::unsetenv("TIDEWAITER_TEST_NONE");
  EXPECT_EQ(value_of("- h:${TIDEWAITER_TEST_PORT}\n- ${TIDEWAITER_TEST_PORT}\n- ${TIDEWAITER_TEST_NONE:-x}\n- $${A}\n- a$b\n", true),
            json::parse(R"(["h:9092", 9092, "x", "${A}", "a$b"])"));
  EXPECT_EQ(value_of("'${TIDEWAITER_TEST_PORT}'"), "${TIDEWAITER_TEST_PORT}");
  EXPECT_NE(finding_of("a: ${TIDEWAITER_TEST_NONE}", true).find("f.yaml:1: a: the environment variable TIDEWAITER_TEST_NONE is not set"),
            std::string::npos);
  EXPECT_NE(finding_of("a: \"${never\"", true).find("never closed"), std::string::npos);
  EXPECT_NE(finding_of("a: \"${1x}\"", true).find("no name"), std::string::npos);
}

TEST(Yaml, keys_are_written_as_people_do) {
  EXPECT_EQ(key_of_pointer("/kafka/topics/0"), "kafka.topics[0]");
  EXPECT_EQ(key_of_pointer("/kafka/properties/a~1b~0c"), "kafka.properties.a/b~c");
  EXPECT_EQ(key_of_pointer(""), "");
}

}  // namespace
}  // namespace tidewaiter::app
