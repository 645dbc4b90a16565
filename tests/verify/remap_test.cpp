// Columns of a later mapping: what is read, what is left as it was, and what verify says of lies in them.
#include <stdexcept>

#include "store/keys.hpp"
#include "tests/store/samples.hpp"
#include "tests/verify/verify_fixture.hpp"

namespace tidewaiter::store {
namespace {

using samples::describe;

/// Another mapping: principal "PREFIX-OFFSET", and of each record with an even offset two events; records at multiples of
/// 11 are no events to it.
RemapRequest mapping(const std::string& prefix) {
  RemapRequest request;
  request.mappings = R"({"test":")" + prefix + R"("})";
  request.parse = [prefix](Batch& batch) {
    for (Record& record : batch.records) {
      record.first_event = static_cast<std::uint32_t>(batch.events.size());
      if (record.offset % 11 == 0) {
        record.kind = RecordKind::reject;
        continue;
      }
      record.event_count = record.offset % 2 == 0 ? 2 : 1;
      for (std::uint32_t sub = 0; sub < record.event_count; ++sub) {
        Event event;
        event.record = static_cast<std::uint32_t>(&record - batch.records.data());
        event.sub = sub;
        event.set(Num::time, static_cast<std::uint64_t>(record.receive_time_ns));
        event.set(Str::principal, batch.keep(prefix + "-" + std::to_string(record.offset)));
        batch.events.push_back(event);
      }
    }
  };
  return request;
}

/// Offset and principals of every record of the log "main", as text.
std::vector<std::string> principals(const Reader& reader) {
  std::vector<std::string> out;
  const auto done = reader.scan(main_log(), 0, reader.size(main_log()), true, nullptr, [&](const StoredRecord& record) {
    std::string line = std::to_string(record.record.offset) + " " + record_kind_name(record.record.kind);
    for (const Event& event : record.events) line += " " + std::string(event.get(Str::principal));
    out.push_back(line);
    EXPECT_FALSE(record.record.body.empty());
    return true;
  });
  EXPECT_TRUE(done) << done.error().message;
  return out;
}

std::vector<std::string> remapped(std::vector<std::string> lines, const std::string& prefix, std::size_t count) {
  for (std::size_t i = 0; i < count && i < lines.size(); ++i) {
    const std::string offset = lines[i].substr(0, lines[i].find(' '));
    const auto number = std::stoull(offset);
    if (number % 11 == 0 || lines[i].find(" event") == std::string::npos) continue;
    lines[i] = offset + " event " + prefix + "-" + offset + (number % 2 == 0 ? " " + prefix + "-" + offset : "");
  }
  return lines;
}

std::vector<std::string> commits(const Reader& reader, std::uint64_t last) {
  std::vector<std::string> out;
  for (std::uint64_t n = 1; n <= last; ++n) {
    const auto commit = reader.commit(n, true);
    EXPECT_TRUE(commit) << commit.error().message;
    if (commit) out.push_back(describe(**commit, true));
  }
  return out;
}

/// 256 records to a segment: 400 messages before, so that one segment is sealed and one is open.
class RemapTest : public ::testing::Test {
 protected:
  RemapTest() : store_(SampleStore::Setup{256, 8 * 1024, true}) {}
  void SetUp() override {
    for (int i = 0; i < 8; ++i) store_.add(50);
    store_.redeliver(4, true);
    store_.seal();
    store_.checkpoint();
    before_ = principals(*store_.reader());
    size_ = store_.reader()->size(main_log());
  }
  RemapReport remap(const std::string& prefix) {
    const auto report = store_.log().remap(mapping(prefix));
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : RemapReport();
  }
  void expect_good(const char* when) { EXPECT_EQ(said(verify(store_)), "") << when; }

