// The language of mappings: paths, sources, places of events, and what is said about a mapping that is wrong.
#include "ingest/recipe.hpp"

#include <gtest/gtest.h>

#include "core/text.hpp"
#include "tests/ingest/batches.hpp"

namespace tidewaiter::ingest {
namespace {

using testing::TestBatch;

/// A parser with this mapping alone.
class Mapped {
 public:
  explicit Mapped(const std::string& rest, ParserOptions options = {}) {
    const std::string text = R"({"format":"test","number":9,"version":3,)" + rest + "}";
    auto made = Parser::create(std::move(options), {{"test", text}});
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    if (made) parser_ = std::move(*made);
  }
  TestBatch& parse(std::string_view message, std::vector<std::pair<std::string, std::string>> headers = {}) {
    batches_.push_back(std::make_unique<TestBatch>());
    return batches_.back()->add(message, std::move(headers)).parse(*parser_);
  }
  /// The column of the only event.
  std::string resource(std::string_view message) { return std::string(parse(message).event().get(Str::resource)); }

 private:
  std::unique_ptr<Parser> parser_;
  std::vector<std::unique_ptr<TestBatch>> batches_;
};

Mapped reading(const std::string& source, const std::string& rest = "") {
  return Mapped(R"("detect":{"any":[["k"]]},"fields":{"resource":)" + source + "}" + rest);
}

std::string wrong(const std::string& rest) {
  auto made = Recipe::compile(R"({"format":"test","number":9,"version":3,)" + rest + "}", "test");
  return made ? "" : made.error().message;
}

TEST(Paths, keys_with_dots_are_quoted) {
  EXPECT_EQ(reading(R"("a.'b.c'.d")").resource(R"({"k":1,"a":{"b.c":{"d":"x"},"b":{"c":{"d":"y"}}}})"), "x");
}

TEST(Paths, one_of_several_keys) {
  EXPECT_EQ(reading(R"("(p|q).n")").resource(R"({"k":1,"q":{"n":"x"}})"), "x");
}

TEST(Paths, of_several_keys_the_first_named_counts_wherever_it_stands) {
  auto mapped = reading(R"("(p|q|r).n")");
  EXPECT_EQ(mapped.resource(R"({"k":1,"p":{"n":"x"},"q":{"n":"y"}})"), "x");
  EXPECT_EQ(mapped.resource(R"({"r":{"n":"z"},"q":{"n":"y"},"p":{"n":"x"},"k":1})"), "x");
  EXPECT_EQ(mapped.resource(R"({"r":{"n":"z"},"q":{"n":"y"},"p":{"n":null},"k":1})"), "y");
  EXPECT_EQ(mapped.resource(R"({"k":1,"p":{},"r":{"n":"z"}})"), "z");
  auto pairs = reading(R"j("l{kv}.(new|old)")j");
  EXPECT_EQ(pairs.resource(R"({"k":1,"l":[{"key":"old","value":"o"},{"key":"new","value":"n"}]})"), "n");
  auto both = reading(R"j("(a|b).(c|d)")j");
  EXPECT_EQ(both.resource(R"({"k":1,"b":{"c":"bc"},"a":{"d":"ad"}})"), "ad");
}

TEST(Paths, of_several_lists_the_first_named_counts_whole) {
  auto mapped = reading(R"j({"path":"(p|q)","as":"size"})j");
  EXPECT_EQ(mapped.resource(R"({"k":1,"q":[1,2,3,4],"p":[1]})"), "3");
  EXPECT_EQ(mapped.resource(R"({"k":1,"p":[1],"q":[1,2,3,4]})"), "3");
  EXPECT_EQ(reading(R"j({"path":"(p|q)","as":"count"})j").resource(R"({"k":1,"q":[1,2,3,4],"p":[1]})"), "1");
  EXPECT_EQ(reading(R"("(p|q)[].n")").resource(R"({"k":1,"q":[{"n":"y"}],"p":[{},{"n":"x"},{"n":"z"}]})"), "x");
}

TEST(Paths, an_alternative_within_one_event_leaves_its_siblings_the_other) {
  Mapped mapped(R"("events":["rs[]"],"detect":{"any":[["k"]]},"fields":{"app":"/(rs|o)[].n"})");
  TestBatch& batch = mapped.parse(R"({"o":[{"n":"out"}],"rs":[{"k":1},{"k":2,"n":"own"},{"k":3}]})");
  ASSERT_EQ(batch.batch.events.size(), 3U);
  EXPECT_EQ(batch.batch.events[0].get(Str::app), "out");
  EXPECT_EQ(batch.batch.events[1].get(Str::app), "own");
  EXPECT_EQ(batch.batch.events[2].get(Str::app), "out");
}

TEST(Paths, elements_by_place_from_the_start_or_the_end) {
  EXPECT_EQ(reading(R"("l[1]")").resource(R"({"k":1,"l":["a","b","c"]})"), "b");
  EXPECT_EQ(reading(R"("l[-1].n")").resource(R"({"k":1,"l":[{"n":"a"},{"n":"b"}]})"), "b");
  EXPECT_EQ(reading(R"("l[-1].n")").resource(R"({"k":1,"l":[{"n":"a"},{}]})"), "");
}

TEST(Paths, the_first_element_that_has_a_value) {
  EXPECT_EQ(reading(R"("l[].n")").resource(R"({"k":1,"l":[{"m":1},{"n":null},{"n":"b"},{"n":"c"}]})"), "b");
}

TEST(Paths, a_list_or_an_object_may_be_read_in_several_ways) {
  auto list = reading(R"({"paths":["l[0].a","l[-1].b","l[].c"],"with":"/"})");
  EXPECT_EQ(list.resource(R"({"k":1,"l":[{"a":"1","b":"2"},{"c":"3"},{"a":"4","b":"5","c":"6"}]})"), "1/5/3");
  EXPECT_EQ(list.resource(R"({"k":1,"l":[{"a":"1","b":"2","c":"3"}]})"), "1/2/3");
  auto object = reading(R"j({"paths":["o{json}.a","o{kv}.b","o.c"],"with":"/"})j");
  EXPECT_EQ(object.resource(R"({"k":1,"o":{"a":"1","b":"2","c":"3"}})"), "1/2/3");
  auto pairs = reading(R"j({"paths":["l{kv}.a","l[1].key"],"with":"/"})j");
  EXPECT_EQ(pairs.resource(R"({"k":1,"l":[{"key":"a","value":"1"},{"key":"b"}]})"), "1/b");
  auto text = reading(R"j(["s{json}.a","s{base64_json}.a"])j");
  EXPECT_EQ(text.resource(R"({"k":1,"s":"{\"a\":\"plain\"}"})"), "plain");
  EXPECT_EQ(text.resource(R"({"k":1,"s":"eyJhIjoiNjQifQ=="})"), "64");
}

TEST(Paths, the_value_of_a_pair_is_the_first_field_beside_its_key) {
  auto mapped = reading(R"j("l{kv}.a")j");
  for (const char* pair : {R"({"key":"a","value":"x","note":"n"})", R"({"value":"x","key":"a","note":"n"})",
                           R"({"value":"x","note":"n","k\u0065y":"a"})"})
    EXPECT_EQ(mapped.resource(R"({"k":1,"l":[)" + std::string(pair) + "]}"), "x") << pair;
}

TEST(Paths, json_in_a_string_or_in_its_place) {
  auto mapped = reading(R"("s{json}.n")");
  EXPECT_EQ(mapped.resource(R"({"k":1,"s":"{\"n\":\"x\\\"y\"}"})"), "x\"y");
  EXPECT_EQ(mapped.resource(R"({"k":1,"s":{"n":"z"}})"), "z");
  EXPECT_EQ(mapped.resource(R"({"k":1,"s":"{\"n\":"})"), "");
}

TEST(Paths, json_in_base64_of_either_alphabet) {
  auto mapped = reading(R"("s{base64_json}.n")");
  EXPECT_EQ(mapped.resource(R"({"k":1,"s":"eyJuIjoieD8/In0="})"), "x??");
  EXPECT_EQ(mapped.resource(R"({"k":1,"s":"eyJuIjoieD8_In0"})"), "x??");
}

TEST(Paths, lists_of_keys_and_values_are_read_as_objects_in_any_order) {
  auto mapped = reading(R"("l{kv}.'a.b'")");
  EXPECT_EQ(mapped.resource(R"({"k":1,"l":[{"key":"c","value":1},{"key":"a.b","value":{"stringValue":"x"}}]})"), "x");
  EXPECT_EQ(mapped.resource(R"({"k":1,"l":[{"value":{"intValue":"7"},"key":"a.b"}]})"), "7");
  EXPECT_EQ(mapped.resource(R"({"k":1,"l":{"a.b":"y"}})"), "y");
  EXPECT_EQ(reading(R"("l{kv:name}.h")").resource(R"({"k":1,"l":[{"name":"h","value":"x"}]})"), "x");
}

TEST(Sources, parts_are_put_together_with_literals) {
  auto mapped = reading(R"([{"paths":["a","=:","b"],"with":""},{"paths":["a","c"],"with":"/","some":true}])");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"x","b":2,"c":"z"})"), "x:2");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"x","c":"z"})"), "x/z");
  EXPECT_EQ(mapped.resource(R"({"k":1,"c":"z"})"), "z");
}

