#include "store/query.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "store/mask.hpp"
#include "store/text_search.hpp"
#include "tests/query/sample_store.hpp"

namespace tidewaiter::store {
namespace {

using test::SampleStore;
using Json = nlohmann::json;

struct Found {
  QueryOutcome outcome;
  std::vector<std::pair<std::string, std::uint64_t>> rows;  // log, seq
  std::vector<Json> json;
};

Found run(const Reader& reader, QuerySpec spec, bool mask = true) {
  Found found;
  const auto query = Query::compile(std::move(spec));
  EXPECT_TRUE(query) << (query ? "" : query.error().message);
  if (!query) return found;
  const auto outcome = query->run(reader, [&](const Row& row) {
    found.rows.emplace_back(row.record->log_name, row.record->record.seq);
    std::string text;
    append_row_json(text, row, mask);
    found.json.push_back(Json::parse(text));
    return true;
  });
  EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().message);
  if (outcome) found.outcome = *outcome;
  return found;
}

class QueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.add(100);
    store_.add(100);
    store_.checkpoint();
    store_.add(20);
    reader_ = store_.reader();
  }
  /// Offsets of 0..219 that are events: no tombstone, no reject.
  static bool is_event(std::uint64_t offset) { return offset % 40 != 39 && offset % 25 != 24; }
  SampleStore store_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(QueryTest, a_filter_gives_exactly_the_events_that_match_it_from_all_logs) {
  QuerySpec spec;
  spec.where = "principal == agent-2 and bytes_out >= 50";
  const Found found = run(*reader_, spec);
  std::size_t expected = 0;
  for (std::uint64_t i = 50; i < 220; ++i) expected += is_event(i) && i % 5 == 2;
  EXPECT_EQ(found.rows.size(), expected);
  for (const Json& row : found.json) EXPECT_EQ(row["event"]["principal"], "agent-2");
}

TEST_F(QueryTest, one_log_can_be_asked_alone_and_an_unknown_one_is_named_with_its_neighbour) {
  QuerySpec spec;
  spec.logs = {"quiet"};
  spec.where = "family == agent";
  const Found found = run(*reader_, spec);
  ASSERT_FALSE(found.rows.empty());
  for (const auto& [log, seq] : found.rows) EXPECT_EQ(log, "quiet");
  spec.logs = {"quite"};
  const auto query = Query::compile(spec);
  ASSERT_TRUE(query);
  const auto outcome = query->run(*reader_, [](const Row&) { return true; });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::invalid_argument);
  EXPECT_NE(outcome.error().message.find("quiet"), std::string::npos);
}

TEST_F(QueryTest, a_span_of_event_time_is_closed_at_its_beginning_and_open_at_its_end) {
  QuerySpec spec;
  spec.where = "family == agent";
  spec.from_ns = SampleStore::start_ns + 10 * SampleStore::minute_ns;
  spec.to_ns = SampleStore::start_ns + 20 * SampleStore::minute_ns;
  const Found found = run(*reader_, spec);
  EXPECT_EQ(found.rows.size(), 10u);
}

TEST_F(QueryTest, a_span_that_touches_one_block_skips_the_others) {
  QuerySpec spec;
  spec.logs = {"main"};
  spec.from_ns = SampleStore::start_ns + 205 * SampleStore::minute_ns;
  const Found found = run(*reader_, spec);
  EXPECT_EQ(found.outcome.blocks_skipped, 2u);
  EXPECT_LT(found.outcome.records_scanned, 21u);
}

TEST_F(QueryTest, records_without_events_are_rows_only_of_the_empty_filter) {
  QuerySpec spec;
  spec.logs = {"rejects"};
  EXPECT_EQ(run(*reader_, spec).rows.size(), 8u + 4u);  // 24, 49, …, 199 but 199 is a tombstone; 39, 79, …
  spec.where = "not (app == x)";
  EXPECT_TRUE(run(*reader_, spec).rows.empty());
}

