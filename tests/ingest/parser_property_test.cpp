// The parser against a second reading of the same rules, over random messages; and the mapping against the columns.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "core/text.hpp"
#include "ingest/plan.hpp"
#include "tests/ingest/batches.hpp"
#include "tests/ingest/reference.hpp"

namespace tidewaiter::ingest {
namespace {

using testing::columns_of;
using testing::make_parser;
using testing::reference_columns;
using testing::TestBatch;

/// Random messages: right values, wrong ones, all types, any order, unknown keys, escapes.
class MessageMaker {
 public:
  explicit MessageMaker(unsigned seed) : random_(seed) {}

  std::string message() {
    std::vector<std::string> members{"\"specversion\":\"1.0\""};
    for (const char* name : {"id", "source", "subject", "tenant"})
      if (chance(2)) members.push_back(key(name) + text());
    if (chance(2)) members.push_back(key("type") + (chance(4) ? text() : "\"dev.tidewaiter.ci.build.run.v1\""));
    if (chance(2)) members.push_back(key("time") + time());
    if (chance(5)) members.push_back(key("recordedtime") + time());
    if (chance(3)) members.push_back(key("traceparent") + "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"");
    if (chance(4)) members.push_back(key("x" + std::to_string(random_() % 9)) + anything(3));
    members.push_back(key("data") + (chance(20) ? anything(2) : data()));
    return object(members);
  }

 private:
  bool chance(unsigned one_in) { return random_() % one_in == 0; }
  std::string space() { return chance(6) ? std::string(1 + random_() % 3, " \n\t\r"[random_() % 4]) : ""; }
  std::string key(std::string name) {
    if (chance(30)) {  // the same key, its first character escaped
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(name[0]));
      name = escaped + name.substr(1);
    }
    return "\"" + name + "\"" + space() + ":" + space();
  }
  std::string object(std::vector<std::string> members) {
    std::shuffle(members.begin(), members.end(), random_);
    std::string out = "{" + space();
    for (std::size_t i = 0; i < members.size(); ++i) out += (i ? "," + space() : "") + members[i] + space();
    return out + "}";
  }
  std::string text() {
    static const std::vector<std::string> pieces = {"a", "Bot", ".example", "-", "7", "\\n", "\\\"", "\\u00e9", "\\ud83d\\ude00",
                                                    "\xC3\xA9", " ", "\\\\", "\\u0000", "Corp.", "{[:,",
                                                    "ghp_Ab3dEf6hIj9kLmN0pQrStUvWxYz12", "Bearer s3cret-s3cret", "pwd=x"};
    std::string out;
    for (auto count = random_() % 6; count > 0; --count) out += pieces[random_() % pieces.size()];
    if (chance(15)) out += std::string(random_() % 2500, 'x') + "\xE2\x82\xAC";
    return "\"" + out + "\"";
  }
  std::string number() {
    static const std::vector<std::string> numbers = {"0", "1", "443", "65535", "65536", "-1", "500.0", "1.5", "1e3", "1.8e19",
                                                     "4294967296", "18446744073709551615", "\"4364\"", "\"12x\"", "\"\"", "256"};
    return numbers[random_() % numbers.size()];
  }
  std::string time() {
    static const std::vector<std::string> times = {"\"2026-03-04T05:06:07Z\"", "\"2026-03-04T05:06:08.123456789Z\"",
        "\"2026-03-04t05:06:09+02:00\"", "\"1999-01-01T00:00:00Z\"", "\"1960-01-01T00:00:00Z\"", "\"2199-01-01T00:00:00Z\"",
        "\"2026-02-30T00:00:00Z\"", "\"yesterday\"", "\"2026-03-04T05:06:60Z\"", "\"2026-03-04T05:06:07\"", "12345",
        "1777629600", "1777629600.25", "\"1777629600250\"", "1777629600250125", "\"1777629600250125001\"", "1.7776296e9", "-1",
        "\"2026-03-04T25:00:00Z\"", "\"2026-03-04T05:06:07.Z\"", "\"2026-03-04T05:06:07.1234567891Z\""};
    return times[random_() % times.size()];
  }
  std::string ip() {
    static const std::vector<std::string> ips = {"\"10.1.2.3\"", "\"251.234.045.249\"", "\"fd00::1\"", "\"::ffff:1.2.3.4\"",
        "\"fe80::1%eth0\"", "\"256.1.1.1\"", "\"1.2.3\"", "\"AWS Internal\"", "\"1.2.3.4.5\"", "7"};
    return ips[random_() % ips.size()];
  }
  std::string word(const EnumTable& table) {
    return chance(5) ? text() : "\"" + std::string(table.words[random_() % table.words.size()]) + "\"";
  }
  std::string array(auto element) {
    std::string out = "[" + space();
    for (auto count = random_() % 5, i = count * 0; i < count; ++i) out += (i ? "," : "") + element() + space();
    return out + "]";
  }
  std::string anything(int depth) {
    switch (random_() % (depth > 0 ? 7 : 5)) {
      case 0: return "null";
      case 1: return chance(2) ? "true" : "false";
      case 2: return number();
      case 3: return text();
      case 4: return chance(2) ? "{}" : "[]";
      case 5: return array([&] { return anything(depth - 1); });
      default: return object({key("a") + anything(depth - 1), key("b") + anything(depth - 1)});
    }
  }
  std::string value(const ColumnInfo& column) {
    if (chance(12)) return anything(2);
    if (column.name == "capability.scopes") return array([&] { return chance(6) ? anything(1) : text(); });
    switch (column.kind) {
      case ColumnKind::string: return text();
      case ColumnKind::number: return number();
      case ColumnKind::time: return time();
      case ColumnKind::ip: return ip();
      case ColumnKind::enumeration: return word(*column.words);
      case ColumnKind::set: return array([&] { return chance(8) ? anything(1) : word(*column.words); });
    }
    return "null";
  }
  std::string data() {
    std::map<std::string, std::vector<std::string>> groups;
    std::vector<std::string> members;
    for (const ColumnInfo& column : columns) {
      if (!chance(3)) continue;
      const std::string name(column.name);
      const std::size_t dot = name.find('.');
      if (dot == std::string::npos)
        members.push_back(key(name) + value(column));
      else
        groups[name.substr(0, dot)].push_back(key(name.substr(dot + 1)) + value(column));
    }
    for (auto& [name, inner] : groups) members.push_back(key(name) + (chance(20) ? anything(1) : object(inner)));
    if (chance(3)) members.push_back(key("unknown") + anything(3));
    return object(members);
  }