TEST(Sources, conditions_choose) {
  auto mapped = reading(R"([{"value":"one","when":{"path":"a","is":["x*","*y"]}},{"value":"two","when":{"absent":"a"}},
    {"value":"three","when":["a",{"path":"b","not":"q"}]}])");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"xz"})"), "one");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"zy"})"), "one");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":null})"), "two");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"z"})"), "three");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"z","b":"q"})"), "");
}

TEST(Sources, conditions_on_a_list_compare_each_of_its_values_however_it_is_spaced) {
  auto mapped = reading(R"([{"value":"one","when":{"path":"a","is":["admin","7","true","x*"]}},
    {"value":"none","when":{"path":"a","not":["admin","7","true","x*"]}}])");
  for (const char* list : {R"(["user","admin"])", R"([ "user" , "admin" ])", "[1,7]", "[1 ,\n7 ]", "[null,true]",
                           R"(["a","xyz"])", R"(["\u0061dmin"])", R"([[],"admin",{}])"})
    EXPECT_EQ(mapped.resource(R"({"k":1,"a":)" + std::string(list) + "}"), "one") << list;
  for (const char* list : {"[]", R"(["user"])", R"(["administrator","ax"])", "[77,17]", R"([["admin"]])", R"([{"a":"admin"}])",
                           R"(["[\"admin\"]"])", "[null]"})
    EXPECT_EQ(mapped.resource(R"({"k":1,"a":)" + std::string(list) + "}"), "none") << list;
}

