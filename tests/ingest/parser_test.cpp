#include "ingest/parser.hpp"

#include <gtest/gtest.h>

#include "core/sha256.hpp"
#include "core/text.hpp"
#include "tests/ingest/batches.hpp"

namespace tidewaiter::ingest {
namespace {

using testing::envelope;
using testing::make_parser;
using testing::receive_ns;
using testing::TestBatch;

/// The one event that `data` gives inside an envelope.
class ParserOfOne {
 public:
  explicit ParserOfOne(std::string_view data, bool in_envelope = true, ParserOptions options = {})
      : parser_(make_parser(std::move(options))) {
    batch_.add(in_envelope ? envelope(data) : std::string(data)).parse(*parser_);
  }
  const Record& record() const { return batch_.record(); }
  const Event* operator->() const { return &batch_.event(); }
  const Event& operator*() const { return batch_.event(); }

 private:
  std::unique_ptr<Parser> parser_;
  TestBatch batch_;
};

RejectReason reason_of(std::string_view message, ParserOptions options = {}) {
  ParserOfOne one(message, false, std::move(options));
  EXPECT_EQ(one.record().kind == RecordKind::reject, one.record().reason != RejectReason::none);
  EXPECT_EQ(one.record().event_count, one.record().kind == RecordKind::reject ? 0u : 1u);
  return one.record().reason;
}

std::int64_t ns(std::string_view time) { return *parse_rfc3339(time); }

TEST(Parser, a_full_event_fills_its_columns) {
  ParserOfOne event(R"({"time":"2026-03-04T05:06:07.25Z","principal":"bot@example","principal_type":"agent",
    "agent":{"uid":"a-1","model":"m"},"action":"send","app":"invoices","dst_host":"api.example.com","dst_ip":"10.1.2.3",
    "dst_port":443,"bytes_out":1234,"data_classes":["pii","financial"],"risk_tier":"high",
    "capability":{"uid":"c-1","scopes":["read:crm","send:mail"],"expires":"2026-03-05T00:00:00Z","status":"valid"},
    "approval":{"id":"ap-1","decision":"approved","approver_type":"user"},"outcome":"success"})");
  EXPECT_EQ(event.record().kind, RecordKind::event);
  EXPECT_EQ(event->time_ns(), ns("2026-03-04T05:06:07.25Z"));
  EXPECT_EQ(event->get(Str::principal), "bot@example");
  EXPECT_EQ(enums::principal_type.word(event->get(Num::principal_type)), "agent");
  EXPECT_EQ(event->get(Str::agent_uid), "a-1");
  EXPECT_EQ(event->get(Str::agent_model), "m");
  EXPECT_EQ(enums::action.word(event->get(Num::action)), "send");
  EXPECT_EQ(event->get(Str::app), "invoices");
  EXPECT_EQ(event->get(Str::dst_host), "api.example.com");
  EXPECT_EQ(format_ip(*event->get(Addr::dst_ip)), "10.1.2.3");
  EXPECT_EQ(event->get(Num::dst_port), 443u);
  EXPECT_EQ(event->get(Num::bytes_out), 1234u);
  EXPECT_EQ(event->get(Num::data_classes), 1u << *enums::data_class.find("pii") | 1u << *enums::data_class.find("financial"));
  EXPECT_EQ(static_cast<RiskTier>(event->get(Num::risk_tier)), RiskTier::high);
  EXPECT_EQ(event->get(Str::capability_scopes), "read:crm send:mail");
  EXPECT_EQ(event->get(Num::capability_expires), static_cast<std::uint64_t>(ns("2026-03-05T00:00:00Z")));
  EXPECT_EQ(enums::approval_decision.word(event->get(Num::approval_decision)), "approved");
  EXPECT_EQ(static_cast<Family>(event->get(Num::family)), Family::agent);
  EXPECT_EQ(event->get(Str::source_id), "/apps/bot e-1");
  EXPECT_EQ(event->get(Num::format), 1u);
  EXPECT_EQ(static_cast<TimeQuality>(event->get(Num::time_quality)), TimeQuality::exact);
  EXPECT_FALSE(event->has(Num::flags));
  EXPECT_FALSE(event->has(Num::bytes_in));
  EXPECT_FALSE(event->has(Str::tool_name));
}

TEST(Parser, a_plain_string_is_a_view_into_its_record) {
  ParserOfOne event(R"({"principal":"alice"})");
  const std::string_view value = event.record().value, principal = event->get(Str::principal);
  EXPECT_GE(principal.data(), value.data());
  EXPECT_LT(principal.data(), value.data() + value.size());
}

TEST(Parser, the_order_of_keys_does_not_matter) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(R"({"specversion":"1.0","data":{"app":"a","principal":"p","agent":{"uid":"u","name":"n"}},"id":"1"})");
  batch.add(R"({"id":"1","data":{"agent":{"name":"n","uid":"u"},"unknown":[{"x":1}],"principal":"p","app":"a"},"specversion":"1.0"})");
  batch.add(R"({"x":{"app":"no"},"data":{"app":"a","agent":{"uid":"u","name":"n"},"principal":"p"},"specversion":"1.0"})");
  batch.parse(*parser);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(batch.event(i).get(Str::app), "a") << i;
    EXPECT_EQ(batch.event(i).get(Str::principal), "p") << i;
    EXPECT_EQ(batch.event(i).get(Str::agent_uid), "u") << i;
    EXPECT_EQ(batch.event(i).get(Str::agent_name), "n") << i;
  }
}