  std::mt19937 random_;
};

TEST(ParserProperty, random_messages_give_the_columns_of_the_reference) {
  auto parser = make_parser();
  MessageMaker maker(20261125);
  for (int i = 0; i < 20'000; ++i) {
    const std::string message = maker.message();
    TestBatch batch(1 << 20);
    batch.add(message).parse(*parser);
    ASSERT_EQ(batch.record().kind, RecordKind::event) << message;
    ASSERT_EQ(columns_of(batch.event()), reference_columns(message, testing::receive_ns)) << message;
  }
}

TEST(ParserProperty, a_strict_parser_gives_the_same_events) {
  ParserOptions options;
  options.strict = true;
  auto strict = make_parser(options), fast = make_parser();
  MessageMaker maker(7);
  for (int i = 0; i < 3'000; ++i) {
    const std::string message = maker.message();
    TestBatch a(1 << 20), b(1 << 20);
    a.add(message).parse(*strict);
    b.add(message).parse(*fast);
    ASSERT_EQ(columns_of(a.event()), columns_of(b.event())) << message;
  }
}

/// What the other parser says; nothing for a lone surrogate, which we replace and flag, and a number beyond a double,
/// which we leave alone: both are JSON.
std::optional<bool> accepted_elsewhere(const std::string& message) {
  try {
    return !nlohmann::json::parse(message).is_discarded();
  } catch (const nlohmann::json::exception& error) {
    for (const char* not_our_matter : {"surrogate", "number overflow"})
      if (std::string_view(error.what()).find(not_our_matter) != std::string_view::npos) return std::nullopt;
    return false;
  }
}

TEST(ParserProperty, the_exact_check_agrees_with_another_parser_on_damaged_messages) {
  std::mt19937 random(11);
  MessageMaker maker(12);
  JsonLimits limits;
  for (int i = 0; i < 30'000; ++i) {
    std::string message = maker.message();
    for (auto count = 1 + random() % 3; count > 0 && !message.empty(); --count) {
      const std::size_t at = random() % message.size();
      switch (random() % 4) {
        case 0: message.erase(at, 1); break;
        case 1: message[at] = static_cast<char>(random()); break;
        case 2: message.insert(at, 1, "{}[]\",:\\0e-"[random() % 11]); break;
        case 3: message.resize(at); break;
      }
    }
    if (message.starts_with("\xEF\xBB\xBF")) continue;  // the other one takes a BOM
    const auto elsewhere = accepted_elsewhere(message);
    if (!elsewhere) continue;
    ASSERT_EQ(check_json(message, limits) == RejectReason::none, *elsewhere)
        << reject_reason_name(check_json(message, limits)) << " " << message;
  }
}

TEST(ParserProperty, a_damaged_message_is_never_accepted_with_other_columns_than_the_reference) {
  std::mt19937 random(13);
  MessageMaker maker(14);
  ParserOptions options;
  options.strict = true;
  auto parser = make_parser(options);
  for (int i = 0; i < 20'000; ++i) {
    std::string message = maker.message();
    message[random() % message.size()] = static_cast<char>(random());
    TestBatch batch(1 << 20);
    batch.add(message).parse(*parser);
    if (batch.record().kind != RecordKind::event) continue;
    const auto elsewhere = accepted_elsewhere(message);
    if (!elsewhere || (batch.event().get(Num::flags) & flag::duplicate_key) != 0) continue;
    ASSERT_TRUE(*elsewhere) << message;
    if (message.find('\x01') != std::string::npos) continue;  // the reference's own mark
    ASSERT_EQ(columns_of(batch.event()), reference_columns(message, testing::receive_ns)) << message;
  }
}

/// Names of the columns that the mapping fills.
std::vector<std::string> mapped_columns(const nlohmann::json& mapping) {
  std::vector<std::string> names;
  for (const auto& [name, source] : mapping.at("fields").items()) names.push_back(name);
  return names;
}

TEST(Mappings, cloudevents_fills_every_column_but_those_that_are_ours) {
  const auto files = embedded_mappings();
  const auto file = std::find_if(files.begin(), files.end(), [](const auto& f) { return f.name == "cloudevents"; });
  ASSERT_NE(file, files.end());
  const auto names = mapped_columns(nlohmann::json::parse(file->json));
  for (const ColumnInfo& column : columns) {
    const bool ours = column.name == "format" || column.name == "mapping_version" || column.name == "flags";
    EXPECT_EQ(std::find(names.begin(), names.end(), column.name) == names.end(), ours) << column.name;
  }
}

TEST(Mappings, an_event_written_as_json_is_read_back_the_same) {
  auto parser = make_parser();
  MessageMaker maker(99);
  for (int i = 0; i < 500; ++i) {
    TestBatch first(1 << 20), second(1 << 20);
    first.add(maker.message()).parse(*parser);
    std::string json = R"({"specversion":"1.0","data":)";
    append_event_json(json, first.event());
    second.add(json + "}").parse(*parser);
    auto before = columns_of(first.event()), after = columns_of(second.event());
    for (auto* columns_map : {&before, &after}) {
      columns_map->erase("flags");  // ours, not read
      columns_map->erase("capability.scopes");  // words are split at spaces on output
    }
    ASSERT_EQ(before, after) << json;
  }
}

struct BadMapping {
  const char* json;
  const char* says;
};

TEST(Mappings, a_wrong_mapping_is_refused_with_the_place) {
  const BadMapping bad[] = {
      {"[]", "not a JSON object"},
      {R"({"format":"x","number":1,"version":1})", "fields"},
      {R"({"format":"x","number":1,"version":1,"fields":{"colour":"a"}})", "colour"},
      {R"({"format":"x","number":1,"version":1,"fields":{"dst_ip":{"path":"a","as":"lower"}}})", "dst_ip"},
      {R"({"format":"x","number":1,"version":1,"fields":{"time":{"path":"a","form":"julian"}}})", "time"},
      {R"({"format":"x","number":1,"version":1,"fields":{"app":5}})", "x"},
      {R"({"format":"x","number":1,"version":1,"fields":{"app":"a"},"defaults":{"action":"teleport"}})", "action"},
      {R"({"format":"x","number":1,"version":1,"headers":{"prefix":"h_","payload":"data"},"fields":{"app":"a"}})", "payload"}};
  for (const auto& [json, says] : bad) {
    const auto plan = Plan::compile(json, "x");
    ASSERT_FALSE(plan.has_value()) << json;
    EXPECT_EQ(plan.error().code, Code::invalid_argument);
    EXPECT_NE(plan.error().message.find(says), std::string::npos) << plan.error().message;
  }
}

TEST(Mappings, every_form_of_time_and_every_transform_works) {
  const std::string mapping = R"({"format":"x","number":9,"version":2,"detect":{"present":["kind"]},"fields":{
    "time":{"path":"t","as":"time","form":"ms"},"observed_time":{"path":"o","as":"time","form":"float_s"},
    "capability.expires":{"path":"e","as":"time","form":"civil"},"capability.not_before":{"path":"n","form":"ns"},
    "app":{"path":"a","as":"lower"},"session":{"path":"s","separator":"/","segment":1},
    "role":["first","second"]},"defaults":{"owner":"nobody"}})";
  auto parser = std::move(Parser::create({}, {{"x", mapping}})).value();
  TestBatch batch;
  batch.add(R"({"kind":1,"t":1772600767250,"o":1772600767.5,"e":"2026-03-04 05:06:07.5 UTC","n":"1772600767000000001",
                "a":"ABC","s":"x/y/z","second":"2"})").parse(*parser);
  const Event& event = batch.event();
  EXPECT_EQ(event.time_ns(), 1'772'600'767'250'000'000);
  EXPECT_EQ(event.get(Num::observed_time), 1'772'600'767'500'000'000u);
  EXPECT_EQ(format_rfc3339(static_cast<std::int64_t>(event.get(Num::capability_expires))), "2026-03-04T05:06:07.500Z");
  EXPECT_EQ(event.get(Num::capability_not_before), 1'772'600'767'000'000'001u);
  EXPECT_EQ(event.get(Str::app), "abc");
  EXPECT_EQ(event.get(Str::session), "y");
  EXPECT_EQ(event.get(Str::role), "2");
  EXPECT_EQ(event.get(Str::owner), "nobody");
  EXPECT_EQ(event.get(Num::format), 9u);
}

}  // namespace
}  // namespace tidewaiter::ingest