TEST(Sources, the_first_path_that_is_there_names_the_value) {
  auto mapped = reading(R"({"which":{"a":"A","b":"B"}})");
  EXPECT_EQ(mapped.resource(R"({"b":{},"k":1})"), "B");
  EXPECT_EQ(mapped.resource(R"({"b":{},"a":[],"k":1})"), "A");
}

TEST(Sources, a_row_of_a_table_may_give_no_value) {
  auto mapped = reading(R"([{"path":"a","table":{"<NA>":"","*":"="}},"b"])");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"x","b":"y"})"), "x");
  EXPECT_EQ(mapped.resource(R"({"k":1,"a":"<NA>","b":"y"})"), "y");
  Mapped words(R"("detect":{"any":[["k"]]},"fields":{"action":[{"path":"a","table":{"-":""}},{"value":"read"}]})");
  EXPECT_EQ(enums::action.word(words.parse(R"({"k":1,"a":"-"})").event().get(Num::action)), "read");
}

TEST(Sources, tables_segments_and_extracts) {
  EXPECT_EQ(reading(R"({"path":"a","table":{"Get*":"read","*":"="}})").resource(R"({"k":1,"a":"GetX"})"), "read");
  EXPECT_EQ(reading(R"({"path":"a","table":{"Get*":"read","*":"="}})").resource(R"({"k":1,"a":"PutX"})"), "PutX");
  EXPECT_EQ(reading(R"({"path":"a","separator":"/","segment":-2})").resource(R"({"k":1,"a":"x/y/z"})"), "y");
  EXPECT_EQ(reading(R"({"path":"a","as":"url_host"})").resource(R"({"k":1,"a":"https://u:p@H.Example:8443/x?y=@z"})"), "h.example");
  EXPECT_EQ(reading(R"({"path":"a","as":"url_port"})").resource(R"({"k":1,"a":"https://[::1]/"})"), "443");
  EXPECT_EQ(reading(R"({"path":"a","as":"tuple_dst_ip"})").resource(R"({"k":1,"a":"10.0.0.1:5->10.0.0.2:443"})"), "10.0.0.2");
  EXPECT_EQ(reading(R"({"path":"a","as":"endpoint_port"})").resource(R"({"k":1,"a":"[fe80::1]:53"})"), "53");
  EXPECT_EQ(reading(R"({"path":"a","as":"count"})").resource(R"({"k":1,"a":[1,{"x":[]},3]})"), "3");
  EXPECT_EQ(reading(R"({"path":"a","as":"size"})").resource(R"({"k":1,"a":{ "b" : [1, 2] }, "c":1})"), "16");
  EXPECT_EQ(reading(R"({"path":"a","as":"hash"})").resource(R"({"k":1,"a":"abc"})"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(reading(R"({"path":"a","as":"digest"})").resource(R"({"k":1,"a":"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="})"),
            "sha256:abababababababababababababababababababababababababababababababab");
  EXPECT_EQ(reading(R"({"path":"a","as":"digest"})").resource(R"({"k":1,"a":"YWJj"})"), "");
  EXPECT_EQ(reading(R"({"path":"a","as":"digest"})").resource(R"({"k":1,"a":"md5:CC85D7649546D3C0B1607F761B73FEC2"})"),
            "md5:cc85d7649546d3c0b1607f761b73fec2");
  EXPECT_EQ(reading(R"({"path":"a","as":"digest"})").resource(R"({"k":1,"a":"sha1:cc85d7649546d3c0b1607f761b73fec2"})"), "");
  EXPECT_EQ(reading(R"({"path":"a","as":"host_name"})").resource(R"({"k":1,"a":"10.0.0.1"})"), "");
  auto hex = reading(R"([{"path":"a","as":"hex_id"},{"paths":["=other:","a"],"with":"","as":"other_id"}])");
  EXPECT_EQ(hex.resource(R"({"k":1,"a":"00000000000000AB"})"), "00000000000000ab");
  EXPECT_EQ(hex.resource(R"({"k":1,"a":"00f067aa0ba902b7000000000000000F"})"), "00f067aa0ba902b7000000000000000f");
  EXPECT_EQ(hex.resource(R"({"k":1,"a":"zz"})"), "other:zz");
  EXPECT_EQ(hex.resource(R"({"k":1,"a":12345678901234567890})"), "other:12345678901234567890");
}

TEST(Sources, headers_and_the_key_of_the_message) {
  auto mapped = reading(R"({"paths":["header:X-Event","a"],"with":"."})");
  EXPECT_EQ(mapped.parse(R"({"k":1,"a":"b"})", {{"x-event", "push"}}).event().get(Str::resource), "push.b");
}

constexpr const char* nested = R"("events":["rs[].ss[].es[]"],"detect":{"any":[["n"]]},
  "fields":{"resource":"n","app":"^^.r.name","operation":"^.scope","role":"/env"})";

TEST(Sources, attributes_may_come_as_headers_and_the_value_is_then_the_payload) {
  Mapped mapped(R"("headers":{"prefix":"x_","payload":"data","content_type":"application/whole"},
    "detect":{"any":[["id"]]},"marks":[{"flag":"lossy_number","when":{"path":"data.n","is":"1"}}],
    "fields":{"resource":"data.name","source_id":"id","app":["data.app","app"]})");
  auto& in_headers = mapped.parse(R"({"name":"r","n":1,"id":"of the payload"})", {{"x_id", "7"}, {"x_app", "a"}, {"app", "no"}});
  EXPECT_EQ(in_headers.event().get(Str::resource), "r");
  EXPECT_EQ(in_headers.event().get(Str::source_id), "7");
  EXPECT_EQ(in_headers.event().get(Str::app), "a");
  EXPECT_NE(in_headers.event().get(Num::flags) & flag::lossy_number, 0u);
  auto& whole = mapped.parse(R"({"id":"8","data":{"name":"q"},"app":"b"})", {{"x_id", "7"}, {"content-type", "application/whole+json"}});
  EXPECT_EQ(whole.event().get(Str::resource), "q");
  EXPECT_EQ(whole.event().get(Str::source_id), "8");
  EXPECT_EQ(whole.event().get(Str::app), "b");
}

TEST(Events, are_told_by_what_stands_behind_them_once_that_was_seen_and_before) {
  Mapped mapped(R"("events":["a[]"],"detect":{"any":[["k",{"absent":"^.no"}]]},"fields":{"resource":"k","app":"^.n"})");
  for (const char* message :
       {R"({"n":"x","a":[{"k":1},{"k":2}],"u":0})", R"({"a":[{"k":1},{"k":2}],"n":"x","u":0})",
        R"({"n":"x","u":0,"a":[{"k":1},{"k":2}]})"}) {
    auto& batch = mapped.parse(message).batch;
    ASSERT_EQ(batch.events.size(), 2u) << message;
    for (const Event& event : batch.events) EXPECT_EQ(event.get(Str::app), "x") << message;
    EXPECT_EQ(batch.events[1].get(Str::resource), "2") << message;
  }
  EXPECT_EQ(mapped.parse(R"({"a":[{"k":1}],"no":1})").record().kind, RecordKind::unmapped);
}

TEST(Events, stand_in_nested_lists_and_know_what_holds_them_in_any_order) {
  Mapped mapped(nested);
  TestBatch& batch = mapped.parse(
      R"({"rs":[{"ss":[{"es":[{"n":"1"},{"n":"2"}],"scope":"s1"}],"r":{"name":"a"}},{"r":{"name":"b"},"ss":[{"es":[{"n":"3"}]}]}],"env":"e"})");
  ASSERT_EQ(batch.record().event_count, 3u);
  const auto& events = batch.batch.events;
  EXPECT_EQ(events[0].get(Str::app), "a");
  EXPECT_EQ(events[1].get(Str::operation), "s1");
  EXPECT_EQ(events[1].get(Str::resource), "2");
  EXPECT_EQ(events[2].get(Str::app), "b");
  EXPECT_FALSE(events[2].has(Str::operation));  // nothing is left over from its neighbour
  EXPECT_EQ(events[2].get(Str::role), "e");
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(events[i].sub, i);
  EXPECT_NE(events[0].get(Num::flags) & flag::wrapped, 0u);
}

TEST(Events, a_bad_element_does_not_lose_its_siblings) {
  Mapped mapped(nested);
  TestBatch& batch = mapped.parse(R"({"rs":[{"ss":[{"es":[{"n":"1"},null,7,{"m":1},{"n":"2"}]}]}]})");
  ASSERT_EQ(batch.record().event_count, 5u);
  EXPECT_EQ(batch.batch.events[0].get(Str::resource), "1");
  for (int i : {1, 2, 3}) EXPECT_EQ(batch.batch.events[static_cast<std::size_t>(i)].get(Num::class_uid), 0u) << i;
  EXPECT_EQ(batch.batch.events[4].get(Str::resource), "2");
}

TEST(Events, broken_json_in_a_string_is_one_unmapped_event) {
  Mapped mapped(R"("events":["l[].m{json}"],"detect":{"any":[["n"]]},"fields":{"resource":"n"})");
  TestBatch& batch = mapped.parse(R"({"l":[{"m":"{\"n\":1}"},{"m":"{\"n\":"},{"m":"{\"n\":3}"}]})");
  ASSERT_EQ(batch.record().event_count, 3u);
  EXPECT_EQ(batch.batch.events[1].get(Num::class_uid), 0u);
  EXPECT_EQ(batch.batch.events[2].get(Str::resource), "3");
}

TEST(Events, a_place_of_events_may_be_a_wrapper_of_other_places) {
  Mapped mapped(R"("events":["Records[]","Records[].body{json}","Records[].body{json}.detail"],"detect":{"any":[["k"]]},
                   "fields":{"resource":"k"})");
  TestBatch& batch = mapped.parse(
      R"({"Records":[{"k":"plain"},{"body":"{\"k\":\"in\"}"},{"body":"{\"detail\":{\"k\":\"inner\"}}"},{"body":"{}"}]})");
  ASSERT_EQ(batch.batch.events.size(), 4U);
  EXPECT_EQ(batch.batch.events[0].get(Str::resource), "plain");
  EXPECT_EQ(batch.batch.events[1].get(Str::resource), "in");
  EXPECT_EQ(batch.batch.events[2].get(Str::resource), "inner");
  EXPECT_FALSE(batch.batch.events[3].has(Num::format)) << "an unmapped one";
}

TEST(Events, that_hold_plain_text_where_others_hold_json_are_events_with_that_text) {
  Mapped mapped(R"("events":["","m{json}"],"detect":{"any":[["k"]]},"fields":{"resource":"k","operation":"m"})");
  for (const char* text : {"plain words", "{\\\"cut\\\":", "42", "", "{\\\"x\\\":1}", "[]"}) {
    TestBatch& batch = mapped.parse(std::string(R"({"m":")") + text + R"(","k":"out"})");
    ASSERT_EQ(batch.batch.events.size(), 1U) << text;
    EXPECT_EQ(batch.record().kind, RecordKind::event) << text;
    EXPECT_EQ(batch.event().get(Str::resource), "out") << text;
    EXPECT_EQ(batch.event().sub, 0U) << text;
    EXPECT_EQ(batch.event().get(Num::flags), 0U) << text;
  }
  EXPECT_EQ(mapped.parse(R"({"k":"out","m":"plain words"})").event().get(Str::operation), "plain words");
  EXPECT_EQ(mapped.resource(R"({"k":"out","m":"{\"k\":\"in\"}"})"), "in") << "what holds an event is its wrapper";
  EXPECT_EQ(mapped.parse(R"({"m":"plain words"})").record().kind, RecordKind::unmapped);
}

TEST(Events, of_lists_that_hold_plain_text_are_events_and_so_are_their_siblings) {
  Mapped mapped(R"("events":["l[]","l[].m{json}"],"detect":{"any":[["k"]]},"fields":{"resource":"k"})");
  TestBatch& batch = mapped.parse(R"({"l":[{"k":"a","m":"plain"},{"m":"{\"k\":\"b\"}"},{"m":"plain"},{"k":"c","m":"{}"},7]})");
  ASSERT_EQ(batch.batch.events.size(), 5U);
  EXPECT_EQ(batch.batch.events[0].get(Str::resource), "a");
  EXPECT_EQ(batch.batch.events[1].get(Str::resource), "b");
  EXPECT_FALSE(batch.batch.events[2].has(Num::format));
  EXPECT_EQ(batch.batch.events[3].get(Str::resource), "c");
  EXPECT_FALSE(batch.batch.events[4].has(Num::format));
  for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(batch.batch.events[i].sub, i);
}

TEST(Events, unfit_elements_of_a_list_are_not_swallowed_by_what_holds_the_list) {
  Mapped mapped(R"("events":["","l[]"],"detect":{"any":[["k"]]},"fields":{"resource":"k"})");
  EXPECT_EQ(mapped.parse(R"({"k":"out","l":[{"k":"in"},{"x":1}]})").batch.events.size(), 2U);
}

TEST(Events, whose_text_is_no_line_of_the_format_are_events_themselves) {
  Mapped mapped(R"("events":["","m{text}"],"text":{"columns":["k","n"],"header":["k","n"]},
                   "detect":{"any":[["k"]]},"fields":{"resource":"k"})");
  EXPECT_EQ(mapped.resource(R"({"k":"out","m":"words that are too many"})"), "out");
  EXPECT_EQ(mapped.resource(R"({"k":"out","m":"in 1"})"), "in");
}

TEST(Events, know_the_text_of_the_document_that_holds_them_wherever_it_stands) {
  Mapped mapped(R"("events":["p{json}.l[]","l[]"],"detect":{"any":[["k"]]},"fields":{"resource":{"path":"^","as":"size"},
                   "operation":{"paths":["^","k"],"as":"hash"}})");
  EXPECT_EQ(mapped.resource(R"({"p":"{\"l\":[{\"k\":1}]}"})"), "15");
  EXPECT_EQ(mapped.resource(R"({"l":[{"k":1}]})"), "15");
  TestBatch& batch = mapped.parse(R"({"l":[{"k":1},{"k":2},{"k":1}]})");
  ASSERT_EQ(batch.batch.events.size(), 3U);
  EXPECT_NE(batch.batch.events[0].get(Str::operation), batch.batch.events[1].get(Str::operation));
  EXPECT_EQ(batch.batch.events[0].get(Str::operation), batch.batch.events[2].get(Str::operation));
}

TEST(Events, of_lines_may_have_words_in_marks_and_words_too_many_or_too_few) {
  Mapped mapped(R"("events":["{text}"],"text":{"columns":["k","when","agent","n"],"header":["k","when"],"quotes":true,"words_min":2},
                   "detect":{"any":[["k"]]},"fields":{"resource":"agent","time":{"path":"when","form":"civil"},"bytes_out":"n"})");
  TestBatch& batch = mapped.parse("a [02/May/2026:10:00:00 +0200] \"x \\\" y\" 7 more\nb [1 2]\nc");
  ASSERT_EQ(batch.batch.events.size(), 3U);
  EXPECT_EQ(batch.batch.events[0].get(Str::resource), "x \\\" y");
  EXPECT_EQ(format_rfc3339(batch.batch.events[0].time_ns()), "2026-05-02T08:00:00Z");
  EXPECT_EQ(batch.batch.events[0].get(Num::bytes_out), 7U);
  EXPECT_FALSE(batch.batch.events[0].has(Num::flags)) << "a line is no wrapper";
  EXPECT_TRUE(batch.batch.events[1].has(Num::format));
  EXPECT_FALSE(batch.batch.events[2].has(Num::format)) << "an unmapped one";
}

constexpr const char* wordy = R"("events":["{text}"],"text":{"columns":["ts","user","op","bytes"],"header":["ts","user","op"]},
  "detect":{"any":[["ts","user"]]},"fields":{"time":{"path":"ts","form":"s"},"principal":"user","operation":"op","bytes_out":"bytes"})";

