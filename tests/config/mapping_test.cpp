// Mapping files as their writers get them wrong: every mistake is told, at once, by line, key and remedy; what is right is not.
#include <gmock/gmock.h>

#include "app/config.hpp"
#include "app/config_checks.hpp"
#include "ingest/parser.hpp"
#include "tests/config/folder.hpp"

namespace tidewaiter::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::string_view good = R"({
  "format": "turnstile", "number": 1001, "version": 1,
  "events": ["batch.entries[]"],
  "detect": {"any": [["door", "who"]]},
  "fields": {
    "time": {"path": "at", "form": "ms"},
    "principal": ["who.login", {"path": "who.badge", "flag": "self_asserted"}],
    "action": {"path": "door", "table": {"open": "login", "*": "other"}},
    "src_port": {"path": "peer", "as": "endpoint_port"},
    "tenant": "/site"
  },
  "defaults": {"family": "runtime"}
}
)";

/// "LINE KEY: what is wrong" of the text.
std::vector<std::string> faults_of(std::string_view text) {
  std::vector<Finding> findings;
  check_mapping_text("m.json", std::string(text), findings);
  std::vector<std::string> said;
  for (const Finding& one : findings) said.push_back(std::to_string(one.line) + " " + one.key + ": " + one.message);
  return said;
}

std::string with(std::string_view from, std::string_view to, std::string text = std::string(good)) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}
std::vector<std::string> faults_with(std::string_view from, std::string_view to) { return faults_of(with(from, to)); }
std::vector<std::string> faults_of_tenant(const std::string& source) { return faults_with("\"/site\"", source); }

TEST(MappingFile, a_good_one_has_no_faults_nor_has_any_built_in_one) {
  EXPECT_THAT(faults_of(good), IsEmpty());
  EXPECT_THAT(faults_of("\xEF\xBB\xBF" + std::string(good)), IsEmpty());
  for (const ingest::MappingFile& file : ingest::embedded_mappings()) EXPECT_THAT(faults_of(file.json), IsEmpty()) << file.name;
}

TEST(MappingFile, what_is_no_json_is_told_by_line_column_and_remedy) {
  const std::string at = ": not JSON: column ";
  EXPECT_THAT(faults_with("\"/site\"\n", "\"/site\",\n"), ElementsAre("10 " + at + "22: a comma before '}': take it away"));
  EXPECT_THAT(faults_with("\"who\"]]", "\"who\",]]"), ElementsAre("4 " + at + "36: a comma before ']': take it away"));
  EXPECT_THAT(faults_with("\"ms\"},", "\"ms\"}"), ElementsAre("7 " + at + "5: expected ',' or '}', found '\"'; is a comma missing before it?"));
  EXPECT_THAT(faults_with("\"ms\"", "'ms'"), ElementsAre(StartsWith("6 " + at + "36: expected a value, found ''ms''; texts stand in double quotation marks")));
  EXPECT_THAT(faults_with("\"tenant\"", "tenant"), ElementsAre(StartsWith("10 " + at + "5: expected a key in double quotation marks, found 'tenant'")));
  EXPECT_THAT(faults_with("\"tenant\"", "# mine\n\"tenant\""), ElementsAre("10 " + at + "5: JSON has no comments: take it away"));
  EXPECT_THAT(faults_with("/site", "/si\nte"), ElementsAre(StartsWith("10 " + at + "15: the text that begins here is not closed in its line")));
  EXPECT_THAT(faults_with("/site", "/si\\te\\q"), ElementsAre(StartsWith("10 " + at + "22: no escape sequence of JSON")));
  EXPECT_THAT(faults_of(good.substr(0, good.find("\"defaults\""))), ElementsAre(StartsWith("12 " + at + "3: the file ends before the '{' of line 1 is closed: put '}' there")));
  EXPECT_THAT(faults_of(good.substr(0, good.find("ime\""))), ElementsAre(StartsWith("6 " + at + "7: the file ends inside of the text that begins in line 6")));
  EXPECT_THAT(faults_of(std::string(good) + "}"), ElementsAre(StartsWith("14 " + at + "1: more stands behind the end of the document: '}'")));
}

