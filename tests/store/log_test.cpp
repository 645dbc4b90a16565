#include "store/log.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "store/block.hpp"
#include "store/db.hpp"
#include "store/keys.hpp"
#include "store/snapshot_value.hpp"
#include "store/state.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

constexpr std::uint16_t first_event_log = 5;

#define ASSERT_OK(result) ASSERT_TRUE(result) << (result).error().message

TEST(Log, a_commit_reads_back_from_the_store_as_followers_saw_it_live) {
  TemporaryDirectory directory;
  Metrics metrics;
  Options o = options(directory);
  o.block_bytes_max = 8192;
  auto log = open(o, metrics);
  std::mt19937_64 random(7);
  std::uint64_t next_offset = 0;
  std::vector<CommitPtr> live;
  for (int i = 0; i < 30; ++i) {
    std::vector<OwnRecord> control, own_records;
    if (i % 3 == 0) control.push_back(own(RecordKind::control, R"({"type":"tick"})"));
    if (i % 4 == 0) {
      own_records.push_back(own(RecordKind::alert, R"({"uid":"1"})"));
      own_records.back().strings = std::make_shared<std::deque<std::string>>();
      Event columns;
      columns.set(Str::rule, own_records.back().strings->emplace_back("rule-1"));
      own_records.back().columns = columns;
      own_records.push_back(own(RecordKind::receipt, R"({"ok":true})"));
    }
    auto commit = log->commit(random_batch(random, next_offset, random() % 60), control, own_records, {});
    ASSERT_OK(commit);
    if ((*commit)->number != 0) live.push_back(*commit);
  }
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  for (const CommitPtr& commit : live)
    for (const bool bodies : {true, false}) {
      auto stored = (*reader)->commit(commit->number, bodies);
      ASSERT_OK(stored);
      ASSERT_EQ(describe(*commit, bodies), describe(**stored, bodies));
    }
  EXPECT_EQ(log->last_commit(), live.back()->number);
}

TEST(Log, a_commit_is_cut_into_few_blocks_of_about_one_size) {
  TemporaryDirectory directory;
  Metrics metrics;
  Options o = options(directory);
  o.block_bytes_max = 8192;
  auto log = open(o, metrics);
  ASSERT_OK(log->commit(offsets(0, 200), {}, {}, {}));  // some 18 KB of bodies in the event log
  log.reset();
  auto db = Db::open_secondary({o.directory, false, nullptr});
  ASSERT_OK(db);
  std::vector<std::uint64_t> sizes;
  const auto it = (*db)->iterate(Cf::cols);
  for (it->seek(cols_key(first_event_log, 0)); it->valid(); it->next()) {
    auto header = read_block_header(it->value());
    ASSERT_OK(header);
    if (header->log == first_event_log) sizes.push_back(header->body_bytes);
  }
  const std::uint64_t all = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  ASSERT_EQ(sizes.size(), (all + o.block_bytes_max - 1) / o.block_bytes_max);
  for (const std::uint64_t size : sizes) {
    EXPECT_LE(size, o.block_bytes_max);
    EXPECT_GT(size, all / sizes.size() * 9 / 10);
  }
}

TEST(Log, a_redelivery_of_what_is_just_being_written_is_a_duplicate) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  ASSERT_OK(log->append(offsets(0, 100), {}, {}, {}));
  auto again = log->append(offsets(50, 150), {}, {}, {});
  ASSERT_OK(again);
  EXPECT_EQ((*again)->records.size(), 50u);
  ASSERT_OK(log->settle());
  EXPECT_EQ(log->counters().duplicates, 50u);
  EXPECT_EQ(log->counters().records_by_kind["event"], 150u);
  EXPECT_EQ(log->last_commit(), (*again)->number);
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  ASSERT_OK((*reader)->commit((*again)->number, true));
}