TEST(Parser, binary_mode_takes_attributes_from_headers_and_the_value_as_data) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(R"({"principal":"p","app":"a"})",
            {{"ce_specversion", "1.0"}, {"ce_id", "7"}, {"ce_source", "/s"}, {"ce_time", "2026-03-04T05:06:07Z"},
             {"ce_type", "dev.tidewaiter.ci.build.run.v1"}, {"content-type", "application/json"}});
  batch.parse(*parser);
  EXPECT_EQ(batch.record().kind, RecordKind::event);
  EXPECT_EQ(batch.event().get(Str::principal), "p");
  EXPECT_EQ(batch.event().get(Str::source_id), "/s 7");
  EXPECT_EQ(batch.event().time_ns(), ns("2026-03-04T05:06:07Z"));
  EXPECT_EQ(static_cast<Family>(batch.event().get(Num::family)), Family::ci);
}

TEST(Parser, a_structured_content_type_wins_over_ce_headers) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(envelope(R"({"principal":"inside"})"),
            {{"Content-Type", "Application/CloudEvents+json; charset=utf-8"}, {"ce_id", "other"}});
  batch.parse(*parser);
  EXPECT_EQ(batch.event().get(Str::principal), "inside");
  EXPECT_EQ(batch.event().get(Str::source_id), "/apps/bot e-1");
}

TEST(Parser, an_unknown_shape_is_one_unmapped_event_with_its_time_of_arrival) {
  for (std::string_view text : {R"({"hello":"world"})", "[1,2,3]", "5", R"("text")", "null", "{}"}) {
    ParserOfOne event(text, false);
    EXPECT_EQ(event.record().kind, RecordKind::unmapped) << text;
    EXPECT_EQ(event.record().event_count, 1u);
    EXPECT_EQ(event->time_ns(), receive_ns);
    EXPECT_EQ(event->get(Num::class_uid), 0u);
    EXPECT_EQ(static_cast<TimeQuality>(event->get(Num::time_quality)), TimeQuality::receive);
    EXPECT_EQ(event->strings_present, 0u);
  }
}

TEST(Parser, a_null_value_is_a_tombstone_and_an_empty_one_a_reject) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(std::nullopt).add("").parse(*parser);
  EXPECT_EQ(batch.record(0).kind, RecordKind::tombstone);
  EXPECT_EQ(batch.record(1).kind, RecordKind::reject);
  EXPECT_EQ(batch.record(1).reason, RejectReason::not_json);
  EXPECT_TRUE(batch.batch.events.empty());
}

