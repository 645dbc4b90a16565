// KafkaSource against the embedded broker. What a real broker does differently is tested in tests/e2e.
#include "ingest/kafka_source.hpp"

#include <atomic>
#include <set>
#include <thread>

#include "core/body.hpp"
#include "core/bounded_queue.hpp"
#include "tests/ingest/kafka_fixture.hpp"

namespace tidewaiter::ingest {
namespace {

TEST_F(KafkaSourceTest, every_message_of_all_partitions_arrives_once) {
  produce(0, 3000);
  TinyStore store;
  auto source = open(options(store));
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 3000; }));
  EXPECT_EQ(store.duplicates, 0u);
  for (const auto& [lane, offsets] : store.held()) {
    EXPECT_EQ(offsets.size(), 1000u);
    EXPECT_EQ(offsets.rbegin()->first, 999u);
    EXPECT_FALSE(lane.first->cluster.empty());
  }
}

TEST_F(KafkaSourceTest, keys_headers_empty_and_null_values_are_kept_apart) {
  KafkaProducerOptions made;
  made.properties = {{"bootstrap.servers", broker_->bootstrap()}};
  made.topic = "events";
  auto producer = std::move(KafkaProducer::open(made)).value();
  ASSERT_TRUE(producer->send({.key = "key", .value = "v", .headers = {{"a", "1"}, {"a", ""}}, .partition = 0, .time_ms = 1234}));
  ASSERT_TRUE(producer->send({.key = std::nullopt, .value = "", .headers = {}, .partition = 0, .time_ms = 0}));
  ASSERT_TRUE(producer->send({.key = "", .value = std::nullopt, .headers = {}, .partition = 0, .time_ms = 0}));
  ASSERT_TRUE(producer->flush(10'000));
  TinyStore store;
  auto source = open(options(store));
  std::vector<std::unique_ptr<Batch>> batches;
  std::vector<const Record*> records;
  for (int i = 0; i < 300 && records.size() < 3; ++i) {
    auto batch = source->poll(50);
    if (!*batch) continue;
    batches.push_back(std::move(batch).value());
    for (const Record& record : batches.back()->records) records.push_back(&record);
  }
  ASSERT_EQ(records.size(), 3u);
  const auto first = read_body(records[0]->body);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->key, "key");
  EXPECT_EQ(first->kafka_time_ms, 1234);
  ASSERT_EQ(first->headers.size(), 2u);
  EXPECT_EQ(first->headers[1].value, "");
  EXPECT_FALSE(read_body(records[1]->body)->key.has_value());
  EXPECT_FALSE(records[1]->value_null);
  EXPECT_TRUE(records[2]->value_null);
  EXPECT_EQ(records[2]->kind, RecordKind::tombstone);
  EXPECT_EQ(read_body(records[2]->body)->key, "");
}

TEST_F(KafkaSourceTest, a_restart_goes_on_where_the_store_ends_whatever_is_committed) {
  produce(0, 300);
  TinyStore store;
  {
    auto source = open(options(store));
    EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 300; }));
  }
  produce(300, 600);
  auto source = open(options(store));
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 600; }));
  EXPECT_EQ(store.duplicates, 0u);
  source.reset();
  TinyStore empty;  // the store was lost: committed offsets must not hide what it lacks
  auto again = open(options(empty));
  EXPECT_TRUE(run_until(*again, empty, [&] { return empty.size() == 600; }));
}