TEST(Events, of_a_message_that_is_broken_behind_what_tells_of_them_are_a_reject) {
  const std::string walk = R"("events":["a[]"],"detect":{"any":[["k"]]},"fields":{"resource":"k","app":"^.n"})";
  for (const char* end : {R"(,"u" 1})", R"(,1:2})", R"(]})", ""}) {
    Mapped mapped(walk);  // the first message in this order: such a one is walked anew
    const auto& parsed = mapped.parse(std::string(R"({"a":[{"k":"r"}],"n":"x")") + end);
    EXPECT_EQ(parsed.batch.records[0].kind, RecordKind::reject) << end;
  }
}

TEST(MappingFiles, have_whole_numbers_that_their_columns_hold) {
  for (const char* number : {"65536", "-1", "1.5", "4e66", "18446744073709551616", "\"7\""}) {
    const std::string rest = R"("version":1,"detect":{"any":[["k"]]},"fields":{"resource":"k"}})";
    EXPECT_FALSE(Recipe::compile(R"({"format":"test","number":)" + std::string(number) + "," + rest, "test")) << number;
    EXPECT_FALSE(Plan::compile(R"({"format":"test","number":)" + std::string(number) + "," + rest, "test")) << number;
  }
}

TEST(MappingFiles, with_one_name_or_one_number_are_an_error_that_names_both) {
  const auto file = [](const std::string& name, const std::string& format, int number) {
    return MappingFile{name, R"({"format":")" + format + R"(","number":)" + std::to_string(number) +
                                 R"(,"version":1,"detect":{"any":[["k"]]},"fields":{"app":"k"}})"};
  };
  const auto error = [&](const MappingFile& a, const MappingFile& b) {
    ParserOptions options;
    options.mappings = {a, b};
    const auto made = Parser::create(std::move(options));
    return made ? std::string() : made.error().message;
  };
  EXPECT_EQ(error(file("a.json", "one", 1001), file("b.json", "two", 1002)), "");
  EXPECT_EQ(error(file("a.json", "one", 1001), file("b.json", "one", 1002)),
            R"(mapping b.json: format: a.json has format "one" already; give each mapping file one of its own)");
  EXPECT_EQ(error(file("a.json", "one", 1001), file("b.json", "two", 1001)),
            "mapping b.json: number: a.json has number 1001 already; give each mapping file one of its own");
}

