// What a SIEM gets to see: strict JSON on one line, CEF with its escapes, both the same on every delivery, and both
// whole after trimming.
#include "forward/format.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/forward/commits.hpp"

namespace tidewaiter::forward {
namespace {

using nlohmann::json;
using test::make_commit;

json parse(const std::string& text) { return json::parse(text); }

TEST(Format, an_event_is_its_canonical_form_and_its_place_in_the_log) {
  const CommitPtr commit = make_commit(7, 3, 0);
  const Envelope envelope = event_envelope(*commit, 1, 0, "agent-high");
  const json object = parse(to_json(envelope, {}));
  EXPECT_EQ(object["principal"], "agent-1");
  EXPECT_EQ(object["bytes_out"], 1001);
  EXPECT_EQ(object["log"], "agent-high");
  EXPECT_EQ(object["seq"], 7001);
  EXPECT_EQ(object["sub"], 0);
  EXPECT_EQ(object["commit"], 7);
  EXPECT_EQ(object["uid"], to_hex(as_view(event_uid(commit->records[1], 0))));
}

TEST(Format, an_event_needs_no_raw_bytes) {
  const CommitPtr commit = make_commit(7, 1, 0);
  ASSERT_TRUE(commit->records[0].body.empty());
  EXPECT_FALSE(to_json(event_envelope(*commit, 0, 0, "agent-high"), {}).empty());
}

TEST(Format, an_event_without_any_column_is_still_an_object) {
  auto commit = std::make_shared<Commit>(*make_commit(7, 1, 0));
  commit->events[0] = Event();
  EXPECT_EQ(parse(to_json(event_envelope(*commit, 0, 0, "agent-high"), {}))["seq"], 7000);
}

TEST(Format, an_alert_is_its_body_with_links) {
  const CommitPtr commit = make_commit(7, 0, 1);
  const Envelope envelope = alert_envelope(*commit, 0, "alerts");
  const std::string text = to_json(envelope, {.link_base = "https://audit.example"});
  EXPECT_TRUE(text.starts_with(commit->records[0].value.substr(0, commit->records[0].value.size() - 1)));
  const json object = parse(text);
  EXPECT_EQ(object["title"], "App crm sent pii to files.example");
  EXPECT_EQ(object["links"]["alert"], "https://audit.example/v1/alerts?uid=" + envelope.uid);
  EXPECT_EQ(object["links"]["proof"], "https://audit.example/v1/proof?log=alerts&seq=700");
  EXPECT_EQ(object["log"], "alerts");
  EXPECT_EQ(item_uid(envelope), envelope.uid + ".1");
  EXPECT_EQ(envelope.severity, Severity::high);
  EXPECT_EQ(envelope.time_ns, *parse_rfc3339("2026-03-04T05:06:07.891Z"));
}

TEST(Format, an_alert_body_with_line_breaks_becomes_one_line) {
  auto commit = std::make_shared<Commit>(*make_commit(7, 0, 1));
  commit->records[0].value = "{\n  \"uid\": \"ab\",\n  \"title\": \"x\"\n}\n";
  const std::string text = to_json(alert_envelope(*commit, 0, "alerts"), {});
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(parse(text)["uid"], "ab");
}

TEST(Format, a_body_that_is_no_alert_is_still_delivered_under_a_stable_uid) {
  auto commit = std::make_shared<Commit>(*make_commit(7, 0, 1));
  commit->records[0].value = "not json";
  const Envelope a = alert_envelope(*commit, 0, "alerts"), b = alert_envelope(*commit, 0, "alerts");
  EXPECT_EQ(a.uid, b.uid);
  EXPECT_EQ(a.uid.size(), 64u);
  EXPECT_EQ(parse(to_json(a, {}))["uid"], a.uid);
  auto erased = std::make_shared<Commit>(*make_commit(7, 0, 2));
  erased->records[0].value = erased->records[1].value = "";
  EXPECT_NE(alert_envelope(*erased, 0, "alerts").uid, alert_envelope(*erased, 1, "alerts").uid);
  auto empty = std::make_shared<Commit>(*commit);
  for (const char* body : {"{}", "\t\t{}", "{\t}", " {}"}) {
    empty->records[0].value = body;
    EXPECT_EQ(parse(to_json(alert_envelope(*empty, 0, "alerts"), {}))["log"], "alerts") << body;
  }
}

TEST(Format, the_same_item_gives_the_same_bytes_every_time) {
  for (int i = 0; i < 3; ++i) {
    const CommitPtr a = make_commit(3, 4, 2), b = make_commit(3, 4, 2);
    EXPECT_EQ(to_json(event_envelope(*a, 2, 0, "l"), {}), to_json(event_envelope(*b, 2, 0, "l"), {}));
    EXPECT_EQ(to_json(alert_envelope(*a, 5, "l"), {}), to_json(alert_envelope(*b, 5, "l"), {}));
    EXPECT_EQ(to_cef(event_envelope(*a, 2, 0, "l"), {}), to_cef(event_envelope(*b, 2, 0, "l"), {}));
    EXPECT_EQ(to_cef(alert_envelope(*a, 5, "l"), {}), to_cef(alert_envelope(*b, 5, "l"), {}));
  }
}

TEST(Format, hashes_of_secrets_are_masked_unless_asked_for) {
  auto commit = std::make_shared<Commit>(*make_commit(7, 1, 0));
  commit->events[0].set(Str::capability_token_hash, "0123456789abcdef");
  const Envelope envelope = event_envelope(*commit, 0, 0, "l");
  EXPECT_EQ(to_json(envelope, {}).find("0123456789abcdef"), std::string::npos);
  EXPECT_NE(to_json(envelope, {.link_base = "", .mask_secrets = false}).find("0123456789abcdef"), std::string::npos);
}

TEST(Format, passwords_in_urls_are_masked_unless_asked_for) {
  auto commit = std::make_shared<Commit>(*make_commit(7, 1, 0));
  commit->events[0].set(Str::resource, "https://bob:hunter2@partner.example/x");
  const Envelope envelope = event_envelope(*commit, 0, 0, "l");
  const FormatOptions open{.link_base = "", .mask_secrets = false};
  for (const auto& write : {to_json, to_cef}) {
    EXPECT_EQ(write(envelope, {}).find("hunter2"), std::string::npos);
    EXPECT_NE(write(envelope, {}).find("bob:\xE2\x80\xA6@partner.example/x"), std::string::npos);
    EXPECT_NE(write(envelope, open).find("hunter2"), std::string::npos);
  }
}

TEST(Cef, an_alert_has_the_seven_header_fields_and_its_uid) {
  const CommitPtr commit = make_commit(7, 0, 1);
  const Envelope envelope = alert_envelope(*commit, 0, "alerts");
  const std::string line = to_cef(envelope, {});
  EXPECT_TRUE(line.starts_with("CEF:0|tidewaiter|tidewaiter|1|policy:no-pii-outside|App crm sent pii to files.example|8|"
                               "rt=1772600767891 externalId=" +
                               envelope.uid + ".1 cat=alert"))
      << line;
}

TEST(Cef, an_event_carries_its_columns_under_their_cef_names) {
  const CommitPtr commit = make_commit(7, 2, 0);
  const std::string line = to_cef(event_envelope(*commit, 0, 0, "agent-high"), {});
  for (const char* part : {"CEF:0|tidewaiter|tidewaiter|1|agent|send|0|", " act=send", " suser=agent-0",
                           " sourceServiceName=crm", " dhost=files.example", " out=1000", " cs1Label=riskTier cs1=high"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
}

TEST(Cef, header_and_extension_values_are_escaped_each_in_its_own_way) {
  auto commit = std::make_shared<Commit>(*make_commit(7, 1, 0));
  commit->events[0].set(Str::operation, "a|b\\c=d\ne");
  commit->events[0].set(Str::principal, "a|b\\c=d\ne\rf");
  const std::string line = to_cef(event_envelope(*commit, 0, 0, "l"), {});
  EXPECT_NE(line.find("|a\\|b\\\\c=d e|"), std::string::npos) << line;
  commit->events[0].set(Str::principal, std::string_view("a\tb\0c", 5));
  EXPECT_NE(to_cef(event_envelope(*commit, 0, 0, "l"), {}).find("suser=a b c "), std::string::npos);
  EXPECT_NE(line.find("suser=a|b\\\\c\\=d\\ne\\rf "), std::string::npos) << line;
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(Format, a_checkpoint_is_its_note_with_size_and_root_beside_it) {
  const CommitPtr commit = test::make_coverage(5, 42);
  const Envelope item = checkpoint_envelope(*commit, 0, "control");
  const auto object = parse(to_json(item, {}));
  EXPECT_EQ(object["type"], "checkpoint");
  EXPECT_EQ(object["checkpoint"], commit->head) << "byte for byte";
  EXPECT_EQ(object["origin"], "tidewaiter.local/0123/1/control");
  EXPECT_EQ(object["size"], 42);
  EXPECT_EQ(object["root"], "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
  EXPECT_EQ(object["uid"], to_hex(as_view(sha256(commit->head))));
  EXPECT_EQ(object["seq"], 41);
  const std::string cef = to_cef(item, {});
  EXPECT_TRUE(cef.starts_with("CEF:0|tidewaiter|tidewaiter|1|checkpoint|signed checkpoint|1|rt=")) << cef;
  EXPECT_EQ(cef.find('\n'), std::string::npos);
  EXPECT_NE(cef.find(" cat=checkpoint "), std::string::npos);
  EXPECT_NE(cef.find(" msg=tidewaiter.local/0123/1/control\\n42\\nMDEy"), std::string::npos) << cef;
}

TEST(Severity, every_word_has_its_number_in_both_scales) {
  EXPECT_EQ(cef_severity(Severity::critical), 10);
  EXPECT_EQ(cef_severity(Severity::informational), 1);
  EXPECT_EQ(syslog_severity(Severity::critical), 2);
  EXPECT_EQ(syslog_severity(Severity::informational), 6);
  for (int i = 1; i < 5; ++i) {
    EXPECT_LT(cef_severity(static_cast<Severity>(i)), cef_severity(static_cast<Severity>(i + 1)));
    EXPECT_GT(syslog_severity(static_cast<Severity>(i)), syslog_severity(static_cast<Severity>(i + 1)));
  }
}

TEST(Trim, what_fits_is_left_alone) {
  EXPECT_EQ(trim_json("{\"a\":1}", 512), "{\"a\":1}");
  EXPECT_EQ(trim_cef("CEF:0|a|b|1|c|d|5|rt=1", 512), "CEF:0|a|b|1|c|d|5|rt=1");
}

TEST(Trim, the_longest_value_is_cut_first_and_the_rest_kept) {
  const json object{{"uid", "u1"}, {"short", "kept"}, {"long", std::string(5000, 'x')}};
  const std::string text = trim_json(object.dump(), 1000);
  EXPECT_LE(text.size(), 1000u);
  const json trimmed = parse(text);
  EXPECT_EQ(trimmed["short"], "kept");
  EXPECT_EQ(trimmed["trimmed"], true);
  EXPECT_GT(trimmed["long"].get<std::string>().size(), 800u);
}

TEST(Trim, a_long_list_loses_its_end) {
  json object{{"uid", "u1"}};
  for (int i = 0; i < 500; ++i) object["evidence"].push_back({{"log", "agent-high"}, {"seq", i}});
  const std::string text = trim_json(object.dump(), 2048);
  EXPECT_LE(text.size(), 2048u);
  EXPECT_EQ(parse(text)["evidence"][0]["seq"], 0);
  EXPECT_EQ(parse(text)["uid"], "u1");
}

TEST(Trim, characters_are_never_cut_in_half) {
  std::string value;
  for (int i = 0; i < 2000; ++i) value += "\xE2\x82\xAC";  // €
  for (std::size_t limit = 600; limit < 620; ++limit) {
    const std::string text = trim_json("{\"a\":\"" + value + "\"}", limit);
    EXPECT_LE(text.size(), limit);
    EXPECT_TRUE(json::accept(text));
    EXPECT_EQ(text.find("\xEF\xBF\xBD"), std::string::npos);  // no replacement character
  }
}

TEST(Trim, any_object_fits_into_any_limit_and_stays_an_object) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 300; ++round) {
    json object{{"uid", std::string(64, 'a')}, {"log", "l"}};
    const std::uint64_t fields = random() % 60;
    for (std::uint64_t i = 0; i < fields; ++i) {
      const std::string key = "k" + std::to_string(i);
      if (random() % 3 == 0)
        object[key] = random();
      else if (random() % 2 == 0)
        object[key]["deep"] = {std::string(random() % 300, '"'), std::string(random() % 300, 'y')};
      else
        object[key] = std::string(random() % 2000, '\\');
    }
    const std::size_t limit = 512 + random() % 4000;
    const std::string text = trim_json(object.dump(), limit);
    ASSERT_LE(text.size(), limit);
    const json trimmed = parse(text);
    ASSERT_TRUE(trimmed.is_object());
    EXPECT_EQ(trimmed["uid"], object["uid"]);
  }
}

TEST(Trim, a_cef_line_loses_values_but_not_what_identifies_it) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 300; ++round) {
    std::string line = "CEF:0|tidewaiter|tidewaiter|1|a\\|b|name|8|rt=1 externalId=u1 cat=alert";
    const std::uint64_t fields = 1 + random() % 20;
    for (std::uint64_t i = 0; i < fields; ++i) {
      line += " k" + std::to_string(i) + "=";
      const std::uint64_t length = random() % 800;
      for (std::uint64_t j = 0; j < length; ++j) line += random() % 5 == 0 ? "\\=" : random() % 7 == 0 ? "\\\\" : "z z";
    }
    const std::size_t limit = 512 + random() % 2000;
    const std::string text = trim_cef(line, limit);
    ASSERT_LE(text.size(), limit) << line;
    EXPECT_TRUE(text.starts_with("CEF:0|tidewaiter|tidewaiter|1|a\\|b|name|8|rt=1 externalId=u1 cat=alert"));
    if (line.size() <= limit) {
      EXPECT_EQ(text, line);
      continue;
    }
    EXPECT_TRUE(text.ends_with(" tidewaiterTrimmed=true"));
    // No value ends in the middle of an escape.
    const std::size_t end = text.size() - std::string(" tidewaiterTrimmed=true").size();
    std::size_t slashes = 0;
    while (slashes < end && text[end - 1 - slashes] == '\\') ++slashes;
    EXPECT_EQ(slashes % 2, 0u);
  }
}

}  // namespace
}  // namespace tidewaiter::forward