TEST(Parser, each_kind_of_broken_message_has_its_reason) {
  EXPECT_EQ(reason_of("hello"), RejectReason::not_json);
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\",}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("{\"specversion\":tru,\"a\":1}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\" \"id\":1}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("{'specversion':1}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("\xEF\xBB\xBF"), RejectReason::not_json);
  EXPECT_EQ(reason_of("\xEF\xBB\xBF\xEF\xBB\xBF{\"specversion\":\"1.0\"}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("\xFE\xFF{\"specversion\":\"1.0\"}"), RejectReason::not_utf8);
  EXPECT_EQ(reason_of("{\"specversion\":\"1\n0\"}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("{\"specversion\":\"\xFF\"}"), RejectReason::not_utf8);
  EXPECT_EQ(reason_of("{\"specversion\":\"\xED\xA0\x80\"}"), RejectReason::not_utf8);
  EXPECT_EQ(reason_of("{\"specversion\":\"\xC0\x80\"}"), RejectReason::not_utf8);
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\"} {\"specversion\":\"1.0\"}"), RejectReason::trailing_bytes);
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\"}x"), RejectReason::trailing_bytes);
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\"}}"), RejectReason::trailing_bytes);
}

TEST(Parser, every_proper_beginning_of_a_message_is_called_truncated) {
  const std::string whole = envelope(R"({"principal":"b\u00e9\"b","n":-1.5e3,"l":[true,{"a":null}]})");
  for (std::size_t length = 1; length < whole.size(); ++length)
    ASSERT_EQ(reason_of(std::string_view(whole).substr(0, length)), RejectReason::truncated) << whole.substr(0, length);
  EXPECT_EQ(reason_of(whole), RejectReason::none);
}

TEST(Parser, a_character_cut_in_its_middle_is_truncated_and_not_bad_text) {
  EXPECT_EQ(reason_of("{\"specversion\":\"\xE2\x82"), RejectReason::truncated);
}

TEST(Parser, limits_on_size_depth_and_keys_each_have_a_reason) {
  ParserOptions options;
  options.limits = {.message_bytes_max = 300, .depth_max = 8, .keys_max = 10};
  EXPECT_EQ(reason_of(std::string(301, ' ') + "{}", options), RejectReason::too_large);
  auto nested = [](int depth) {
    return "{\"specversion\":\"1.0\",\"x\":" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  };
  EXPECT_EQ(reason_of(nested(8), options), RejectReason::none);
  EXPECT_EQ(reason_of(nested(9), options), RejectReason::too_deep);
  std::string keys = "{\"specversion\":\"1.0\"";
  for (int i = 0; i < 9; ++i) keys += ",\"k" + std::to_string(i) + "\":1";
  EXPECT_EQ(reason_of(keys + "}", options), RejectReason::none);
  EXPECT_EQ(reason_of(keys + ",\"one more\":1}", options), RejectReason::too_many_keys);
}

