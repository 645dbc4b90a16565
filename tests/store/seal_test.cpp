#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/db.hpp"
#include "store/keys.hpp"
#include "store/log.hpp"
#include "store/segment_index.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

#define ASSERT_OK(result) ASSERT_TRUE(result) << (result).error().message

struct Answers {
  std::vector<std::string> commits;
  std::vector<std::string> leaves;
  std::vector<Hash> roots;
};

Answers ask_everything(Reader& reader) {
  Answers answers;
  for (std::uint64_t n = 1; n <= reader.last_commit(); ++n)
    answers.commits.push_back(describe(**reader.commit(n, true), true) + describe(**reader.commit(n, false), false));
  for (const LogInfo& log : reader.logs()) {
    for (std::uint64_t seq = 0; seq < reader.size(log.id); seq += 7)
      answers.leaves.push_back(*reader.leaf(log.id, seq) + *reader.salt(log.id, seq));
    for (std::uint64_t size = 0; size <= reader.size(log.id); size += 13)
      answers.roots.push_back(*reader.root(log.id, size));
  }
  return answers;
}

std::uint64_t count_blocks(const std::string& directory) {
  auto db = Db::open_secondary({directory, false, nullptr});
  std::uint64_t blocks = 0;
  auto it = (*db)->iterate(Cf::cols);
  for (it->seek(cols_key(5, 0)); it->valid() && it->key().starts_with(Key().num(std::uint16_t{5})); it->next()) ++blocks;
  return blocks;
}

class Sealing : public ::testing::Test {
 protected:
  void SetUp() override {
    options_ = options(directory_);
    options_.segment_records = 500;
    log_ = open(options_, metrics_);
    std::mt19937_64 random(9);
    std::uint64_t next_offset = 0;
    for (int i = 0; i < 150; ++i) {
      auto commit = log_->commit(random_batch(random, next_offset, 1 + random() % 30), {}, {}, {});
      ASSERT_OK(commit);
    }
  }
  TemporaryDirectory directory_;
  Metrics metrics_;
  Options options_;
  std::unique_ptr<Log> log_;
};

TEST_F(Sealing, packing_keeps_every_answer_equal_and_makes_fewer_blocks) {
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  const Answers before = ask_everything(**reader);
  const std::uint64_t blocks_before = count_blocks(options_.directory);
  int steps = 0;
  for (;; ++steps) {
    auto more = log_->seal_one_segment();
    ASSERT_OK(more);
    if (!*more) break;
  }
  EXPECT_GT(steps, 3);
  EXPECT_LT(count_blocks(options_.directory), blocks_before / 4);
  ASSERT_OK((*reader)->refresh());
  EXPECT_EQ((*reader)->indexed_size(5) / 500, (*reader)->size(5) / 500);
  const Answers after = ask_everything(**reader);
  EXPECT_EQ(before.commits, after.commits);
  EXPECT_EQ(before.leaves, after.leaves);
  EXPECT_EQ(before.roots, after.roots);
  reader->reset();
  log_.reset();
  log_ = open(options_, metrics_);
  auto again = log_->seal_one_segment();
  ASSERT_OK(again);
  EXPECT_FALSE(*again);
}

TEST_F(Sealing, a_view_taken_before_packing_still_answers_the_same) {
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  const Answers before = ask_everything(**reader);
  for (;;) {
    auto more = log_->seal_one_segment();
    ASSERT_OK(more);
    if (!*more) break;
  }
  const Answers after = ask_everything(**reader);
  EXPECT_EQ(before.commits, after.commits);
  EXPECT_EQ(before.leaves, after.leaves);
}