TEST(MappingFile, what_is_no_text_is_told_too) {
  EXPECT_THAT(faults_with("/site", "/si\xFF"), ElementsAre("10 : not JSON: column 19: the byte 0xFF is not UTF-8: save the file as UTF-8"));
  EXPECT_THAT(faults_of(""), ElementsAre("1 : not JSON: the file is empty; expected one JSON document"));
  EXPECT_THAT(faults_of(" \n\n"), ElementsAre(HasSubstr("the file is empty")));
  EXPECT_THAT(faults_of(std::string("\xFF\xFE{\0}\0", 6)), ElementsAre(HasSubstr("this is UTF-16: save the file as UTF-8")));
  EXPECT_THAT(faults_of("[]"), ElementsAre("1 : expected a mapping, found a list"));
}

TEST(MappingFile, all_mistakes_come_at_once_from_top_to_bottom) {
  std::string text = with("\"version\": 1", "\"version\": 0");
  text = with("who.login", "who..login", text);
  text = with("\"login\"", "\"lgin\"", text);
  text = with("endpoint_port", "endpoint_prt", text);
  text = with("\"/site\"", "\"^^^.site\", \"tenant\": 1", text);
  text = with("family", "famly", text);
  EXPECT_THAT(faults_of(text),
              ElementsAre("2 version: expected at least 1, found 0", "7 fields.principal[0]: path 'who..login': expected a key at '.login'",
                          "8 fields.action.table.open: 'lgin' is no word of this column; did you mean 'login'?",
                          HasSubstr("9 fields.src_port.as: expected copy, "),
                          "10 fields.tenant: this key is there twice (first in line 10): take one away",
                          "12 defaults.famly: no such column; did you mean 'family'?"));
}

TEST(MappingFile, keys_that_exclude_each_other_are_named) {
  EXPECT_THAT(faults_of_tenant(R"({"path": "a",
      "value": "b"})"), ElementsAre("11 fields.tenant.value: 'path' and 'value' exclude each other; keep one of them"));
  EXPECT_THAT(faults_of_tenant(R"({"path": "a", "when": {"path": "b", "is": "c", "not": "d"}})"),
              ElementsAre("10 fields.tenant.when.not: 'is' and 'not' exclude each other; keep one of them"));
  EXPECT_THAT(faults_of_tenant(R"({"as": "lower"})"), ElementsAre("10 fields.tenant: one of the keys 'path', 'paths', 'which' or 'value' is missing"));
  EXPECT_THAT(faults_with(R"({"any": [["door", "who"]]})", "{}"), ElementsAre("4 detect: one of the keys 'present' or 'any' is missing"));
  EXPECT_THAT(faults_with(R"({"any": )", R"({"present": ["x"], "any": )"), ElementsAre(StartsWith("4 detect.present: 'present' and 'any' exclude each other")));
  EXPECT_THAT(faults_of_tenant(R"({"path": "a", "with": "-"})"), ElementsAre("10 fields.tenant.with: 'with' goes with 'paths', of which there are none"));
}

