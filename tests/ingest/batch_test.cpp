#include <gtest/gtest.h>

#include "ingest/batch_builder.hpp"
#include "ingest/source.hpp"
#include "tests/ingest/batches.hpp"

namespace tidewaiter::ingest {
namespace {

const Origin* const origin = intern_origin("test", {}, "t");

BodyParts body(std::string_view value, std::int64_t receive_ns = 0) {
  BodyParts parts;
  parts.value = value;
  parts.receive_time_ns = receive_ns;
  return parts;
}

TEST(BatchBuilder, a_batch_is_full_at_its_size_and_the_next_one_takes_what_did_not_fit) {
  BatchBuilder builder({1000, 50});
  const std::string value(310, 'x');
  EXPECT_TRUE(builder.add(origin, 0, 0, -1, body(value)));
  EXPECT_TRUE(builder.add(origin, 0, 1, -1, body(value)));
  EXPECT_FALSE(builder.add(origin, 0, 2, -1, body(value)));
  EXPECT_EQ(builder.take()->records.size(), 2u);
  EXPECT_TRUE(builder.add(origin, 0, 2, -1, body(value)));
  EXPECT_EQ(builder.take()->records[0].offset, 2u);
  EXPECT_EQ(builder.take(), nullptr);
}

TEST(BatchBuilder, a_batch_is_due_when_its_first_message_is_old_enough) {
  BatchBuilder builder({1000, 50});
  EXPECT_FALSE(builder.due(1'000'000'000));
  EXPECT_EQ(builder.wait_ms(0, 77), 77);
  builder.add(origin, 0, 0, -1, body("x", 1'000'000'000));
  EXPECT_FALSE(builder.due(1'049'000'000));
  EXPECT_EQ(builder.wait_ms(1'020'000'000, 77), 30);
  EXPECT_TRUE(builder.due(1'050'000'000));
}

TEST(BatchBuilder, a_message_larger_than_a_batch_gets_one_of_its_own) {
  BatchBuilder builder({1000, 50});
  const std::string huge(5'000'000, 'x');
  EXPECT_TRUE(builder.add(origin, 0, 0, -1, body("small")));
  EXPECT_FALSE(builder.add(origin, 0, 1, -1, body(huge)));
  EXPECT_EQ(builder.take()->records.size(), 1u);
  EXPECT_TRUE(builder.add(origin, 0, 1, -1, body(huge)));
  EXPECT_TRUE(builder.due(0));
  EXPECT_EQ(builder.take()->records[0].value.size(), huge.size());
  EXPECT_TRUE(builder.add(origin, 0, 2, -1, body("small")));
}

TEST(BatchBuilder, dropped_records_leave_room_for_a_message_of_any_size) {
  BatchBuilder builder({1000, 50});
  const std::string value(900, 'x'), huge(3'000'000, 'x');
  builder.add(origin, 0, 0, -1, body(value));
  EXPECT_EQ(builder.drop([](const Record&) { return true; }), 1u);
  EXPECT_TRUE(builder.empty());
  EXPECT_TRUE(builder.add(origin, 0, 1, -1, body(huge)));
  const auto batch = builder.take();
  EXPECT_EQ(batch->read, 1u);
}

TEST(BatchBuilder, a_gap_alone_is_handed_over) {
  BatchBuilder builder({1000, 50});
  builder.add_gap({origin, 0, 3, 9, "below log start"});
  EXPECT_EQ(builder.take()->gaps.size(), 1u);
}

TEST(Batches, ends_are_the_highest_offset_of_each_partition_plus_one) {
  Batch batch(10'000);
  for (const auto& [partition, offset] : {std::pair{0u, 5u}, {1u, 7u}, {0u, 6u}, {1u, 3u}})
    append_message(batch, origin, partition, offset, -1, body("x"));
  const auto ends = ends_of(batch);
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].next_offset, 7u);
  EXPECT_EQ(ends[1].next_offset, 8u);
}

TEST(Batches, removing_records_takes_their_events_and_renumbers_the_rest) {
  auto parser = testing::make_parser();
  testing::TestBatch made;
  made.add(testing::envelope(R"({"app":"a"})")).add("broken").add(testing::envelope(R"({"app":"b"})"));
  made.add(testing::envelope(R"({"app":"c"})")).add(std::nullopt).parse(*parser);
  Batch& batch = made.batch;
  EXPECT_EQ(remove_records(batch, [](const Record& record) { return record.offset == 0 || record.offset == 4; }), 2u);
  ASSERT_EQ(batch.records.size(), 3u);
  EXPECT_EQ(batch.events.size(), 2u);
  EXPECT_EQ(batch.read, 3u);
  EXPECT_EQ(made.record(0).kind, RecordKind::reject);
  EXPECT_EQ(made.event(1).get(Str::app), "b");
  EXPECT_EQ(made.event(1).record, 1u);
  EXPECT_EQ(made.event(2).get(Str::app), "c");
  EXPECT_EQ(made.event(2).record, 2u);
}

}  // namespace
}  // namespace tidewaiter::ingest