TEST(Log, everything_is_there_after_a_restart) {
  TemporaryDirectory directory;
  Metrics metrics;
  const Options o = options(directory);
  std::string before, id;
  {
    auto log = open(o, metrics);
    id = log->store_id();
    ASSERT_OK(log->commit(offsets(0, 100), {}, {}, {{"detect", "state-1"}}));
    auto commit = log->commit(offsets(100, 150, 1), {}, {}, {}, {{"splunk/offered", 7}});
    ASSERT_OK(commit);
    before = describe(**commit, true);
  }
  auto log = open(o, metrics);
  EXPECT_EQ(log->store_id(), id);
  EXPECT_EQ(log->cursor("detect").value(), "state-1");
  EXPECT_EQ(log->cursor("other").error().code, Code::not_found);
  EXPECT_EQ(log->counters().read, 150u);
  EXPECT_EQ(log->counters().events, 150u);
  EXPECT_EQ(log->counters().records_by_kind["event"], 150u);
  EXPECT_EQ(log->counters().connector["splunk/offered"], 7u);
  ASSERT_EQ(log->positions().size(), 2u);
  EXPECT_EQ(log->positions()[0].next_offset, 100u);
  EXPECT_EQ(log->positions()[1].next_offset, 150u);
  EXPECT_TRUE(log->holds(*kafka_topic(), 0, 99));
  EXPECT_FALSE(log->holds(*kafka_topic(), 0, 100));
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  auto stored = (*reader)->commit(log->last_commit(), true);
  ASSERT_OK(stored);
  EXPECT_EQ(describe(**stored, true), before);
}

TEST(Log, a_second_owner_is_told_so) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  auto second = Log::open(options(directory), metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::conflict);
  EXPECT_NE(second.error().message.find("owned by another process"), std::string::npos);
}

TEST(Log, a_redelivered_offset_is_dropped_and_counted) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  ASSERT_OK(log->commit(offsets(0, 100), {}, {}, {}));
  const std::uint64_t before = log->last_commit();
  auto again = log->commit(offsets(40, 100), {}, {}, {});
  ASSERT_OK(again);
  EXPECT_EQ((*again)->number, 0u);
  EXPECT_EQ(log->last_commit(), before);
  auto part = log->commit(offsets(90, 120), {}, {}, {});
  ASSERT_OK(part);
  ASSERT_EQ((*part)->records.size(), 20u);
  ASSERT_EQ((*part)->events.size(), 20u);
  for (std::uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ((*part)->records[i].offset, 100 + i);
    EXPECT_EQ((*part)->records[i].first_event, i);
    EXPECT_EQ((*part)->events[i].record, i);
  }
  EXPECT_EQ(log->counters().duplicates, 70u);
  EXPECT_EQ(log->counters().read, 190u);
  EXPECT_EQ(log->counters().records_by_kind["event"], 120u);
}

TEST(Log, a_redelivered_offset_with_other_bytes_is_kept_once_as_a_conflict) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  ASSERT_OK(log->commit(offsets(0, 10), {}, {}, {}));
  const auto other = [] {
    auto batch = std::make_unique<Batch>(std::size_t{1} << 20);
    Message m;
    m.offset = 4;
    m.value = "{\"another\":true}";
    add(*batch, m);
    return batch;
  };
  auto commit = log->commit(other(), {}, {}, {});
  ASSERT_OK(commit);
  ASSERT_EQ((*commit)->records.size(), 1u);
  EXPECT_EQ((*commit)->records[0].kind, RecordKind::conflict);
  EXPECT_EQ((*commit)->records[0].offset, 4u);
  auto again = log->commit(other(), {}, {}, {});
  ASSERT_OK(again);
  EXPECT_EQ((*again)->number, 0u);
  EXPECT_EQ(log->counters().duplicates, 1u);
  EXPECT_EQ(log->counters().records_by_kind["conflict"], 1u);
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  EXPECT_EQ((*(*reader)->coverage())[0].held, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 10}}));
}

TEST(Log, the_same_offset_twice_in_one_batch_is_stored_once) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  auto batch = offsets(0, 10);
  auto more = offsets(5, 8);
  for (const Record& r : more->records) {
    Message m;
    m.offset = r.offset;
    m.value = std::string(r.value);
    m.receive_time_ns += 5;  // received later, the same message
    add(*batch, m);
  }
  auto commit = log->commit(std::move(batch), {}, {}, {});
  ASSERT_OK(commit);
  EXPECT_EQ(log->counters().records_by_kind["event"], 10u);
  EXPECT_EQ(log->counters().duplicates, 3u);
}

