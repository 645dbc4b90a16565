#include "store/commit_packer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>

#include "store/leaf.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

constexpr std::uint64_t first_seq = 1000;
constexpr std::string_view store_id = "00112233445566778899aabbccddeeff";

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
std::string decoded(const CommitPacker& packer, std::vector<std::uint64_t>& firsts, std::vector<std::uint64_t>& units) {
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

/// What the leaves and column runs of a part must be, one record after the other.
void expect_hashes(CommitPacker& packer, const Commit& made, std::span<const std::uint32_t> places,
                   std::string_view salts, std::size_t part) {
  Sha256 sha;
  const std::vector<Hash>& leaves = packer.leaves(part);
  ASSERT_EQ(leaves.size(), places.size());
  ColumnDigest digest;
  std::vector<Hash> runs;
  const auto end_run = [&] {
    if (!digest.bytes().empty()) runs.push_back(sha.digest(digest.bytes()));
    digest.begin();
  };
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Record& record = made.records[places[i]];
    ASSERT_EQ(leaves[i], record_leaf_hash(sha, record, store_id, salts.substr(i * salt_size, salt_size)));
    if (i % ColumnDigest::run_records == 0) end_run();
    digest.add(record, places[i], made.events.data() + record.first_event);
  }
  end_run();
  ASSERT_TRUE(std::ranges::equal(packer.column_runs(part), runs));
}

TEST(CommitPacker, two_threads_give_the_planned_blocks_in_order_and_hashes_whoever_took_them) {
  std::mt19937_64 random(3);
  std::uint64_t offset = 0;
  CommitPacker packer(1);
  for (int round = 0; round < 20; ++round) {
    const std::size_t count = 1 + random() % 400;
    const Commit made = random_commit(random, offset, count);
    std::vector<std::uint32_t> places(made.records.size());
    std::iota(places.begin(), places.end(), 0u);
    packer.begin(made, store_id);
    std::vector<std::uint64_t> firsts, units;
    std::string salts;
    const std::size_t size_max = round % 2 == 0 ? 40 : 300;  // shorter and longer than a run of the column digest
    std::size_t parts = 0;
    for (std::size_t part_from = 0; part_from < places.size(); ++parts) {
      const std::size_t part_to = round % 3 == 0 && parts == 0 ? (places.size() + 1) / 2 : places.size();
      char* const part_salts = packer.begin_part(std::span(places).subspan(part_from, part_to - part_from));
      for (std::size_t i = 0; i < (part_to - part_from) * salt_size; ++i) part_salts[i] = static_cast<char>(random());
      salts.append(part_salts, (part_to - part_from) * salt_size);
      for (std::size_t from = part_from; from < part_to;) {
        const std::size_t size = std::min<std::size_t>(1 + random() % size_max, part_to - from);
        firsts.push_back(first_seq + from);
        units.push_back(first_seq + from / 100);
        packer.plan(units.back(), size);
        from += size;
      }
      part_from = part_to;
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
    std::size_t from = 0;
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t size = packer.leaves(part).size();
      expect_hashes(packer, made, std::span(places).subspan(from, size),
                    std::string_view(salts).substr(from * salt_size, size * salt_size), part);
      from += size;
    }
    EXPECT_EQ(from, places.size());
  }
}

TEST(CommitPacker, a_new_commit_begins_with_nothing) {
  std::mt19937_64 random(4);
  std::uint64_t offset = 0;
  CommitPacker packer(1);
  const Commit made = random_commit(random, offset, 5);
  const std::vector<std::uint32_t> places{0, 1, 2};
  packer.begin(made, store_id);
  packer.begin_part(places);
  packer.plan(first_seq, places.size());
  packer.help(0);
  packer.begin(made, store_id);
  packer.help(0);
  int blocks = 0;
  packer.each([&](const BlockHeader&, std::string_view, std::string_view) { ++blocks; });
  EXPECT_EQ(blocks, 0);
}

}  // namespace
}  // namespace tidewaiter::store