TEST(MappingFile, paths_that_can_be_read_and_not_be_meant_are_mistakes) {
  const auto path = [](const std::string& text) {
    const std::vector<std::string> said = faults_of_tenant("\"" + text + "\"");
    return said.empty() ? "" : said.front();
  };
  EXPECT_THAT(path("^^^.site"), HasSubstr("10 fields.tenant: path '^^^.site': leads 3 steps outwards, and from no place in 'events' are there more than 2"));
  EXPECT_THAT(path("/^.site"), HasSubstr("nothing stands outside of the root"));
  EXPECT_THAT(path("headr:site"), HasSubstr("'headr:' is nothing that is known; did you mean 'header:'?"));
  EXPECT_THAT(path("Header:site"), HasSubstr("did you mean 'header:'?"));
  EXPECT_THAT(path("header:"), HasSubstr("the name of the header is missing"));
  EXPECT_THAT(path("@kye"), HasSubstr("did you mean '@key'?"));
  EXPECT_THAT(path("@raw.x"), HasSubstr("'@raw' is a text by itself"));
  EXPECT_THAT(path("site.*.x"), HasSubstr("'*' has no meaning in a path"));
  EXPECT_THAT(path("$.site"), HasSubstr("without '$'"));
  EXPECT_THAT(path("(a|)"), HasSubstr("a key is missing in the parentheses"));
  EXPECT_THAT(path("site "), HasSubstr("a space at the beginning or the end of a key"));
  for (const char* stray : {"site}", "si]te", "si^te", "si(te", "a|b", "'a'b", "it's", "(a|b)c)"}) EXPECT_NE(path(stray), "") << stray;
  EXPECT_THAT(path("a.si]te"), HasSubstr("']' stands where it has no meaning, at ']te'"));
  for (const char* fine : {"^^.site", "'headr:site'", "'@kye'", "a.'x*y'.b", "@timestamp", "@raw", "@key", "header:Site", "=literal",
                           "'$'.site", "urn:site", "a key.b", "(a|b).c", "site[-1]"})
    EXPECT_EQ(path(fine), "") << fine;
}

TEST(MappingFile, a_source_that_never_gives_its_column_a_value_is_a_mistake) {
  EXPECT_THAT(faults_of_tenant(R"({"path": "a", "form": "ms"})"), ElementsAre(StartsWith("10 fields.tenant.form: 'form' says how a time is written")));
  EXPECT_THAT(faults_with("endpoint_port", "url_host"), ElementsAre(StartsWith("9 fields.src_port.as: 'url_host' does not fit this column, which holds a number; what fits: uint, ")));
  EXPECT_THAT(faults_with("endpoint_port", "time"), ElementsAre(StartsWith("9 fields.src_port.as: 'time' does not fit this column")));
  EXPECT_THAT(faults_with(R"({"path": "peer", "as": "endpoint_port"})", R"({"value": 70000})"),
              ElementsAre("9 fields.src_port.value: 70000 is more than this column holds, at most 65535"));
  EXPECT_THAT(faults_with(R"({"path": "door", "table": {"open": "login", "*": "other"}})", R"({"which": {"a.b": "raed"}})"),
              ElementsAre("8 fields.action.which.a.b: 'raed' is no word of this column; did you mean 'read'?"));
  EXPECT_THAT(faults_with("\"tenant\"", "\"format\""), ElementsAre(StartsWith("10 fields.format: the product itself sets this column")));
  EXPECT_THAT(faults_with("\"family\": \"runtime\"", "\"mapping_version\": 3"), ElementsAre(StartsWith("12 defaults.mapping_version: the product itself")));
  EXPECT_THAT(faults_with("[\"who.login\"", "[{\"value\": \"x\"}"), ElementsAre(HasSubstr("fields.principal[0]: is a constant without 'when'")));
}

TEST(MappingFile, stars_stand_at_the_beginning_or_the_end_and_no_row_hides_another) {
  EXPECT_THAT(faults_with("\"open\"", "\"o*n\""), ElementsAre("8 fields.action.table.o*n: 'o*n': '*' stands for anything at the beginning or the end only"));
  EXPECT_THAT(faults_of_tenant(R"({"path": "a", "when": {"path": "b", "is": ["c", "d*e"]}})"), ElementsAre(StartsWith("10 fields.tenant.when.is[1]: 'd*e'")));
  EXPECT_THAT(faults_with(R"("open": "login", "*": "other")", R"("*": "other", "open": "login")"),
              ElementsAre(StartsWith("8 fields.action.table.open: is never reached")));
  EXPECT_THAT(faults_with("\"open\": \"login\"", R"("o*": "login", "open": "read", "*n": "list", "*en*": "login")"),
              ElementsAre(StartsWith("8 fields.action.table.open: is never reached: the first row that matches counts, and 'o*'")));
  EXPECT_THAT(faults_with("\"any\"", R"("unless": [{"path": "a", "starts": "b*"}], "any")"), ElementsAre("4 detect.unless[0].starts: is the beginning itself, without '*'"));
}