TEST(Log, a_jump_in_offsets_is_a_gap_and_an_explicit_reason_wins) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  auto batch = offsets(100, 110);
  batch->gaps.push_back({kafka_topic(), 0, 0, 100, "below log start"});
  ASSERT_OK(log->commit(std::move(batch), {}, {}, {}));
  ASSERT_OK(log->commit(offsets(120, 130), {}, {}, {}));
  auto gap_only = std::make_unique<Batch>(1024);
  gap_only->gaps.push_back({kafka_topic(), 0, 130, 140, "accepted loss"});
  auto commit = log->commit(std::move(gap_only), {}, {}, {});
  ASSERT_OK(commit);
  EXPECT_NE((*commit)->number, 0u);
  EXPECT_EQ(log->positions()[0].next_offset, 140u);
  ASSERT_OK(log->commit(offsets(114, 116), {}, {}, {}));  // part of a gap came after all
  log.reset();
  log = open(options(directory), metrics);
  EXPECT_EQ(log->positions()[0].next_offset, 140u);
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  auto coverage = (*reader)->coverage();
  ASSERT_OK(coverage);
  ASSERT_EQ(coverage->size(), 1u);
  EXPECT_EQ((*coverage)[0].held,
            (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{100, 110}, {114, 116}, {120, 130}}));
  std::string gaps;
  for (const auto& gap : (*coverage)[0].gaps)
    gaps += std::to_string(gap.from) + "-" + std::to_string(gap.to) + " " + gap.reason + "; ";
  EXPECT_EQ(gaps, "0-100 below log start; 110-114 not delivered; 116-120 not delivered; 130-140 accepted loss; ");
}

TEST(Log, a_recreated_topic_is_another_topic) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  ASSERT_OK(log->commit(offsets(0, 10, 0, kafka_topic(1)), {}, {}, {}));
  ASSERT_OK(log->commit(offsets(0, 10, 0, kafka_topic(2)), {}, {}, {}));
  EXPECT_EQ(log->counters().duplicates, 0u);
  EXPECT_EQ(log->counters().records_by_kind["event"], 20u);
}

TEST(Log, what_holds_no_event_goes_to_rejects_and_own_records_to_their_logs) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  auto batch = std::make_unique<Batch>(std::size_t{1} << 20);
  BodyParts tombstone;
  tombstone.key = "k";
  ASSERT_TRUE(append_message(*batch, kafka_topic(), 0, 0, 0, tombstone));
  BodyParts bad;
  bad.value = "not json";
  ASSERT_TRUE(append_message(*batch, kafka_topic(), 0, 1, 0, bad));
  batch->records.back().kind = RecordKind::reject;
  batch->records.back().reason = RejectReason::not_json;
  auto commit = log->commit(std::move(batch), {own(RecordKind::control, "{}")},
                            {own(RecordKind::alert, "{}"), own(RecordKind::access, "{}")}, {});
  ASSERT_OK(commit);
  std::vector<std::string> logs;
  for (const Record& r : (*commit)->records) {
    if (r.value.find("salt_key") != std::string_view::npos) continue;
    logs.push_back(log->logs()[r.log].name);
  }
  EXPECT_EQ(logs, (std::vector<std::string>{"control", "rejects", "rejects", "alerts", "access"}));
  EXPECT_EQ(log->counters().rejects_by_reason["not_json"], 1u);
  EXPECT_EQ(log->counters().records_by_kind["tombstone"], 1u);
}

TEST(Log, cursors_alone_make_no_commit) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  const std::uint64_t before = log->last_commit();
  ASSERT_OK(log->put_cursors({{"forward/splunk", "17"}}));
  auto empty = log->commit(nullptr, {}, {}, {{"detect", "18"}});
  ASSERT_OK(empty);
  EXPECT_EQ((*empty)->number, 0u);
  EXPECT_EQ(log->last_commit(), before);
  EXPECT_EQ(log->cursor("forward/splunk").value(), "17");
  EXPECT_EQ(log->cursor("detect").value(), "18");
}