TEST(HeaderLines, set_the_order_in_any_case_and_behind_a_comment_mark) {
  for (const char* header : {"op user ts bytes", "OP User TS Bytes", "#Fields: op user ts bytes", "# op user ts bytes", "#op user ts bytes"}) {
    Mapped mapped(wordy);
    TestBatch& batch = mapped.parse(std::string(header) + "\nget cy 1793000003 7");
    ASSERT_EQ(batch.batch.events.size(), 1U) << header;
    EXPECT_EQ(batch.event().get(Str::principal), "cy") << header;
    EXPECT_EQ(batch.event().get(Num::bytes_out), 7U) << header;
  }
}

TEST(HeaderLines, are_none_when_a_word_is_a_value_or_stands_there_twice) {
  for (const char* data : {"1793000001 user op 6", "1793000001 user op ts", "ts user op 6", "ts user op op", "ts user op other"}) {
    Mapped mapped(wordy);
    TestBatch& batch = mapped.parse(std::string(data) + "\n1793000002 bob put 7");
    ASSERT_EQ(batch.batch.events.size(), 2U) << data;
    EXPECT_EQ(batch.batch.events[0].get(Str::principal), "user") << data;
    EXPECT_EQ(batch.batch.events[1].get(Str::principal), "bob") << data;
  }
}

