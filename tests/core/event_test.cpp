#include "core/event.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/text.hpp"

namespace tidewaiter {
namespace {

TEST(Columns, have_unique_names_and_are_found_by_them) {
  std::set<std::string_view> names;
  for (const ColumnInfo& column : columns) {
    EXPECT_TRUE(names.insert(column.name).second) << column.name;
    ASSERT_TRUE(find_column(column.name));
    EXPECT_EQ(find_column(column.name)->slot, column.slot);
  }
  EXPECT_EQ(info(Str::rule).name, "rule");
  EXPECT_EQ(info(Num::severity).name, "severity");
  EXPECT_EQ(info(Addr::dst_ip).name, "dst_ip");
  EXPECT_FALSE(find_column("nonsense"));
}

TEST(ColumnText, is_the_text_it_was_made_of_up_to_the_longest) {
  const std::string longest(ColumnText::size_max, 'x');
  for (const std::string_view text : {std::string_view("a"), std::string_view("agent 7"), std::string_view(longest)}) {
    const ColumnText kept = text;
    EXPECT_EQ(std::string_view(kept), text);
    EXPECT_EQ(kept.data(), text.data());
    EXPECT_EQ(kept.size(), text.size());
  }
  EXPECT_TRUE(std::string_view(ColumnText(std::string_view())).empty());
}

TEST(Event, absent_is_neither_empty_nor_zero) {
  Event event;
  EXPECT_FALSE(event.has(Str::app));
  EXPECT_FALSE(event.has(Num::bytes_out));
  EXPECT_EQ(event.get(Addr::dst_ip), nullptr);
  event.set(Str::app, "");
  event.set(Num::bytes_out, 0);
  event.set(Addr::dst_ip, *parse_ip("10.0.0.1"));
  EXPECT_TRUE(event.has(Str::app));
  EXPECT_TRUE(event.has(Num::bytes_out));
  ASSERT_NE(event.get(Addr::dst_ip), nullptr);
  event.clear(Str::app);
  EXPECT_FALSE(event.has(Str::app));
}

TEST(EventJson, nests_dotted_columns_and_leaves_absent_ones_out) {
  Event event;
  event.set(Str::principal, "bot \"7\"\n");
  event.set(Str::agent_uid, "a-1");
  event.set(Str::agent_model, "m");
  event.set(Str::tool_name, "http");
  event.set(Str::capability_scopes, "read write");
  event.set(Num::time, 0);
  event.set(Num::action, *enums::action.find("send"));
  event.set(Num::data_classes, 1u << 5 | 1u << 6);
  event.set(Addr::dst_ip, *parse_ip("10.0.0.1"));
  std::string json;
  append_event_json(json, event);
  EXPECT_EQ(json,
            R"({"principal":"bot \"7\"\n","agent":{"uid":"a-1","model":"m"},"capability":{"scopes":["read","write"]},)"
            R"("tool":{"name":"http"},"time":"1970-01-01T00:00:00Z","action":"send","data_classes":["pii","phi"],)"
            R"("dst_ip":"10.0.0.1"})");
}

TEST(EventJson, secrets_are_cut_when_masked) {
  Event event;
  event.set(Str::capability_token_hash, "0123456789abcdef");
  std::string json;
  append_event_json(json, event, true);
  EXPECT_EQ(json, "{\"capability\":{\"token_hash\":\"01234567\xE2\x80\xA6\"}}");
  Event call;
  call.set(Str::resource, "https://bob:hunter2@host/x");
  json.clear();
  append_event_json(json, call, true);
  EXPECT_EQ(json, "{\"resource\":\"https://bob:\xE2\x80\xA6@host/x\"}");
  json.clear();
  append_event_json(json, call, false);
  EXPECT_EQ(json, R"({"resource":"https://bob:hunter2@host/x"})");
}

TEST(UrlPassword, is_what_stands_between_user_and_host) {
  EXPECT_EQ(url_password_in("https://bob:hunter2@host/x"), "hunter2");
  EXPECT_EQ(url_password_in("postgres://:p@ss:w@db:5432/shop?a@b"), "p@ss:w");
  EXPECT_EQ(url_password_in("see http://a/ and ftp://u:p@b"), "p");
  for (const char* text : {"https://host:8443/a@b", "https://bob@host", "https://bob:@host", "mail a:b@c", "://", "a://b:c", "https://bob@host:80"})
    EXPECT_EQ(url_password_in(text), "") << text;
  EXPECT_EQ(without_url_passwords("a://u:p@h b://v:q@i"), "a://u:\xE2\x80\xA6@h b://v:\xE2\x80\xA6@i");
  EXPECT_EQ(without_url_passwords("a://u:\xE2\x80\xA6@h"), "a://u:\xE2\x80\xA6@h");
}

}  // namespace
}  // namespace tidewaiter