TEST(Parser, brackets_and_colons_inside_strings_do_not_count) {
  ParserOptions options;
  options.limits.depth_max = 4;
  options.limits.keys_max = 4;
  EXPECT_EQ(reason_of(R"({"specversion":"[[[[[[{{{{{{::::::::"})", options), RejectReason::none);
}

/// Wherever in a long text, and whatever is in its strings.
TEST(Parser, depth_is_exact_among_many_brackets) {
  ParserOptions options;
  options.limits.depth_max = 8;
  auto parser = make_parser(options);
  const auto reason = [&](const std::string& message) {
    TestBatch batch(message.size() * 4 + (1 << 16));
    batch.add(message).parse(*parser);
    return batch.record().reason;
  };
  const std::string strings[] = {R"("[[[[[[[[{")", R"("\\")", R"("\"[[[[[[[[[[")", R"("\\\"{{{{{{{{{{")", R"("]]]]}}}}")", "1"};
  for (const std::string& filler : strings) {
    for (std::size_t before = 0; before < 140; ++before) {
      std::string list = "\"a\":[" + std::string(before, ' ');
      for (int i = 0; i < 20; ++i) list += filler + ",[" + filler + "],";
      const auto deep = [&](int depth) {
        return "{\"specversion\":\"1.0\"," + list + std::string(static_cast<std::size_t>(depth), '[') + filler +
               std::string(static_cast<std::size_t>(depth), ']') + "]}";
      };
      EXPECT_EQ(reason(deep(6)), RejectReason::none) << deep(6);
      EXPECT_EQ(reason(deep(7)), RejectReason::too_deep) << deep(7);
    }
  }
}

TEST(Parser, a_message_of_a_thousand_cloudtrail_records_is_within_the_usual_limits) {
  std::string records;
  for (int i = 0; i < 1000; ++i)
    records += std::string(i == 0 ? "" : ",") +
               R"({"eventVersion":"1.11","eventTime":"2026-05-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.7","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/u","accountId":"1"},"requestParameters":{"bucketName":"b","key":"k"},"requestID":"r","eventID":")" +
               std::to_string(i) + "\"}";
  auto parser = make_parser();
  TestBatch batch(4 << 20);
  batch.add("{\"Records\":[" + records + "]}").parse(*parser);
  EXPECT_EQ(batch.record().kind, RecordKind::event);
  EXPECT_EQ(batch.record().event_count, 1000u);
}

TEST(Parser, only_strict_topics_check_what_no_mapping_reads) {
  const std::string text = R"({"specversion":"1.0","unread":{"x":tru},"data":{"principal":"p"}})";
  ParserOptions options;
  options.strict_topics = {"strict"};
  auto parser = make_parser(options);
  TestBatch batch;
  batch.add(text, {}, "fast").add(text, {}, "strict").add(text, {}, "fast").parse(*parser);
  EXPECT_EQ(batch.record(0).kind, RecordKind::event);
  EXPECT_EQ(batch.record(1).reason, RejectReason::not_json);
  EXPECT_EQ(batch.event(2).get(Str::principal), "p");
}

TEST(Parser, a_malformed_optional_field_is_left_out_and_never_rejects) {
  ParserOfOne event(R"({"principal":"p","dst_ip":"AWS Internal","dst_port":99999,"bytes_out":-5,"time":"yesterday",
    "agent":"not an object","capability":{"expires":true,"scopes":{"a":1}},"data_classes":7,"src_port":{"x":1},
    "app":["a"],"bytes_in":1e400,"packets_out":18446744073709551616,"src_ip":null})");
  EXPECT_EQ(event.record().kind, RecordKind::event);
  EXPECT_EQ(event->get(Str::principal), "p");
  for (Num column : {Num::dst_port, Num::src_port, Num::bytes_out, Num::bytes_in, Num::packets_out, Num::capability_expires})
    EXPECT_FALSE(event->has(column)) << info(column).name;
  EXPECT_FALSE(event->has(Addr::dst_ip));
  EXPECT_FALSE(event->has(Addr::src_ip));
  EXPECT_FALSE(event->has(Str::app));
  EXPECT_FALSE(event->has(Str::agent_uid));
  EXPECT_EQ(event->time_ns(), ns("2026-03-04T05:06:07Z")) << "the envelope's time stands in";
}

TEST(Parser, a_number_that_its_column_cannot_hold_is_no_value_and_flagged) {
  for (const char* number : {R"("bytes_out":18446744073709551616)", R"("bytes_out":"340282366920938463463374607431768211455")",
                             R"("bytes_out":1e400)", R"("bytes_out":-5)", R"("bytes_out":1.5)", R"("dst_port":65536)",
                             R"("src_port":"70000")", R"("activity_id":256)", R"("resource_count":4294967296)"}) {
    ParserOfOne event("{" + std::string(number) + "}");
    EXPECT_EQ(event->get(Num::flags), flag::lossy_number) << number;
    EXPECT_FALSE(event->has(Num::bytes_out) || event->has(Num::dst_port) || event->has(Num::src_port)) << number;
  }
  for (const char* text : {R"("bytes_out":"many")", R"("bytes_out":"")", R"("bytes_out":null)", R"("dst_port":true)"})
    EXPECT_FALSE(ParserOfOne("{" + std::string(text) + "}")->has(Num::flags)) << text;
}

TEST(Parser, zeros_before_an_octet_are_decimal_and_flagged) {
  for (const auto& [text, plain] : {std::pair("010.0.0.1", "10.0.0.1"), {"251.234.045.249", "251.234.45.249"},
                                    {"0.0.0.00", "0.0.0.0"}, {"::ffff:010.0.0.8", "10.0.0.8"}, {"::FFFF:10.0.0.08", "10.0.0.8"}}) {
    ParserOfOne event(R"({"dst_ip":")" + std::string(text) + "\"}");
    ASSERT_TRUE(event->has(Addr::dst_ip)) << text;
    EXPECT_EQ(format_ip(*event->get(Addr::dst_ip)), plain);
    EXPECT_EQ(event->get(Num::flags), flag::leading_zeros) << text;
  }
  for (const char* text : {"10.0.0.1", "0.0.0.0", "100.200.10.0", "2001:0db8::01", "::ffff:10.0.0.1", "fe80::1%eth0.010"}) {
    ParserOfOne event(R"({"dst_ip":")" + std::string(text) + "\"}");
    EXPECT_TRUE(event->has(Addr::dst_ip)) << text;
    EXPECT_FALSE(event->has(Num::flags)) << text;
  }
  for (const char* text : {"0x0a.0.0.1", "0010.0.0.1", "256.0.0.1", "012"})
    EXPECT_FALSE(ParserOfOne(R"({"dst_ip":")" + std::string(text) + "\"}")->has(Addr::dst_ip)) << text;
}

TEST(Parser, a_byte_order_mark_before_a_message_is_passed_over_and_flagged) {
  const std::string mark = "\xEF\xBB\xBF", message = envelope(R"({"principal":"p"})");
  for (const bool strict : {false, true}) {
    ParserOptions options;
    options.strict = strict;
    auto parser = make_parser(options);
    TestBatch batch;
    batch.add(mark + message).add(mark + R"({"who":"knows"})").add(message).parse(*parser);
    EXPECT_EQ(batch.record(0).kind, RecordKind::event);
    EXPECT_EQ(batch.record(0).value, mark + message) << "the bytes stay as they came";
    EXPECT_EQ(batch.event(0).get(Str::principal), "p");
    EXPECT_EQ(batch.event(0).get(Num::flags), flag::byte_order_mark);
    EXPECT_EQ(batch.record(1).kind, RecordKind::unmapped);
    EXPECT_EQ(batch.event(1).get(Num::flags), flag::byte_order_mark);
    EXPECT_FALSE(batch.event(2).has(Num::flags));
  }
  std::size_t place = 0;
  EXPECT_EQ(check_json(mark + R"({"a":x})", {}, &place), RejectReason::not_json);
  EXPECT_EQ(place, 9u) << "counted in the bytes that came";
}

TEST(Parser, numbers_may_be_strings_or_whole_floats) {
  ParserOfOne event(R"({"bytes_out":"4364","bytes_in":500.0,"packets_out":1e3,"dst_port":"443","tool":{"args_size":18446744073709551615}})");
  EXPECT_EQ(event->get(Num::bytes_out), 4364u);
  EXPECT_EQ(event->get(Num::bytes_in), 500u);
  EXPECT_EQ(event->get(Num::packets_out), 1000u);
  EXPECT_EQ(event->get(Num::dst_port), 443u);
  EXPECT_EQ(event->get(Num::tool_args_size), 18446744073709551615u);
  EXPECT_FALSE(event->has(Num::flags));
}

TEST(Parser, a_float_beyond_exact_integers_is_flagged_lossy) {
  ParserOfOne rounded(R"({"bytes_out":9007199254740993.0})");  // 2^53 + 1, which no double is
  EXPECT_EQ(rounded->get(Num::flags), flag::lossy_number);
  ParserOfOne event(R"({"bytes_out":1.8e19})");
  EXPECT_EQ(event->get(Num::bytes_out), 18'000'000'000'000'000'000u);
  EXPECT_EQ(event->get(Num::flags), flag::lossy_number);
}

TEST(Parser, a_number_in_the_place_of_a_string_is_kept_as_it_stands) {
  ParserOfOne event(R"({"session":340282366920938463463374607431768211455,"app":12,"owner":true})");
  EXPECT_EQ(event->get(Str::session), "340282366920938463463374607431768211455");
  EXPECT_EQ(event->get(Str::app), "12");
  EXPECT_EQ(event->get(Str::owner), "true");
}

TEST(Parser, escapes_are_resolved_and_lone_surrogates_replaced_and_flagged) {
  ParserOfOne event(R"({"principal":"a\"b\\c\/\u00e9\ud83d\ude00","app":"x\ud800y","owner":"z\u0000z","role":"\ufffd"})");
  EXPECT_EQ(event->get(Str::principal), "a\"b\\c/\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(event->get(Str::app), "x\xEF\xBF\xBDy");
  EXPECT_EQ(event->get(Str::owner), std::string_view("z\0z", 3));
  EXPECT_EQ(event->get(Str::role), "\xEF\xBF\xBD");
  EXPECT_EQ(event->get(Num::flags), flag::bad_utf8_replaced);
}

TEST(Parser, something_that_is_no_escape_on_a_mapped_path_is_no_json) {
  EXPECT_EQ(reason_of(R"({"specversion":"1.0","id":"\\ud8/s"})"), RejectReason::none) << "an escaped backslash";
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\",\"id\":\"\\ud8/s\"}"), RejectReason::not_json);
  EXPECT_EQ(reason_of("{\"specversion\":\"1.0\",\"id\":\"\\x41\"}"), RejectReason::not_json);
}

TEST(Parser, keys_written_with_escapes_are_the_same_keys) {
  ParserOfOne event(R"({"princip\u0061l":"p","\u0061pp":"a"})");
  EXPECT_EQ(event->get(Str::principal), "p");
  EXPECT_EQ(event->get(Str::app), "a");
}

TEST(Parser, the_first_of_two_equal_keys_counts_and_the_event_is_flagged) {
  ParserOfOne event(R"({"principal":"first","app":"a","principal":"second"})");
  EXPECT_EQ(event->get(Str::principal), "first");
  EXPECT_EQ(event->get(Num::flags), flag::duplicate_key);
  ParserOfOne escaped(R"({"principal":"first","pr\u0069ncipal":"second"})");
  EXPECT_EQ(escaped->get(Num::flags), flag::duplicate_key);
  ParserOfOne objects(R"({"agent":{"uid":"1"},"agent":{"uid":"2"}})");
  EXPECT_EQ(objects->get(Str::agent_uid), "1");
  EXPECT_EQ(objects->get(Num::flags), flag::duplicate_key);
}

TEST(Parser, a_long_string_is_cut_between_characters_and_flagged) {
  std::string app(127, 'a');
  ParserOfOne event("{\"app\":\"" + app + "\xC3\xA9\"}");
  EXPECT_EQ(event->get(Str::app), app);
  EXPECT_EQ(event->get(Num::flags), flag::truncated_column);
}

TEST(Parser, an_unknown_word_is_said_to_be_other) {
  ParserOfOne event(R"({"action":"teleport","risk_tier":"HIGH","data_classes":["secret stuff","pii"],"outcome":""})");
  EXPECT_EQ(enums::action.word(event->get(Num::action)), "other");
  EXPECT_EQ(static_cast<RiskTier>(event->get(Num::risk_tier)), RiskTier::unknown);
  EXPECT_EQ(event->get(Num::data_classes), 1u | 1u << *enums::data_class.find("pii"));
  EXPECT_TRUE(event->has(Num::outcome));
}

TEST(Parser, what_is_required_has_a_default_and_nothing_else) {
  ParserOfOne event("{}");
  EXPECT_EQ(event->get(Str::principal), "unknown");
  EXPECT_TRUE(event->has(Num::risk_tier));
  EXPECT_TRUE(event->has(Num::outcome));
  EXPECT_EQ(event->get(Num::class_uid), 6003u);
  EXPECT_FALSE(event->has(Str::app));
  EXPECT_FALSE(event->has(Num::data_classes));
  ParserOfOne empty(R"({"principal":"","app":""})");
  EXPECT_EQ(empty->get(Str::principal), "unknown");
  EXPECT_TRUE(empty->has(Str::app));
}

TEST(Parser, a_time_outside_the_window_is_replaced_and_flagged) {
  for (std::string_view time : {"1999-12-31T23:59:59Z", "2126-01-01T00:00:00Z"}) {
    ParserOfOne event("{\"time\":\"" + std::string(time) + "\"}");
    EXPECT_EQ(event->time_ns(), receive_ns);
    EXPECT_EQ(event->get(Num::flags), flag::clock_skew);
    EXPECT_EQ(static_cast<TimeQuality>(event->get(Num::time_quality)), TimeQuality::skewed);
  }
}

TEST(Parser, host_names_are_lower_case_without_the_last_dot) {
  ParserOfOne event(R"({"dst_host":"API.Example.COM.","src_host":"box-1"})");
  EXPECT_EQ(event->get(Str::dst_host), "api.example.com");
  EXPECT_EQ(event->get(Str::src_host), "box-1");
}

TEST(Parser, trace_ids_come_from_the_traceparent_when_the_data_has_none) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(R"({"specversion":"1.0","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "data":{"span_id":"00f067aa0ba902b7"}})").parse(*parser);
  EXPECT_EQ(batch.event().get(Str::trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(batch.event().get(Str::span_id), "00f067aa0ba902b7");
}

TEST(Parser, a_value_in_the_data_wins_over_the_envelope_in_any_order) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(R"({"specversion":"1.0","tenant":"outer","data":{"tenant":"inner"}})");
  batch.add(R"({"specversion":"1.0","data":{"tenant":"inner"},"tenant":"outer"})").parse(*parser);
  EXPECT_EQ(batch.event(0).get(Str::tenant), "inner");
  EXPECT_EQ(batch.event(1).get(Str::tenant), "inner");
}

TEST(Parser, a_credential_in_the_place_of_its_id_is_hashed) {
  const std::string jwt = "eyJhbGciOiJSUzI1NiJ9." + std::string(200, 'A') + ".AAECAwQFBgcICQoL0123456789";
  const std::string github = "ghp_Ab3dEf6hIj9kLmN0pQrStUvWxYz123456789";
  const auto hash = [](std::string_view token) { return "sha256:" + to_hex(as_view(sha256(token))); };
  ParserOfOne event(R"({"capability":{"uid":")" + jwt + R"(","parent_uid":"cap-1","token_hash":")" + github +
                    R"(","scopes":["read",")" + github + R"(","Bearer opaque-123456 x"]},"session":"token \u0067hp_)" +
                    github.substr(4) + R"(","agent":{"instance_uid":"run-7"},"tool":{"call_id":")" + github + R"("}})");
  EXPECT_EQ(event->get(Str::capability_uid), hash(jwt)) << "of the whole token, though the column is shorter";
  EXPECT_EQ(event->get(Str::capability_parent_uid), "cap-1");
  EXPECT_EQ(event->get(Str::capability_token_hash), hash(github));
  EXPECT_EQ(event->get(Str::capability_scopes), "read " + hash(github) + " Bearer " + hash("opaque-123456") + " x");
  EXPECT_EQ(event->get(Str::session), "token " + hash(github));
  EXPECT_EQ(event->get(Str::agent_instance_uid), "run-7");
  EXPECT_EQ(event->get(Str::tool_call_id), hash(github));
  EXPECT_EQ(event->get(Num::flags), flag::hashed_secret);
}

TEST(Parser, many_credentials_in_one_text_fill_no_more_than_the_column) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "sig=a&";
  ParserOfOne event(R"({"session":")" + text + R"("})");
  EXPECT_EQ(event->get(Str::session), "sig=sha256:" + to_hex(as_view(sha256("a"))) + "&sig=") << "no hash that is cut";
  EXPECT_EQ(event->get(Num::flags), flag::hashed_secret | flag::truncated_column);
}

TEST(Parser, a_poison_message_does_not_touch_its_neighbours) {
  auto parser = make_parser();
  TestBatch batch;
  batch.add(envelope(R"({"app":"a"})")).add("{\"broken").add(envelope(R"({"app":"b"})")).add(std::nullopt).add("[]");
  batch.parse(*parser);
  EXPECT_EQ(batch.event(0).get(Str::app), "a");
  EXPECT_EQ(batch.record(1).kind, RecordKind::reject);
  EXPECT_EQ(batch.event(2).get(Str::app), "b");
  EXPECT_EQ(batch.record(3).kind, RecordKind::tombstone);
  EXPECT_EQ(batch.record(4).kind, RecordKind::unmapped);
  for (std::uint32_t i = 0; i < batch.batch.records.size(); ++i)
    EXPECT_TRUE(batch.record(i).event_count == 0 || batch.event(i).record == i) << i;
}

TEST(Parser, derived_text_survives_a_full_arena) {
  const std::string message = envelope(R"({"dst_host":"UPPER.Example.","principal":"a\tb"})");
  TestBatch batch(message.size() + 100);
  auto parser = make_parser();
  batch.add(message);
  batch.batch.arena.reserve(batch.batch.arena.capacity_bytes() - batch.batch.arena.used_bytes());
  batch.parse(*parser);
  EXPECT_EQ(batch.event().get(Str::dst_host), "upper.example");
  EXPECT_EQ(batch.event().get(Str::principal), "a\tb");
  EXPECT_EQ(batch.event().get(Str::source_id), "/apps/bot e-1");
}

// A string before a colon hides from On-Demand that the list in which it stands is not closed: the list goes on behind the
// message, where any byte may stand.
TEST(Parser, a_list_ends_with_its_message_whatever_stands_behind_it) {
  constexpr std::string_view native = R"({"specversion":"1.0","id":"1","source":"/s","type":"t","data":)",
                             cloudtrail = R"({"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject","resources":)";
  struct {
    std::string_view head, good, bad;
  } const lists[] = {
      {native, R"({"capability":{"scopes":["a"]}}})", R"({"capability":{"scopes":["a":"b",[1]})"},
      {native, R"({"data_classes":["pii"]}})", R"({"data_classes":["pii","a":"b",[1]})"},
      {cloudtrail, R"([{"ARN":"b"}]})", R"(["a":"b",[1]})"},
      {cloudtrail, R"([{"ARN":"b"}]})", R"([{"ARN":"b"},"a":[1]})"},
      {R"({"Records":[)", R"({"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject"}]})", R"("a":"b",[1]})"},
      {R"([)", R"({"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject"}])", R"("a":"b",[1])"},
  };
  for (const auto& list : lists)
    for (const char behind : {',', '"', ']', '}', '1'}) {
      auto parser = make_parser();
      TestBatch batch;
      batch.add(std::string(list.head) + std::string(list.good)).parse(*parser);
      ASSERT_EQ(batch.record().kind, RecordKind::event) << list.head << list.good;
      TestBatch other;
      other.add(std::string(list.head) + std::string(list.bad));
      const std::string_view value = other.record().value;
      std::memset(const_cast<char*>(value.data() + value.size()), behind, 2);
      EXPECT_NE(other.parse(*parser).record().reason, RejectReason::none) << list.head << list.bad << behind;
    }
}

}  // namespace
}  // namespace tidewaiter::ingest