TEST(HeaderLines, are_told_once_and_recalled_after_they_were_forgotten) {
  auto made = Parser::create({}, {{"test", R"({"format":"test","number":9,"version":3,)" + std::string(wordy) + "}"}});
  ASSERT_TRUE(made) << made.error().message;
  std::optional<std::string> kept = "";
  (*made)->recall_orders_by([&](const TextOrder& asked) {
    EXPECT_EQ(asked.format, "test");
    EXPECT_EQ(asked.place, "{text}");
    return kept;
  });
  const auto principals = [&](std::string_view text) {
    TestBatch batch;
    batch.add(text).parse(**made);
    std::vector<std::string> found;
    for (const Event& event : batch.batch.events) found.emplace_back(event.get(Str::principal));
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(principals("1793000001 ann get 5"), Names{"ann"});
  EXPECT_EQ(principals("op user ts bytes\nget cy 1793000003 7"), Names{"cy"});
  principals("op user ts bytes");
  const std::vector<TextOrder> orders = (*made)->take_orders();
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].header, "op user ts bytes");
  kept = orders[0].header;
  (*made)->forget_orders();
  EXPECT_EQ(principals("put dan 1793000003 7"), Names{"dan"});
  kept = std::nullopt;
  EXPECT_EQ(principals("put eve 1793000003 7"), Names{"eve"}) << "asked for once";
  (*made)->forget_orders();
  EXPECT_EQ(principals("put eve 1793000003 7"), Names{}) << "not guessed";
}

TEST(HeaderLines, are_no_words_in_quotation_marks) {
  Mapped mapped(R"("events":["{text}"],"text":{"columns":["owner","agent","n"],"header":["owner","agent"],"quotes":true,"words_min":3},
                   "detect":{"any":[["owner"]]},"fields":{"resource":"agent"})");
  TestBatch& batch = mapped.parse("owner \"agent\" n\nowner agent\na \"b\" 3");
  ASSERT_EQ(batch.batch.events.size(), 3U);
  EXPECT_EQ(batch.batch.events[0].get(Str::resource), "agent");
  EXPECT_FALSE(batch.batch.events[1].has(Num::format)) << "shorter than any line";
  EXPECT_EQ(batch.batch.events[2].get(Str::resource), "b");
}

