// Tables of fixed size: slots, windows, names.
#include <map>

#include "detect/key_index.hpp"
#include "detect/names.hpp"
#include "detect/windows.hpp"
#include "tests/detect/support.hpp"

namespace tidewaiter::detect {
namespace {

struct alignas(64) Slot {
  Key key;
  std::uint64_t value;
  std::uint16_t quota, unused[3];
  std::uint64_t rank() const { return value; }
};

TEST(SlotTable, it_finds_what_was_put_in_while_there_is_room) {
  SlotTable<Slot> table(1 << 20);
  for (Key key = 1; key <= 4000; ++key) table.find_or_insert(combine(key, 1), 1).slot->value = key;
  std::size_t found = 0;
  for (Key key = 1; key <= 4000; ++key)
    if (const Slot* slot = table.find(combine(key, 1))) found += slot->value == key;
  EXPECT_EQ(found + table.evictions(), 4000u);
  EXPECT_LT(table.evictions(), 40u);
}

TEST(SlotTable, it_never_grows_and_evicts_the_least_valuable) {
  SlotTable<Slot> table(64 * 64);
  for (Key key = 1; key <= 10'000; ++key) table.find_or_insert(combine(key, 1), 1).slot->value = key;
  EXPECT_EQ(table.used(), table.capacity());
  EXPECT_EQ(table.evictions(), 10'000 - table.capacity());
}

TEST(SlotTable, a_flood_of_fresh_ids_pushes_out_its_own_quota_only) {
  SlotTable<Slot> table(64 * 1024);
  std::vector<Key> kept;
  for (Key key = 1; key <= 200; ++key) {
    kept.push_back(combine(key, 7));
    table.find_or_insert(kept.back(), 1).slot->value = 1;  // as cheap as can be
  }
  for (Key key = 1; key <= 100'000; ++key) table.find_or_insert(combine(key, 8), 2).slot->value = 1000;
  std::size_t left = 0;
  for (const Key key : kept) left += table.find(key) != nullptr;
  EXPECT_GE(left, 195u);
}

TEST(SlotTable, a_snapshot_costs_what_is_used_and_gives_the_same_table) {
  SlotTable<Slot> table(1 << 20), other(1 << 20);
  for (Key key = 1; key <= 100; ++key) table.find_or_insert(combine(key, 1), 1).slot->value = key;
  SnapshotWriter out, again;
  table.save(out);
  EXPECT_LT(out.bytes().size(), 100 * 80u);
  SnapshotReader in(out.bytes());
  ASSERT_TRUE(other.load(in));
  other.save(again);
  EXPECT_EQ(out.bytes(), again.bytes());
  SlotTable<Slot> small(1 << 16);
  SnapshotReader wrong(out.bytes());
  EXPECT_FALSE(small.load(wrong)) << "another size";
}

TEST(KeyIndex, it_agrees_with_a_map_while_it_grows_and_after_it_was_cleared) {
  KeyIndex index;
  for (int round = 0; round < 2; ++round) {
    std::map<Key, std::uint32_t> model;
    for (std::uint32_t i = 0; i < 5000; ++i) {
      // Every other key begins its search at the same place.
      const Key key = i % 2 ? combine(i, static_cast<std::uint64_t>(round)) : (Key{i} + 1) << 32 | (i + 1);
      EXPECT_EQ(index.find(key), KeyIndex::none);
      index.insert(key, i);
      model.emplace(key, i);
    }
    for (const auto& [key, number] : model) ASSERT_EQ(index.find(key), number);
    EXPECT_EQ(index.find(combine(7, 99)), KeyIndex::none);
    index.clear();
    EXPECT_EQ(index.find(model.begin()->first), KeyIndex::none);
  }
}

TEST(Windows, they_close_by_end_then_scale_then_kind_and_agree_with_a_map) {
  WindowTable table(4 << 20);
  std::mt19937_64 random(3);
  std::map<Key, std::uint64_t> model;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t start = static_cast<std::int64_t>(random() % 50) * 300;
    const Key series = combine(random() % 200 + 1, 5);
    const Key key = WindowTable::key_of(series, 0, start);
    bool opened = false;
    Window* window = table.find_or_open(key, 0, start, static_cast<SeriesKind>(series % 3), opened);
    ASSERT_NE(window, nullptr);
    EXPECT_EQ(opened, !model.contains(key));
    window->bytes += 1;
    ++model[key];
    if (random() % 50 != 0) continue;
    const auto group = table.take_first_group();
    for (std::uint32_t slot = group.head; slot != WindowTable::none;) {
      const std::uint32_t next = table.next(slot);
      EXPECT_EQ(table.at(slot).end_s(), group.end_s());
      EXPECT_EQ(table.at(slot).bytes, model[table.at(slot).key]);
      model.erase(table.at(slot).key);
      table.release(slot);
      slot = next;
    }
    EXPECT_EQ(table.open(), model.size());
  }
  for (const auto& [key, bytes] : model) {
    ASSERT_NE(table.find(key), nullptr);
    EXPECT_EQ(table.find(key)->bytes, bytes);
  }
}

TEST(Names, a_name_that_was_evicted_is_shown_as_its_hash) {
  Names names(1 << 16);
  names.keep(5, "agent:a", 1, monday);
  EXPECT_EQ(names.of(5), "agent:a");
  EXPECT_EQ(names.of(0xabc), "#0000000000000abc");
}

}  // namespace
}  // namespace tidewaiter::detect