TEST(Log, a_snapshot_is_stored_small_and_read_as_it_was_also_from_older_stores) {
  std::string state(3 << 20, '\0');
  for (std::size_t at = 0; at < state.size(); at += 64) state[at] = static_cast<char>(at / 64 * 31);
  const std::string value = encode_snapshot(state);
  EXPECT_LT(value.size(), state.size() / 4);
  EXPECT_EQ(decode_snapshot(value).value(), state);
  EXPECT_EQ(decode_snapshot(encode_snapshot("")).value(), "");
  EXPECT_EQ(decode_snapshot(encode_checked("as version 1 kept it")).value(), "as version 1 kept it");

  EXPECT_EQ(decode_snapshot(value.substr(0, value.size() - 1)).error().code, Code::corruption);
  EXPECT_EQ(decode_snapshot(with_checksum("\x02no frame")).error().code, Code::corruption);
  EXPECT_EQ(decode_snapshot(with_checksum(value.substr(0, value.size() / 2))).error().code, Code::corruption);
  EXPECT_EQ(decode_snapshot(with_checksum("\x03of tomorrow")).error().code, Code::corruption);
}

TEST(Log, the_newest_snapshots_are_kept_and_found_by_commit) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  for (std::uint64_t n = 10; n <= 50; n += 10) ASSERT_OK(log->put_snapshot("detect", n, "state" + std::to_string(n), 3));
  ASSERT_OK(log->put_snapshot("detect2", 5, "other", 3));
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->snapshot("detect", 45).value(), std::pair(std::uint64_t{40}, std::string("state40")));
  EXPECT_EQ((*reader)->snapshot("detect", 1000).value().first, 50u);
  EXPECT_EQ((*reader)->snapshot("detect", 29).error().code, Code::not_found);

  reader = fail(Code::unavailable, "closed");
  log.reset();
  log = open(options(directory), metrics);
  ASSERT_OK(log->put_snapshot("detect", 60, "state60", 3));
  ASSERT_OK(log->put_snapshot("detect", 60, "again", 3));  // takes the place of itself alone
  reader = Reader::open(*log);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->snapshot("detect", 60).value(), std::pair(std::uint64_t{60}, std::string("again")));
  EXPECT_EQ((*reader)->snapshot("detect", 45).value().first, 40u);
  EXPECT_EQ((*reader)->snapshot("detect", 39).error().code, Code::not_found);
  EXPECT_EQ((*reader)->snapshot("detect2", 9).value().second, "other");
}

TEST(Log, commits_and_sequence_numbers_have_no_holes) {
  TemporaryDirectory directory;
  Metrics metrics;
  Options o = options(directory);
  o.segment_records = 16;  // many erasure units, also in control
  auto log = open(o, metrics);
  std::mt19937_64 random(3);
  std::uint64_t next_offset = 0, commits = log->last_commit();
  std::map<std::uint16_t, std::uint64_t> next_seq;
  auto reader = Reader::open(*log);
  ASSERT_OK(reader);
  for (const LogInfo& info : log->logs()) next_seq[info.id] = (*reader)->size(info.id);
  for (int i = 0; i < 40; ++i) {
    auto commit = log->commit(random_batch(random, next_offset, 1 + random() % 50), {own(RecordKind::control, "{}")}, {}, {});
    ASSERT_OK(commit);
    EXPECT_EQ((*commit)->number, ++commits);
    for (const Record& r : (*commit)->records) EXPECT_EQ(r.seq, next_seq[r.log]++);
  }
  ASSERT_OK((*reader)->refresh());
  for (std::uint64_t n = 1; n <= commits; ++n) ASSERT_OK((*reader)->commit(n, true));
}

TEST(Log, a_signing_key_inside_the_store_is_refused) {
  TemporaryDirectory directory;
  Metrics metrics;
  Options o = options(directory);
  o.signing_key_file = o.directory + "/sub/../key.pem";
  auto log = Log::open(o, metrics);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace tidewaiter::store