TEST(Events, too_many_are_a_reject) {
  ParserOptions options;
  options.events_max = 2;
  Mapped mapped(R"("events":["[]"],"detect":{"any":[["n"]]},"fields":{"resource":"n"})", options);
  EXPECT_EQ(mapped.parse(R"([{"n":1},{"n":2}])").record().kind, RecordKind::event);
  EXPECT_EQ(mapped.parse(R"([{"n":1},{"n":2},{"n":3}])").record().reason, RejectReason::too_many_events);
}

TEST(Events, a_configured_format_without_any_event_in_it_is_a_reject_and_another_shape_is_not) {
  ParserOptions options;
  options.format = "test";
  Mapped mapped(nested, options);
  EXPECT_EQ(mapped.parse(R"({"rs":[]})").record().reason, RejectReason::no_event);
  EXPECT_EQ(mapped.parse(R"({"other":1})").record().kind, RecordKind::unmapped);
}

TEST(Events, depth_counts_across_json_in_strings) {
  ParserOptions options;
  options.limits.depth_max = 4;
  Mapped mapped(R"("events":["a.m{json}"],"detect":{"any":[["n"]]},"fields":{"resource":"n"})", options);
  EXPECT_EQ(mapped.parse(R"({"a":{"m":"{\"n\":1,\"x\":[]}"}})").record().kind, RecordKind::event);
  EXPECT_EQ(mapped.parse(R"({"a":{"m":"{\"n\":1,\"x\":[[[]]]}"}})").record().kind, RecordKind::unmapped);
}

TEST(Events, duplicate_keys_are_flagged_and_the_first_counts) {
  Mapped mapped(nested);
  TestBatch& batch = mapped.parse(R"({"rs":[{"ss":[{"es":[{"n":"1","n":"2"},{"n":"3"}]}]}]})");
  EXPECT_EQ(batch.batch.events[0].get(Str::resource), "1");
  EXPECT_NE(batch.batch.events[0].get(Num::flags) & flag::duplicate_key, 0u);
  EXPECT_EQ(batch.batch.events[1].get(Num::flags) & flag::duplicate_key, 0u);
}

TEST(Events, are_flagged_for_what_stands_behind_them_but_not_for_what_nothing_reads) {
  Mapped mapped(R"("events":["l[]"],"detect":{"any":[["k"]]},"fields":{"resource":"k","app":"^.o"},"ignore":["i"])");
  EXPECT_EQ(mapped.parse(R"({"l":[{"k":1}],"o":"a","o":"b"})").event().get(Num::flags), flag::wrapped | flag::duplicate_key);
  EXPECT_EQ(mapped.parse(R"({"l":[{"k":1}],"l":[]})").event().get(Num::flags), flag::wrapped | flag::duplicate_key);
  EXPECT_EQ(mapped.parse(R"({"l":[{"k":1,"i":"\ud800"}]})").event().get(Num::flags), flag::wrapped);
  EXPECT_EQ(mapped.parse(R"({"l":[{"k":"\ud800"}]})").event().get(Num::flags), flag::wrapped | flag::bad_utf8_replaced);
}

TEST(Sources, times_with_exponents_are_read_exactly) {
  const auto time_of = [](const std::string& form, const std::string& number) {
    Mapped mapped(R"("detect":{"any":[["k"]]},"fields":{"time":{"path":"t","form":")" + form + "\"}}");
    return mapped.parse(R"({"k":1,"t":)" + number + "}").event().time_ns();
  };
  EXPECT_EQ(time_of("float_s", "1.77762960082437e9"), 1'777'629'600'824'370'000);
  EXPECT_EQ(time_of("s", "17776296e2"), 1'777'629'600'000'000'000);
  EXPECT_EQ(time_of("ns", "1.777629600123456789e18"), 1'777'629'600'123'456'789);
  EXPECT_EQ(time_of("any", "1.777629600123456789E+18"), 1'777'629'600'123'456'789);
  EXPECT_EQ(time_of("any", "1777629600123.25"), 1'777'629'600'123'250'000);
  EXPECT_EQ(time_of("s", "1777629600.5"), testing::receive_ns);
}

TEST(Events, strict_checks_what_nothing_reads_also_inside_of_strings) {
  ParserOptions options;
  options.strict = true;
  Mapped fast(R"("events":["l[].m{json}"],"detect":{"any":[["n"]]},"fields":{"resource":"n"})");
  Mapped strict(R"("events":["l[].m{json}"],"detect":{"any":[["n"]]},"fields":{"resource":"n"})", options);
  const char* message = R"({"l":[{"m":"{\"n\":1,\"x\":tru}"},{"m":"{\"n\":2}"}]})";
  EXPECT_EQ(fast.parse(message).batch.events[0].get(Str::resource), "1");
  TestBatch& batch = strict.parse(message);
  ASSERT_EQ(batch.record().event_count, 2u);
  EXPECT_EQ(batch.batch.events[0].get(Num::class_uid), 0u);
  EXPECT_EQ(batch.batch.events[1].get(Str::resource), "2");
}