TEST(MappingFile, lines_and_their_columns_go_together) {
  EXPECT_THAT(faults_with("batch.entries[]", "batch.entries[].line{text}"), ElementsAre("3 events[0]: {text} needs the key 'text', which names the columns of the lines"));
  EXPECT_THAT(faults_with("\"defaults\"", R"("text": {"columns": ["a", "b", "a"], "header": ["a", "b"], "words_min": 4}, "defaults")"),
              ElementsAre("12 text.columns[2]: 'a' is there twice", "12 text.words_min: is more than there are columns, 3",
                          StartsWith("12 text: none of 'events' is read as lines")));
}

TEST(MappingFile, names_of_columns_of_lines_are_those_of_text) {
  const auto lines = [](const std::string& header, const std::string& user) {
    return faults_of(R"({"format": "w", "number": 1000, "version": 1, "events": ["{text}"], "detect": {"any": [["ts"]]},
 "text": {"columns": ["ts", "user", "op"], "header": )" + header + "},\n \"fields\": {\"principal\": \"" + user + "\"}}");
  };
  EXPECT_THAT(lines(R"(["ts", "user"])", "user"), IsEmpty());
  EXPECT_THAT(lines(R"(["ts", "user", "bytes"])", "bytes"), IsEmpty()) << "a column of header lines alone";
  EXPECT_THAT(lines(R"(["ts", "user"])", "team"), IsEmpty()) << "a header line may have it";
  EXPECT_THAT(lines(R"(["ts", "usr"])", "user"), ElementsAre("2 text.header[1]: no column is called 'usr'; did you mean 'user'?"));
  EXPECT_THAT(lines(R"(["ts", "op"])", "usre"), ElementsAre("3 fields.principal: path 'usre': no column is called 'usre'; did you mean 'user'?"));
}

TEST(MappingFile, names_with_a_meaning_of_their_own_are_taken) {
  EXPECT_THAT(faults_with("turnstile", "auto"), ElementsAre(HasSubstr("2 format: 'auto' has a meaning of its own")));
  EXPECT_THAT(faults_with("turnstile", "Turn Stile!"), ElementsAre("2 format: 'Turn Stile!' has not the form expected here (1 to 64 letters, digits, '_', '-' and '.')"));
}

TEST(MappingFile, orders_of_lines_are_told_apart_by_their_number_of_words) {
  const auto with_orders = [](const std::string& orders) {
    const std::string lines = with("batch.entries[]", "{text}");
    return faults_of(with("\"fields\"", R"("text": {"columns": ["at", "door"], "header": ["at", "door"], "orders": [)" + orders + "]},\n  \"fields\"", lines));
  };
  const auto order = [](const std::string& columns, const std::string& rest) {
    return R"({"columns": [)" + columns + R"(], "telling": {"column": "door", "is": ["open"]})" + rest + "}";
  };
  EXPECT_THAT(with_orders(order(R"("at", "door", "who")", "")), IsEmpty());
  EXPECT_THAT(with_orders(order(R"("at", "door", "who", "x")", R"(, "words": [3, 4])")), IsEmpty());
  EXPECT_THAT(with_orders(order(R"("at", "door")", "")), ElementsAre(HasSubstr("orders[0].words: there is another order of 2 words")));
  EXPECT_THAT(with_orders(order(R"("at", "door", "who")", R"(, "words": [4])")), ElementsAre(HasSubstr("4 is more than there are columns, 3")));
  EXPECT_THAT(with_orders(order(R"("at", "who", "x", "door")", R"(, "words": [3])")), ElementsAre(HasSubstr("3 end before the column that tells the order")));
  EXPECT_THAT(with_orders(order(R"("at", "who", "x")", "")), ElementsAre(HasSubstr("orders[0].telling.column: is none of the order's columns")));
  EXPECT_THAT(with_orders(order(R"("at", "door", "at")", "")), ElementsAre(HasSubstr("orders[0].columns[2]: 'at' is there twice")));
}

}  // namespace
}  // namespace tidewaiter::app