TEST_F(KafkaSourceTest, offsets_reach_kafka_only_after_the_store_and_carry_the_metadata) {
  produce(0, 30);
  TinyStore store;
  auto wanted = options(store);
  wanted.commit_metadata = [](const Origin& origin) { return "store-7 " + origin.topic; };
  auto source = open(wanted);
  std::vector<std::unique_ptr<Batch>> kept;
  std::size_t polled = 0;
  for (int i = 0; i < 300 && polled < 30; ++i) {
    auto batch = source->poll(50);
    if (!*batch) continue;
    polled += (*batch)->records.size();
    kept.push_back(std::move(batch).value());
  }
  ASSERT_EQ(polled, 30u);
  source.reset();  // nothing was said to be durable
  std::vector<std::pair<std::string, std::string>> seen;
  auto spy = options(store);
  spy.peer_of = [&](std::string_view metadata) -> std::optional<std::string> {
    seen.emplace_back("committed", metadata);
    return std::nullopt;
  };
  source = open(spy);
  for (int i = 0; i < 300 && source->status().partitions.size() < 3; ++i) source->poll(50).value();
  EXPECT_TRUE(seen.empty()) << "no offset may be committed yet";
  source.reset();

  source = open(wanted);
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 30; }));
  source.reset();
  source = open(spy);
  for (int i = 0; i < 300 && seen.size() < 3; ++i) source->poll(50).value();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].second, "store-7 events");
}

TEST_F(KafkaSourceTest, what_a_peer_has_claimed_is_skipped_and_named) {
  produce(0, 30);
  TinyStore peer_store;
  {
    auto wanted = options(peer_store);
    wanted.commit_metadata = [](const Origin&) { return "peer"; };
    auto source = open(wanted);
    EXPECT_TRUE(run_until(*source, peer_store, [&] { return peer_store.size() == 30; }));
  }
  produce(30, 60);
  TinyStore store;
  auto wanted = options(store);
  wanted.peer_of = [](std::string_view metadata) {
    return metadata == "peer" ? std::optional<std::string>("other") : std::nullopt;
  };
  auto source = open(wanted);
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 30; }));
  for (const auto& [lane, offsets] : store.held()) EXPECT_EQ(offsets.begin()->first, 10u);
  ASSERT_EQ(store.gaps.size(), 3u);
  EXPECT_EQ(store.gaps[0].reason, "claimed by store other");
  EXPECT_EQ(store.gaps[0].to, 10u);
}

TEST_F(KafkaSourceTest, messages_that_retention_removed_are_a_named_gap) {
  produce(0, 300);
  TinyStore store;
  ASSERT_TRUE(broker_->delete_records("events", 1, 40));
  auto source = open(options(store));
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() >= 260; }));
  std::uint64_t from = 0, to = 0;
  for (const OffsetGap& gap : store.gaps) {
    EXPECT_EQ(gap.partition, 1u);
    EXPECT_EQ(gap.reason, "below log start");
    from = gap.from;
    to = gap.to;
  }
  ASSERT_EQ(store.gaps.size(), 1u);
  EXPECT_EQ(from, 0u);
  for (const auto& [lane, offsets] : store.held())
    EXPECT_TRUE(lane.second != 1 || offsets.begin()->first == to);
}

TEST_F(KafkaSourceTest, a_topic_made_anew_is_another_topic_read_from_its_beginning) {
  produce(0, 300);
  TinyStore store;
  auto source = open(options(store));
  ASSERT_TRUE(run_until(*source, store, [&] { return store.size() == 300; }));
  const TopicId before = source->status().partitions.at(0).topic_id;
  ASSERT_NE(before, TopicId{}) << "a mock cluster of librdkafka 2.10 or newer gives topic ids";
  ASSERT_TRUE(broker_->delete_topic("events"));
  ASSERT_TRUE(broker_->create_topic("events", 3));
  produce(1000, 1900);  // longer than the old one: offsets alone would not show it
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 300 + 900; }));
  std::size_t old_topic = 0, new_topic = 0;
  for (const auto& [lane, offsets] : store.held()) (lane.first->topic_id == before ? old_topic : new_topic) += offsets.size();
  EXPECT_EQ(old_topic, 300u);
  EXPECT_EQ(new_topic, 900u);
  ASSERT_EQ(control_.size(), 1u);
  EXPECT_NE(control_[0].find("\"type\":\"topic_changed\""), std::string::npos);
}