TEST(Recipes, say_what_is_wrong_with_a_mapping) {
  EXPECT_NE(wrong(R"("detect":{"any":[["k"]]},"fields":{"nonsense":"a"})").find("fields.nonsense: no such column"), std::string::npos);
  EXPECT_NE(wrong(R"("detect":{"any":[["k"]]},"fields":{"action":{"path":"a","table":{"x":"fly"}}})").find("'fly'"), std::string::npos);
  EXPECT_NE(wrong(R"("detect":{"any":[["k"]]},"fields":{"resource":"a[x]"})").find("a[x]"), std::string::npos);
  EXPECT_NE(wrong(R"("detect":{"any":[["k"]]},"fields":{"time":{"path":"a","as":"ip"}})").find("time"), std::string::npos);
  EXPECT_NE(wrong(R"("fields":{"resource":"a"})").find("detect"), std::string::npos);
  const std::string clash = wrong(R"("detect":{"any":[["k"]]},"fields":{"resource":["a{kv}.x","a{kv:name}.y"]})");
  EXPECT_NE(clash.find("'a': the key of its pairs is called 'key' by one path and 'name' by another"), std::string::npos) << clash;
  EXPECT_EQ(wrong(R"("detect":{"any":[["k"]]},"fields":{"resource":["a{kv:name}.x","b{kv}.y","a{kv:name}.y"]})"), "");
  const std::string payload =
      wrong(R"("headers":{"prefix":"x_","payload":"data"},"detect":{"any":[["k"]]},"fields":{"resource":"a"})");
  EXPECT_NE(payload.find("headers.payload: no field is read below it"), std::string::npos) << payload;
}

TEST(Mapping, a_count_after_pick_needs_an_element_to_count) {
  const std::string told = wrong(R"("detect":{"any":[["k"]]},"fields":{"resource_count":{"path":"l","pick":["a"],"as":"count"}})");
  EXPECT_NE(told.find("fields.resource_count: 'count' after 'pick' counts elements"), std::string::npos) << told;
}

TEST(Mapping, what_is_no_mapping_by_the_schema_is_told_by_its_place_and_not_in_a_librarys_words) {
  const std::string detect = R"("detect":{"any":[["k"]]},)";
  const std::pair<std::string, std::string> cases[] = {
      {detect + R"("fields":{"action":{"value":"send","when":{"is":["paid"]}}})", "fields.action"},
      {detect + R"("fields":{"app":["a",{"path":5}]})", "fields.app[1]"},
      {detect + R"("fields":{"app":"a"},"marks":[{"flag":"wrapped"}])", "marks[0]"},
      {detect + R"("text":{"columns":["a"]},"fields":{"app":"a"})", "text"},
      {detect + R"("headers":{"prefix":"x"},"fields":{"app":"a"})", "headers"},
      {R"("detect":{"any":[["k"]],"unless":[{"path":"a"}]},"fields":{"app":"a"})", "detect.unless[0]"},
  };
  for (const auto& [rest, place] : cases) {
    const std::string told = wrong(rest);
    EXPECT_NE(told.find("mapping test: " + place + ": a key is missing here"), std::string::npos) << told;
    EXPECT_EQ(told.find("json.exception"), std::string::npos) << told;
  }
  for (const char* json : {R"({"format":"x","number":"9","version":1,"detect":{"present":["a"]},"fields":{"app":"a"}})",
                           R"({"format":"x","number":9,"version":1,"detect":{"present":"a"},"fields":{"app":{"path":1}}})"}) {
    ParserOptions options;
    options.mappings.push_back({"mine", json});
    const auto made = Parser::create(std::move(options));
    ASSERT_FALSE(made) << json;
    EXPECT_EQ(made.error().message.find("json.exception"), std::string::npos) << made.error().message;
  }
}

TEST(Parser, a_mapping_of_ones_own_replaces_a_built_in_one) {
  ParserOptions options;
  options.mappings.push_back({"mine", R"({"format":"cloudevents","number":1,"version":9,"detect":{"any":[["specversion"]]},
    "fields":{"resource":"subject"}})"});
  auto parser = testing::make_parser(options);
  TestBatch batch;
  batch.add(R"({"specversion":"1.0","subject":"s"})").parse(*parser);
  EXPECT_EQ(batch.event().get(Num::mapping_version), 9u);
  EXPECT_EQ(batch.event().get(Str::resource), "s");
}

TEST(Parser, a_topic_with_an_unknown_format_is_an_error) {
  ParserOptions options;
  options.topic_formats["t"] = "nonsense";
  const auto made = Parser::create(options);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("'nonsense'"), std::string::npos);
}

TEST(Parser, counts_events_and_unread_keys_by_format) {
  auto parser = testing::make_parser();
  TestBatch batch;
  batch.add(R"({"apiVersion":"audit.k8s.io/v1","kind":"Event","verb":"get","novel":1})").add(R"({"x":1})").add("{").parse(*parser);
  for (const FormatCount& count : parser->counts()) {
    if (count.format == "k8s_audit") {
      EXPECT_EQ(count.events, 1u);
      EXPECT_EQ(count.unread_keys, 1u);
    }
    if (count.format == "unknown") {
      EXPECT_EQ(count.events, 1u);
      EXPECT_EQ(count.rejects[static_cast<std::size_t>(RejectReason::truncated)], 1u);
    }
  }
}

TEST(Signatures, a_mapping_says_all_the_places_that_a_signature_needs) {
  const std::string rest = R"("detect":{"any":[["k"]]},"fields":{"resource":"r"},"signature":)";
  EXPECT_NE(wrong(rest + R"([{"payload":"p","signatures":"s"}])").find("payload, payload_type and signatures"), std::string::npos);
  EXPECT_NE(wrong(rest + R"([{"digest":"d"}])").find("digest and signature"), std::string::npos);
  EXPECT_NE(wrong(rest + R"([{"payload":"p","type":"t"}])").find("signature[0].type"), std::string::npos);
  EXPECT_EQ(wrong(rest + R"([{"digest":"d","signature":"s"}])"), "");
}

}  // namespace
}  // namespace tidewaiter::ingest
