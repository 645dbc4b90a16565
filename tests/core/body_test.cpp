#include "core/body.hpp"

#include <gtest/gtest.h>

#include "core/sha256.hpp"

namespace tidewaiter {
namespace {

std::string encode(const BodyParts& parts) {
  std::string bytes(body_size(parts), '\0');
  write_body(parts, bytes.data());
  return bytes;
}

TEST(Body, null_and_empty_are_distinct_in_key_header_and_value) {
  BodyParts parts;
  parts.headers = {{"a", std::nullopt}, {"a", ""}, {"", "x"}};
  parts.value = "";
  const std::string bytes = encode(parts);
  const auto back = read_body(bytes);
  ASSERT_TRUE(back);
  EXPECT_FALSE(back->key);
  ASSERT_EQ(back->headers.size(), 3u);
  EXPECT_FALSE(back->headers[0].value);
  EXPECT_EQ(back->headers[1].value, "");
  EXPECT_EQ(back->headers[2].name, "");
  EXPECT_EQ(back->value, "");
}

TEST(Body, every_cut_and_every_extra_byte_is_corruption) {
  BodyParts parts;
  parts.key = "key";
  parts.headers = {{"name", "value"}};
  parts.kafka_time_ms = 5;
  parts.receive_time_ns = 6;
  parts.value = "payload";
  const std::string bytes = encode(parts);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(read_body(bytes.substr(0, size))) << size;
  EXPECT_FALSE(read_body(bytes + "x"));
}

TEST(Body, what_is_read_without_headers_is_the_rest_and_their_damage_is_still_seen) {
  BodyParts parts;
  parts.key = "key";
  parts.headers = {{"name", "value"}, {"other", std::nullopt}};
  parts.kafka_time_ms = 5;
  parts.receive_time_ns = 6;
  parts.value = "payload";
  const std::string bytes = encode(parts);
  const auto back = read_body_but_headers(bytes);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->headers.empty());
  EXPECT_EQ(back->key, "key");
  EXPECT_EQ(back->kafka_time_ms, 5);
  EXPECT_EQ(back->receive_time_ns, 6);
  EXPECT_EQ(back->value, "payload");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(read_body_but_headers(bytes.substr(0, size))) << size;
}

TEST(Batch, a_message_is_refused_when_the_arena_is_full_and_nothing_moves) {
  Batch batch(64);
  BodyParts parts;
  parts.value = "0123456789";
  const Origin* origin = intern_origin("c", {}, "t");
  ASSERT_TRUE(append_message(batch, origin, 3, 7, -1, parts));
  const char* before = batch.records[0].value.data();
  ASSERT_FALSE(append_message(batch, origin, 3, 8, -1, parts));
  EXPECT_EQ(batch.records.size(), 1u);
  EXPECT_EQ(batch.records[0].value.data(), before);
  EXPECT_EQ(batch.records[0].value, "0123456789");
}

TEST(Batch, a_null_value_is_a_tombstone_and_an_empty_one_is_not) {
  Batch batch(1024);
  BodyParts parts;
  const Origin* origin = intern_origin("c", {}, "t");
  ASSERT_TRUE(append_message(batch, origin, 0, 0, -1, parts));
  parts.value = "";
  ASSERT_TRUE(append_message(batch, origin, 0, 1, -1, parts));
  EXPECT_EQ(batch.records[0].kind, RecordKind::tombstone);
  EXPECT_EQ(batch.records[1].kind, RecordKind::event);
}

TEST(Origin, is_one_object_per_cluster_topic_id_and_name) {
  TopicId other{};
  other[0] = 1;
  EXPECT_EQ(intern_origin("c", {}, "t"), intern_origin("c", {}, "t"));
  EXPECT_NE(intern_origin("c", {}, "t"), intern_origin("c", other, "t"));
}

TEST(EventUid, depends_on_the_coordinates_and_sub_alone) {
  Record a;
  a.origin = intern_origin("c", {}, "t");
  a.offset = 7;
  Record b = a;
  b.receive_time_ns = 99;
  EXPECT_EQ(event_uid(a, 0), event_uid(b, 0));
  EXPECT_NE(event_uid(a, 0), event_uid(a, 1));
  b.offset = 8;
  EXPECT_NE(event_uid(a, 0), event_uid(b, 0));
}

}  // namespace
}  // namespace tidewaiter