TEST_F(KafkaSourceTest, a_paused_source_gives_nothing_stays_in_the_group_and_goes_on) {
  TinyStore store;
  auto source = open(options(store));
  ASSERT_TRUE(run_until(*source, store, [&] { return source->status().partitions.size() == 3; }));
  source->pause();
  turn(*source, store);
  produce(0, 300);
  for (int i = 0; i < 10; ++i) turn(*source, store);
  EXPECT_EQ(store.size(), 0u);
  EXPECT_EQ(source->status().state, SourceState::paused);
  source->resume();
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 300; }));
  EXPECT_EQ(store.duplicates, 0u);
  EXPECT_EQ(source->status().state, SourceState::running);
}

TEST_F(KafkaSourceTest, an_unknown_property_is_named) {
  TinyStore store;
  auto wanted = options(store);
  wanted.properties["no.such.thing"] = "1";
  const auto source = KafkaSource::open(wanted, clock_);
  ASSERT_FALSE(source.has_value());
  EXPECT_NE(source.error().message.find("no.such.thing"), std::string::npos);
}

TEST_F(KafkaSourceTest, automatic_commit_cannot_be_switched_on) {
  TinyStore store;
  auto wanted = options(store);
  wanted.properties["enable.auto.commit"] = "true";
  EXPECT_EQ(KafkaSource::open(wanted, clock_).error().code, Code::invalid_argument);
}

TEST_F(KafkaSourceTest, a_pattern_takes_all_topics_that_match) {
  ASSERT_TRUE(broker_->create_topic("audit-a", 3));
  ASSERT_TRUE(broker_->create_topic("audit-b", 3));
  produce(0, 30, "audit-a");
  produce(0, 30, "audit-b");
  produce(0, 30);
  TinyStore store;
  auto wanted = options(store);
  wanted.topics = {"^audit-.*"};
  auto source = open(wanted);
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 60; }));
}

TEST_F(KafkaSourceTest, the_lag_and_the_end_of_each_partition_are_known) {
  produce(0, 300);
  TinyStore store;
  auto source = open(options(store));
  auto all_at_end = [&] {
    const auto status = source->status();
    return status.partitions.size() == 3 &&
           std::all_of(status.partitions.begin(), status.partitions.end(), [](const auto& p) { return p.at_end && p.lag == 0; });
  };
  EXPECT_TRUE(run_until(*source, store, all_at_end));
  EXPECT_EQ(store.size(), 300u);
  EXPECT_EQ(source->status().partitions.at(0).next_offset, 100u);
}

constexpr std::int16_t fetch = 1, join_group = 11, heartbeat = 12;
constexpr int group_authorization_failed = 30, fenced_instance_id = 82, storage_error = 56, topic_authorization_failed = 29;

TEST_F(KafkaSourceTest, a_missing_right_parks_the_source_with_the_reason_until_it_is_given) {
  produce(0, 30);
  TinyStore store;
  broker_->fail_requests(join_group, group_authorization_failed, 3);
  auto source = open(options(store));
  ASSERT_TRUE(run_until(*source, store, [&] { return source->status().state == SourceState::parked; }));
  EXPECT_NE(source->status().reason.find("GROUP_AUTHORIZATION_FAILED"), std::string::npos) << source->status().reason;
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 30; }));
  EXPECT_EQ(source->status().state, SourceState::running);
  EXPECT_EQ(source->status().reason, "");
}

TEST_F(KafkaSourceTest, a_member_fenced_off_by_another_of_its_name_stays_parked) {
  TinyStore store;
  auto wanted = options(store);
  wanted.properties["group.instance.id"] = "node-1";
  auto source = open(wanted);
  ASSERT_TRUE(run_until(*source, store, [&] { return source->status().partitions.size() == 3; }));
  broker_->fail_requests(heartbeat, fenced_instance_id, 1);
  ASSERT_TRUE(run_until(*source, store, [&] { return source->status().state == SourceState::parked; }));
  EXPECT_NE(source->status().reason.find("FENCED_INSTANCE_ID"), std::string::npos) << source->status().reason;
  for (int i = 0; i < 10; ++i) turn(*source, store);
  EXPECT_EQ(source->status().state, SourceState::parked);
}