  SampleStore store_;
  std::vector<std::string> before_;
  std::uint64_t size_ = 0;
};

TEST_F(RemapTest, queries_read_the_new_columns_and_leaves_commits_and_what_was_scored_stay) {
  auto reader = store_.reader();
  const std::uint64_t last = reader->last_commit();
  const auto commits_before = commits(*reader, last);
  const Hash root = *reader->root(main_log(), size_);
  const RemapReport report = remap("m");
  EXPECT_EQ(report.version, 1);
  EXPECT_EQ(report.records, size_ + reader->size(main_log() + 1));
  EXPECT_GT(report.changed, 200u);
  EXPECT_GT(report.kept, 10u);
  EXPECT_GT(report.events, report.events_before);
  auto after = store_.reader();
  EXPECT_EQ(after->column_version(), 1);
  EXPECT_EQ(principals(*after), remapped(before_, "m", before_.size()));
  EXPECT_EQ(commits(*after, last), commits_before);
  EXPECT_EQ(*after->root(main_log(), size_), root);
  after->read_as_scored();
  EXPECT_EQ(principals(*after), before_);
  store_.checkpoint();
  store_.close();
  expect_good("after a remap");
  EXPECT_EQ(principals(*store_.outside()), remapped(before_, "m", before_.size()));
}

TEST_F(RemapTest, the_index_of_sealed_segments_answers_for_the_columns_that_are_read) {
  remap("m");
  const auto column = static_cast<std::uint8_t>(Str::principal);
  auto reader = store_.reader();
  const auto find = [&](const char* term) { return *reader->find_term(main_log(), column, term, 0, 256); };
  EXPECT_EQ(find("m-12").size(), 1u);
  const std::size_t kept = find("agent-1").size();
  reader->read_as_scored();
  EXPECT_TRUE(find("m-12").empty());
  EXPECT_GT(find("agent-1").size(), kept + 20);
}

TEST_F(RemapTest, what_comes_later_is_packed_and_sealed_with_both) {
  remap("m");
  for (int i = 0; i < 8; ++i) store_.add(50);
  auto reader = store_.reader();
  reader->read_as_scored();
  const auto scored = principals(*reader);
  reader.reset();
  EXPECT_GT(scored.size(), before_.size() + 200);
  const auto expected = remapped(scored, "m", before_.size());
  EXPECT_EQ(principals(*store_.reader()), expected);
  store_.seal();
  EXPECT_GT(store_.reader()->indexed_size(main_log()), 256u);
  EXPECT_EQ(principals(*store_.reader()), expected);
  const auto column = static_cast<std::uint8_t>(Str::principal);
  EXPECT_EQ(store_.reader()->find_term(main_log(), column, "m-342", 256, 512)->size(), 1u);
  store_.checkpoint();
  store_.close();
  expect_good("after sealing");
  store_.reopen();
  EXPECT_EQ(principals(*store_.reader()), expected);
}

TEST_F(RemapTest, another_remap_is_another_version_and_the_first_one_stays_checked) {
  remap("m");
  EXPECT_EQ(remap("n").version, 2);
  EXPECT_EQ(principals(*store_.reader()), remapped(before_, "n", before_.size()));
  store_.checkpoint();
  store_.close();
  expect_good("after two");
  const auto pairs = test::all_pairs(store_.directory(), Cf::cols);
  const auto first = std::find_if(pairs.begin(), pairs.end(), [](const test::Pair& p) { return p.first.back() == 1; });
  ASSERT_NE(first, pairs.end());
  test::remove(store_.directory(), Cf::cols, first->first);
  EXPECT_FALSE(verify(store_).good());
}

TEST_F(RemapTest, a_remap_that_broke_off_shows_nothing_and_is_done_anew) {
  RemapRequest broken = mapping("half");
  int blocks = 0;
  const auto parse = broken.parse;
  broken.parse = [&](Batch& batch) {
    if (++blocks == 5) throw std::runtime_error("killed");
    parse(batch);
  };
  EXPECT_THROW((void)store_.log().remap(broken), std::runtime_error);
  store_.reopen();
  EXPECT_EQ(principals(*store_.reader()), before_);
  store_.checkpoint();
  store_.close();
  expect_good("broken off");
  store_.reopen();
  for (int i = 0; i < 4; ++i) store_.add(50);
  store_.seal();  // what was begun lay beside blocks that are packed now
  EXPECT_EQ(remap("m").version, 1);
  const auto lines = principals(*store_.reader());
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const std::string& l) { return l.find("half") != std::string::npos; }), 0);
  store_.checkpoint();
  store_.close();
  expect_good("done anew");
}

TEST_F(RemapTest, every_lie_in_later_columns_their_index_and_their_list_is_found) {
  remap("m");
  store_.checkpoint();
  store_.close();
  expect_good("before");
  const auto expect_found = [&](Cf cf, const std::string& key, const std::string& was, const std::string& value) {
    test::put(store_.directory(), cf, key, value);
    const VerifyReport report = verify(store_);
    EXPECT_FALSE(report.good()) << cf_name(cf) << " " << to_hex(key);
    test::put(store_.directory(), cf, key, was);
  };
  std::string scored;  // the columns of version 0 beside the block
  std::size_t seen = 0;
  for (const auto& [key, value] : test::all_pairs(store_.directory(), Cf::cols)) {
    if (key.back() == 0) scored = value;
    if (key.back() != 1 || test::decode_alike(store_.directory(), Cf::cols, key, value, scored))
      continue;  // of records that no mapping reads, such as a conflict
    ++seen;
    if (seen % 3 == 0) expect_found(Cf::cols, key, value, test::flipped(value, value.size() * 4));
    if (seen % 3 == 1) expect_found(Cf::cols, key, value, scored);
    if (seen % 3 == 2) {
      test::remove(store_.directory(), Cf::cols, key);
      EXPECT_FALSE(verify(store_).good()) << to_hex(key);
      test::put(store_.directory(), Cf::cols, key, value);
    }
  }
  EXPECT_GT(seen, 5u);
  std::size_t indexes = 0;
  for (const auto& [key, value] : test::all_pairs(store_.directory(), Cf::index)) {
    if (key.size() != index_key_size + 1) continue;
    ++indexes;
    expect_found(Cf::index, key, value, test::flipped(value, value.size() * 4));
  }
  EXPECT_GT(indexes, 5u);
  const std::string list(std::string_view(cursor_key("columns")));
  for (const auto& [key, value] : test::all_pairs(store_.directory(), Cf::meta))
    if (key == list) {
      test::remove(store_.directory(), Cf::meta, key);
      EXPECT_FALSE(verify(store_).good());
      test::put(store_.directory(), Cf::meta, key, value);
    }
  const auto [key, value] = test::all_pairs(store_.directory(), Cf::cols).back();
  test::put(store_.directory(), Cf::cols, key.substr(0, key.size() - 1) + '\2', value);
  EXPECT_FALSE(verify(store_).good()) << "columns of a version that nothing announces";
  test::remove(store_.directory(), Cf::cols, key.substr(0, key.size() - 1) + '\2');
  expect_good("all put back");
}

}  // namespace
}  // namespace tidewaiter::store