TEST_F(QueryTest, a_text_is_found_in_messages_of_any_kind_and_case) {
  QuerySpec spec;
  spec.texts = {"NOT json 7"};
  const Found rejects = run(*reader_, spec);
  EXPECT_EQ(rejects.rows.size(), 1u);  // 74; a text matches anywhere, no pattern is read into it
  for (const Json& row : rejects.json) EXPECT_EQ(row["reason"], "not_json");
  spec.texts = {"\"n\":7", "}"};
  for (const Json& row : run(*reader_, spec).json) EXPECT_EQ(row["kind"], "event");
  EXPECT_EQ(run(*reader_, spec).rows.size(), 9u);  // 7, and 70 to 78 without the reject; 79 is a tombstone
  spec.where = "principal == agent-2";
  EXPECT_EQ(run(*reader_, spec).rows.size(), 3u);  // 7, 72, 77
  spec.texts.push_back("nowhere");
  EXPECT_TRUE(run(*reader_, spec).rows.empty());
}

TEST_F(QueryTest, what_masking_hides_is_found_only_without_it) {
  QuerySpec spec;
  spec.texts = {"hunter-7"};
  EXPECT_TRUE(run(*reader_, spec).rows.empty());
  spec.texts = {"password"};
  EXPECT_FALSE(run(*reader_, spec).rows.empty());
  spec.texts = {"hunter-7"};
  spec.mask = false;
  EXPECT_FALSE(run(*reader_, spec).rows.empty());
}

TEST(TextSearch, escapes_are_read_as_the_characters_they_stand_for) {
  const std::string message = R"({"city":"Z\u00fcrich","note":"he said \"hi\" \ud83d\ude00","p":"C:\\tmp"})";
  const auto finds = [&](const char* text) { return TextSearch::compile({text}, true)->found_in(message); };
  for (const char* text : {"z\u00dcrich", "Z\\u00fcrich", "said \"hi\"", "\U0001F600", "C:\\tmp", "C:\\\\tmp", "\"city\""}) EXPECT_TRUE(finds(text)) << text;
  for (const char* text : {"Zurich", "c:/tmp", "city.*note"}) EXPECT_FALSE(finds(text)) << text;
}