TEST_F(KafkaSourceTest, a_broker_that_goes_away_and_comes_back_loses_nothing) {
  produce(0, 300);
  TinyStore store;
  auto source = open(options(store));
  ASSERT_TRUE(run_until(*source, store, [&] { return store.size() == 300; }));
  broker_->set_down();
  for (int i = 0; i < 10; ++i) turn(*source, store);
  broker_->set_up();
  produce(300, 600);
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 600; }));
  EXPECT_EQ(store.duplicates, 0u);
}

TEST_F(KafkaSourceTest, a_partition_that_gives_nothing_of_what_there_is_has_the_group_joined_anew) {
  produce(0, 30);
  TinyStore store;
  std::size_t assignments = 0;
  auto source = open(counting(store, 300, assignments));
  ASSERT_TRUE(run_until(*source, store, [&] { return store.size() == 30; }));
  ASSERT_EQ(assignments, 3u);
  broker_->fail_requests(fetch, storage_error, 100'000);
  produce(30, 60);
  EXPECT_TRUE(run_until(*source, store, [&] { return assignments > 3; })) << "nobody saw that nothing comes";
  EXPECT_EQ(store.size(), 30u);
  broker_->answer_requests(fetch);
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 60; }));
  EXPECT_EQ(store.duplicates, 0u);
}

TEST_F(KafkaSourceTest, a_topic_that_may_not_be_read_parks_the_source_and_is_no_stall) {
  produce(0, 30);
  TinyStore store;
  std::size_t assignments = 0;
  auto source = open(counting(store, 2'000, assignments));
  ASSERT_TRUE(run_until(*source, store, [&] { return store.size() == 30; }));
  broker_->fail_requests(fetch, topic_authorization_failed, 100'000);
  produce(30, 60);
  ASSERT_TRUE(run_until(*source, store, [&] { return source->status().state == SourceState::parked; }));
  run_until(*source, store, [] { return false; }, 5s);
  EXPECT_EQ(assignments, 3u);
  EXPECT_EQ(source->status().state, SourceState::parked);
  broker_->answer_requests(fetch);
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 60; }));
  EXPECT_EQ(source->status().state, SourceState::running);
}

TEST_F(KafkaSourceTest, partitions_that_have_nothing_more_are_left_in_peace) {
  produce(0, 20);
  TinyStore store;
  std::size_t assignments = 0;
  auto source = open(counting(store, 50, assignments));
  ASSERT_TRUE(run_until(*source, store, [&] { return store.size() == 20; }));
  run_until(*source, store, [] { return false; }, 1500ms);
  source->pause();
  produce(20, 40);
  run_until(*source, store, [] { return false; }, 500ms);
  EXPECT_EQ(assignments, 3u);
  source->resume();
  EXPECT_TRUE(run_until(*source, store, [&] { return store.size() == 40; }));
  EXPECT_EQ(store.duplicates, 0u);
}

TEST_F(KafkaSourceTest, what_was_polled_and_not_claimed_before_a_revoke_is_not_ours_any_more) {
  produce(0, 300);
  TinyStore store;
  auto wanted = options(store);
  wanted.revoke_wait_ms = 50;
  auto first = open(wanted);
  std::unique_ptr<Batch> kept;
  for (int i = 0; i < 300 && !kept; ++i) kept = std::move(first->poll(50)).value();
  ASSERT_NE(kept, nullptr);
  auto second = open(wanted);  // the group is balanced anew: eager, so all partitions are taken away
  std::thread other([&] {
    for (int i = 0; i < 200 && second->status().partitions.empty(); ++i) second->poll(50).value();
  });
  for (int i = 0; i < 200 && first->status().partitions.size() == 3; ++i) first->poll(50).value();
  other.join();
  const std::size_t before = kept->records.size();
  EXPECT_EQ(first->claim(*kept), before);
  EXPECT_TRUE(kept->records.empty());
}