TEST_F(Sealing, readers_of_the_same_process_answer_the_same_while_blocks_are_packed) {
  auto opened = Reader::open(*log_);
  ASSERT_OK(opened);
  const Reader& reader = **opened;
  const std::uint64_t commits = reader.last_commit(), size = reader.size(5);
  std::vector<std::string> before;
  for (std::uint64_t n = 1; n <= commits; ++n) before.push_back(describe(**reader.commit(n, true), true));
  std::atomic<bool> packing{true};
  std::thread packer([&] {
    for (bool more = true; more;) {
      auto step = log_->seal_one_segment();
      more = step && *step;
    }
    packing.store(false);
  });
  int rounds = 0;
  for (bool last = false; !last; ++rounds) {
    last = !packing.load();
    auto fresh = Reader::open(*log_);  // nothing cached yet
    EXPECT_TRUE(fresh) << fresh.error().message;
    std::uint64_t next = 0;
    auto scanned = (*fresh)->scan(5, 0, size, true, nullptr, [&](const StoredRecord& r) {
      EXPECT_EQ(r.record.seq, next++);
      return true;
    });
    EXPECT_TRUE(scanned) << scanned.error().message;
    EXPECT_EQ(next, size);
    for (std::uint64_t n = 1; n <= commits; n += 11) {
      auto commit = (*fresh)->commit(n, true);
      EXPECT_TRUE(commit) << commit.error().message;
      if (commit) {
        EXPECT_EQ(describe(**commit, true), before[n - 1]);
      }
    }
  }
  packer.join();
  EXPECT_GT(rounds, 1);
}

TEST_F(Sealing, the_index_finds_exactly_what_a_scan_finds) {
  for (;;) {
    auto more = log_->seal_one_segment();
    ASSERT_OK(more);
    if (!*more) break;
  }
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  const std::uint64_t to = (*reader)->indexed_size(5);
  ASSERT_GT(to, 500u);
  for (const Str column : {Str::principal, Str::dst_host, Str::agent_uid}) {
    std::map<std::string, std::vector<std::uint64_t>> found;
    ASSERT_OK((*reader)->scan(5, 3, to - 3, false, nullptr, [&](const StoredRecord& r) {
      for (const Event& event : r.events) {
        if (!event.has(column)) continue;
        auto& list = found[std::string(event.get(column))];
        if (list.empty() || list.back() != r.record.seq) list.push_back(r.record.seq);
      }
      return true;
    }));
    for (const auto& [term, seqs] : found)
      ASSERT_EQ((*reader)->find_term(5, static_cast<std::uint8_t>(column), term, 3, to - 3).value(), seqs) << term;
    EXPECT_TRUE((*reader)->find_term(5, static_cast<std::uint8_t>(column), "no such term", 0, to)->empty());
  }
  EXPECT_FALSE((*reader)->find_term(5, 0, "x", 0, to + 1));
}

TEST_F(Sealing, a_corrupted_value_is_named_by_place_and_the_rest_stays_readable) {
  log_.reset();
  std::uint64_t broken_seq = 0;
  {
    auto db = Db::open_primary({options_.directory, false, nullptr});
    ASSERT_OK(db);
    auto it = (*db)->iterate(Cf::raw);
    it->seek(raw_key(5, 100));
    ASSERT_TRUE(it->valid());
    broken_seq = get_be<std::uint64_t>(it->key().data() + 2);
    std::string value(it->value());
    value[value.size() / 2] ^= 4;
    WriteBatch batch(**db);
    batch.put(Cf::raw, it->key(), value);
    ASSERT_OK((*db)->write(batch, true));
  }
  log_ = open(options_, metrics_);
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  auto broken = (*reader)->record(5, broken_seq);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, Code::corruption);
  EXPECT_NE(broken.error().message.find("log 5, seq " + std::to_string(broken_seq) + ", raw"), std::string::npos)
      << broken.error().message;
  EXPECT_TRUE((*reader)->record(5, broken_seq - 1));
  EXPECT_TRUE((*reader)->scan(5, 0, ~std::uint64_t{0}, false, nullptr, [](const StoredRecord&) { return true; }));
}

TEST_F(Sealing, a_scan_sees_each_record_of_its_range_once_and_skips_unwanted_blocks) {
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  std::uint64_t next = 100;
  ASSERT_OK((*reader)->scan(5, 100, 400, true, nullptr, [&](const StoredRecord& r) {
    EXPECT_EQ(r.record.seq, next++);
    EXPECT_EQ(r.log_name, "agent-high");
    EXPECT_FALSE(r.record.body.empty());
    return true;
  }));
  EXPECT_EQ(next, 400u);
  int visited = 0;
  ASSERT_OK((*reader)->scan(5, 0, 400, false, [](const BlockSummary& b) { return b.first_seq >= 200; },
                            [&](const StoredRecord& r) {
                              EXPECT_GE(r.record.seq, 200u);
                              EXPECT_TRUE(r.record.body.empty());
                              return ++visited < 50;
                            }));
  EXPECT_EQ(visited, 50);
}

}  // namespace
}  // namespace tidewaiter::store