TEST(TextSearch, a_masked_secret_is_not_found_however_it_is_escaped) {
  for (const std::string& message : {std::string(R"({"password":"tiger-lily"})"), std::string(R"({"password":"tiger-l\u0069ly"})"),
                                     std::string(R"({"m":"{\"password\":\"tiger-lily\"}"})")})
    for (const char* text : {"tiger-lily", "tiger-l", "lily"}) {
      EXPECT_FALSE(TextSearch::compile({text}, true)->found_in(message)) << message;
      EXPECT_TRUE(TextSearch::compile({text}, false)->found_in(message)) << message;
    }
}

TEST(TextSearch, a_text_that_cannot_be_searched_for_is_refused) {
  EXPECT_FALSE(TextSearch::compile({""}, true));
  EXPECT_FALSE(TextSearch::compile({"\xff"}, true));
  EXPECT_FALSE(TextSearch::compile({std::string(5000, 'a')}, true));
}

TEST_F(QueryTest, kinds_narrow_the_rows_and_a_misspelt_kind_is_refused) {
  QuerySpec spec;
  spec.kinds = {"tombstone"};
  for (const Json& row : run(*reader_, spec).json) EXPECT_EQ(row["kind"], "tombstone");
  spec.kinds = {"tombstome"};
  const auto query = Query::compile(spec);
  ASSERT_FALSE(query);
  EXPECT_NE(query.error().message.find("tombstone"), std::string::npos);
}

TEST_F(QueryTest, pages_put_together_are_the_whole_answer_even_when_records_arrive_in_between) {
  QuerySpec spec;
  spec.where = "family == agent";
  const Found whole = run(*reader_, spec);
  std::vector<std::pair<std::string, std::uint64_t>> joined;
  spec.limit = 7;
  for (int page = 0; page < 100; ++page) {
    const Found part = run(*store_.reader(), spec);
    joined.insert(joined.end(), part.rows.begin(), part.rows.end());
    if (!part.outcome.next) break;
    spec.after = QueryPlace::parse(part.outcome.next->text());
    ASSERT_TRUE(spec.after);
    store_.add(3);
  }
  EXPECT_EQ(joined, whole.rows);
}

TEST_F(QueryTest, a_run_that_may_scan_no_further_ends_early_and_goes_on_where_it_ended) {
  QuerySpec spec;
  spec.where = "bytes_out == 150";
  spec.scan_records_max = 40;
  std::size_t found = 0, runs = 0;
  for (; runs < 20; ++runs) {
    const Found part = run(*reader_, spec);
    found += part.rows.size();
    if (!part.outcome.next) break;
    EXPECT_LE(part.outcome.records_scanned, 40u);
    spec.after = part.outcome.next;
  }
  EXPECT_EQ(found, 1u);
  EXPECT_GT(runs, 3u);
}

TEST_F(QueryTest, newest_first_gives_the_latest_times_in_order) {
  QuerySpec spec;
  spec.where = "family == agent";
  spec.order = Order::newest_first;
  spec.limit = 5;
  const Found found = run(*reader_, spec);
  ASSERT_EQ(found.json.size(), 5u);
  std::vector<std::uint64_t> bytes;
  for (const Json& row : found.json) bytes.push_back(row["event"]["bytes_out"]);
  EXPECT_EQ(bytes, (std::vector<std::uint64_t>{219, 218, 217, 216, 215}));
  EXPECT_TRUE(found.outcome.limited);
}

TEST_F(QueryTest, an_order_by_time_without_a_limit_is_refused) {
  QuerySpec spec;
  spec.order = Order::newest_first;
  EXPECT_FALSE(Query::compile(spec));
}

TEST_F(QueryTest, it_says_at_which_commit_it_read_and_what_no_head_covers_yet) {
  QuerySpec spec;
  spec.where = "family == agent";
  const Found found = run(*reader_, spec);
  EXPECT_EQ(found.outcome.commit, reader_->last_commit());
  std::size_t newer = 0;
  for (std::uint64_t i = 200; i < 220; ++i) newer += is_event(i);
  EXPECT_EQ(found.outcome.rows_uncovered, newer);
}

TEST_F(QueryTest, groups_count_and_add_up_and_come_largest_first) {
  QuerySpec spec;
  spec.where = "family == agent";
  spec.by = {"dst_host"};
  const auto query = Query::compile(spec);
  ASSERT_TRUE(query);
  std::vector<Group> groups;
  const auto outcome = query->groups(*reader_, groups);
  ASSERT_TRUE(outcome);
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> expected;
  for (std::uint64_t i = 0; i < 220; ++i)
    if (is_event(i)) {
      auto& [count, bytes] = expected["h" + std::to_string(i % 3) + ".example"];
      ++count;
      bytes += i;
    }
  ASSERT_EQ(groups.size(), 3u);
  for (const Group& group : groups) {
    EXPECT_EQ(group.count, expected[group.key[0]].first);
    EXPECT_EQ(group.bytes_out, expected[group.key[0]].second);
  }
  EXPECT_GE(groups[0].count, groups[1].count);
  EXPECT_EQ(outcome->rows_in_other_groups, 0u);
}

TEST_F(QueryTest, groups_that_do_not_fit_are_counted_and_those_given_stay_exact) {
  QuerySpec spec;
  spec.where = "family == agent";
  spec.by = {"bytes_out"};
  spec.groups_max = 10;
  const auto query = Query::compile(spec);
  ASSERT_TRUE(query);
  std::vector<Group> groups;
  const auto outcome = query->groups(*reader_, groups);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(groups.size(), 10u);
  EXPECT_EQ(outcome->rows_in_other_groups, outcome->rows - 10);
}

TEST_F(QueryTest, an_unknown_field_to_group_by_is_named_with_its_neighbour) {
  QuerySpec spec;
  spec.by = {"dst_hots"};
  const auto query = Query::compile(spec);
  ASSERT_FALSE(query);
  EXPECT_NE(query.error().message.find("dst_host"), std::string::npos);
}

TEST_F(QueryTest, secrets_are_cut_unless_asked_for) {
  QuerySpec spec;
  spec.where = "bytes_out == 10";
  const std::string masked = run(*reader_, spec).json.at(0).dump();
  EXPECT_EQ(masked.find("0123456789abcdef"), std::string::npos);
  const std::string shown = run(*reader_, spec, false).json.at(0).dump();
  EXPECT_NE(shown.find("0123456789abcdef0123456789abcdef"), std::string::npos);
}

TEST_F(QueryTest, another_process_sees_the_same_rows_while_the_writer_is_open) {
  QuerySpec spec;
  spec.where = "principal == agent-1";
  EXPECT_EQ(run(*store_.outside(), spec).rows, run(*reader_, spec).rows);
}

TEST(Mask, known_shapes_of_credentials_are_cut_and_ordinary_words_are_not) {
  const std::pair<const char*, const char*> cases[] = {
      {"key AKIAIOSFODNN7EXAMPLE used", "key AKIA\xe2\x80\xa6 used"},
      {"https://bob:s3cret@host/x", "https://bob:\xe2\x80\xa6@host/x"},
      {"https://bob:p@ss:w@host/x@y", "https://bob:\xe2\x80\xa6@host/x@y"},
      {"https://bob@host:8443/x, mail a@b", "https://bob@host:8443/x, mail a@b"},
      {"GET /a?token=abcdef&b=1", "GET /a?token=\xe2\x80\xa6&b=1"},
      {R"({"password":"hunter2","n":5})", "{\"password\":\"\xe2\x80\xa6\",\"n\":5}"},
      {R"({"text":"{\"secret\": \"x\"}"})", "{\"text\":\"{\\\"secret\\\": \\\"\xe2\x80\xa6\\\"}\"}"},
      {"Authorization: Bearer abcdefgh12345678", "Authorization: Bearer \xe2\x80\xa6"},
      {"the token was rotated; task-sk-runner-of-the-day", "the token was rotated; task-sk-runner-of-the-day"},
      {R"({"token":null,"secret":5,"author":"x"})", R"({"token":null,"secret":5,"author":"x"})"},
      {"a:b@c, 10:30 https://host:8443/path", "a:b@c, 10:30 https://host:8443/path"},
  };
  for (const auto& [text, masked] : cases) EXPECT_EQ(mask_secrets(text), masked);
}

TEST(Mask, masking_twice_changes_nothing_more) {
  const std::string once = mask_secrets(R"(x=ghp_abcdefghijklmnopqrst12345 {"pwd":"p"} -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----)");
  EXPECT_EQ(once.find("MII"), std::string::npos);
  EXPECT_EQ(mask_secrets(once), once);
}

/// 1,200 messages in sealed segments of 128 records and small blocks, the newest not sealed.
struct SealedQueryTest : ::testing::Test {
  SealedQueryTest() : store_({.segment_records = 128, .block_bytes_max = 4096}) {
    for (int i = 0; i < 12; ++i) store_.add(100);
    store_.seal();
    reader_ = store_.reader();
  }
  SampleStore store_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(SealedQueryTest, the_index_gives_the_same_rows_as_a_look_at_every_block) {
  ASSERT_GT(reader_->indexed_size(5) + reader_->indexed_size(6), 0u);
  // `not (... != x)` matches the same events and requires no term of the index.
  const std::pair<const char*, const char*> same[] = {
      {"principal == agent-2", "not (principal != agent-2)"},
      {"principal in (agent-1, agent-4) and dst_host == h1.example",
       "not (principal not in (agent-1, agent-4)) and not (dst_host != h1.example)"},
      {"principal == nobody", "not (principal != nobody)"},
      {"principal == agent-3 and bytes_out > 1100", "not (principal != agent-3) and bytes_out > 1100"},
  };
  for (const auto& [with_terms, without] : same) {
    QuerySpec spec;
    spec.where = with_terms;
    const Found quick = run(*reader_, spec);
    spec.where = without;
    const Found slow = run(*reader_, spec);
    EXPECT_EQ(quick.rows, slow.rows) << with_terms;
    EXPECT_GE(quick.outcome.blocks_skipped, slow.outcome.blocks_skipped) << with_terms;
  }
}

TEST_F(SealedQueryTest, blocks_without_the_term_are_not_looked_at) {
  QuerySpec spec;
  spec.where = "principal == nobody";
  const Found none = run(*reader_, spec);
  EXPECT_TRUE(none.rows.empty());
  EXPECT_GT(none.outcome.blocks_skipped, 0u);
  EXPECT_LT(none.outcome.records_scanned, 300u) << "only what is not sealed yet";
}

}  // namespace
}  // namespace tidewaiter::store
