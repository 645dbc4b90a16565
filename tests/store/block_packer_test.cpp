#include "store/block_packer.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

constexpr std::uint64_t first_seq = 1000;

Commit random_commit(std::mt19937_64& random, std::uint64_t& offset, std::size_t records) {
  Commit made;
  made.number = 7;
  std::shared_ptr<Batch> batch = random_batch(random, offset, records);
  made.records = batch->records;
  made.events = batch->events;
  made.owners.push_back(batch);
  for (std::size_t i = 0; i < made.records.size(); ++i) {
    made.records[i].log = 5;
    made.records[i].seq = first_seq + i;
  }
  return made;
}

std::string describe_records(const std::vector<Record>& records, const std::vector<Event>& events) {
  Commit commit;
  commit.records = records;
  commit.events = events;
  return describe(commit, true);
}

/// What the blocks decode to, one after the other; `firsts` and `units` of their headers.
std::string decoded(const BlockPacker& packer, std::vector<std::uint64_t>& firsts, std::vector<std::uint64_t>& units) {
  std::vector<Record> records;
  std::vector<Event> events;
  std::vector<std::shared_ptr<const void>> bytes;
  packer.each([&](const BlockHeader& header, std::string_view raw, std::string_view cols) {
    firsts.push_back(header.first_seq);
    units.push_back(header.unit);
    auto block = read_block(cols);
    ASSERT_TRUE(block) << block.error().message;
    ASSERT_TRUE(attach_bodies(*block, raw));
    for (Event& event : block->events) event.record += static_cast<std::uint32_t>(records.size());
    for (Record& record : block->records) {
      record.first_event += static_cast<std::uint32_t>(events.size());
      records.push_back(record);
    }
    events.insert(events.end(), block->events.begin(), block->events.end());
    bytes.insert(bytes.end(), {block->column_bytes, block->body_bytes});
  });
  return describe_records(records, events);
}

TEST(BlockPacker, two_threads_give_the_planned_blocks_in_order_whoever_took_them) {
  std::mt19937_64 random(3);
  std::uint64_t offset = 0;
  BlockPacker packer(1);
  for (int round = 0; round < 20; ++round) {
    const std::size_t count = 1 + random() % 400;
    const Commit made = random_commit(random, offset, count);
    std::vector<std::uint32_t> places(made.records.size());
    std::iota(places.begin(), places.end(), 0u);
    packer.begin(made);
    std::vector<std::uint64_t> firsts, units;
    for (std::size_t from = 0; from < places.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 40, places.size() - from);
      firsts.push_back(first_seq + from);
      units.push_back(first_seq + from / 100);
      packer.plan(units.back(), std::span(places).subspan(from, size));
      from += size;
    }
    {
      std::jthread beside([&] { packer.help(1); });
      packer.help(0);
    }
    std::vector<std::uint64_t> firsts_got, units_got;
    const std::string got = decoded(packer, firsts_got, units_got);
    ASSERT_EQ(got, describe_records(made.records, made.events));
    EXPECT_EQ(firsts_got, firsts);
    EXPECT_EQ(units_got, units);
  }
}

TEST(BlockPacker, a_new_commit_begins_with_nothing) {
  std::mt19937_64 random(4);
  std::uint64_t offset = 0;
  BlockPacker packer(1);
  const Commit made = random_commit(random, offset, 5);
  const std::vector<std::uint32_t> places{0, 1, 2};
  packer.begin(made);
  packer.plan(first_seq, places);
  packer.help(0);
  packer.begin(made);
  packer.help(0);
  int blocks = 0;
  packer.each([&](const BlockHeader&, std::string_view, std::string_view) { ++blocks; });
  EXPECT_EQ(blocks, 0);
}

}  // namespace
}  // namespace tidewaiter::store