TEST_F(KafkaSourceTest, a_writer_on_another_thread_holds_a_revoke_back_until_it_has_stored) {
  produce(0, 3000);
  TinyStore store;
  auto wanted = options(store);
  wanted.batch.commit_bytes = 4096;
  wanted.revoke_wait_ms = 5'000;
  auto source = open(wanted);
  BoundedQueue<std::unique_ptr<Batch>> queue(64);
  std::thread writer([&] {
    while (!queue.drained()) {
      auto batch = queue.pop_for(20ms);
      if (!batch) continue;
      std::this_thread::sleep_for(2ms);  // a disk
      source->claim(**batch);
      const auto ends = ends_of(**batch);
      store.append(**batch);
      source->committed(ends);
      source->status();
    }
  });
  TinyStore second_store;
  std::unique_ptr<KafkaSource> second;
  // What the second member read again because an offset was not committed yet stands in both stores.
  const auto different = [&] {
    std::set<std::pair<std::uint32_t, std::uint64_t>> all;
    for (const TinyStore* one : {&store, &second_store})
      for (const auto& [lane, offsets] : one->held())
        for (const auto& [offset, value] : offsets) all.emplace(lane.second, offset);
    return all.size();
  };
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < until && (store.size() + second_store.size() < 3000 || different() < 3000)) {
    auto batch = source->poll(20);
    if (*batch) queue.push(std::move(batch).value());
    if (!second && store.size() > 100) second = open(options(second_store));
    if (second) turn(*second, second_store, 1);
  }
  queue.close();
  writer.join();
  EXPECT_EQ(different(), 3000u);
  EXPECT_EQ(store.duplicates, 0u);
}

class KafkaRebalanceTest : public KafkaSourceTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(KafkaRebalanceTest, two_members_share_the_partitions_and_the_union_holds_every_offset) {
  TinyStore first_store, second_store;
  auto with = [&](TinyStore& store) {
    auto wanted = options(store, std::string("group-") + GetParam());
    wanted.properties["partition.assignment.strategy"] = GetParam();
    return wanted;
  };
  auto first = open(with(first_store));
  produce(0, 900);
  ASSERT_TRUE(run_until(*first, first_store, [&] { return first_store.size() >= 300; }));
  auto second = open(with(second_store));
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over.load()) turn(*second, second_store);
  });
  auto shared = [&] { return first->status().partitions.size() < 3 && !second->status().partitions.empty(); };
  EXPECT_TRUE(run_until(*first, first_store, shared, 15s));
  produce(900, 3000);
  std::map<std::pair<std::uint32_t, std::uint64_t>, int> times;
  auto count = [&] {
    times.clear();
    for (const TinyStore* store : {&first_store, &second_store})
      for (const auto& [lane, offsets] : store->held())
        for (const auto& [offset, value] : offsets) ++times[{lane.second, offset}];
    return times.size();
  };
  EXPECT_TRUE(run_until(*first, first_store, [&] { return count() == 3000; }, 20s)) << count();
  over.store(true);
  other.join();
  for (const auto& [place, number] : times) EXPECT_LE(number, 2);
  EXPECT_EQ(first_store.duplicates + second_store.duplicates, 0u);
}

INSTANTIATE_TEST_SUITE_P(Assignors, KafkaRebalanceTest, ::testing::Values("range", "cooperative-sticky"),
                         [](const auto& name) { return name.param[0] == 'r' ? "range" : "cooperative"; });

}  // namespace
}  // namespace tidewaiter::ingest
