// Attacks on the files and tables of a store, each of which verify must see.
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "store/keys.hpp"
#include "store/state.hpp"
#include "tests/verify/verify_fixture.hpp"

namespace tidewaiter::store {
namespace {

constexpr Cf all_tables[] = {Cf::meta,    Cf::raw,  Cf::cols,  Cf::tree,  Cf::offsets,  Cf::positions,
                             Cf::commits, Cf::keys, Cf::heads, Cf::index, Cf::snapshots};

class AttackTest : public VerifyTest {
 protected:
  /// verify says so, and names `place` first unless that is empty.
  void expect_found(const std::string& attack, const std::string& place = "") {
    const VerifyReport report = verify(store_);
    ASSERT_FALSE(report.good()) << attack;
    EXPECT_TRUE(place.empty() || report.findings[0].place == place) << attack << ": " << said(report);
  }
  void plant(Cf cf, const std::string& key, const std::string& value, const std::string& place) {
    test::put(store_.directory(), cf, key, value);
    expect_found("planted in " + std::string(cf_name(cf)) + ", key " + to_hex(key), place);
    test::remove(store_.directory(), cf, key);
  }
};

std::vector<std::filesystem::path> files_of(const std::string& directory, const std::string& extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == extension && entry.file_size() > 0) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Turns one bit, and back when it goes out of scope.
class TurnedBit {
 public:
  TurnedBit(std::filesystem::path file, std::uint64_t at, int bit)
      : file_(std::move(file)), at_(static_cast<std::streamoff>(at)), mask_(static_cast<char>(1 << bit)) {
    turn();
  }
  ~TurnedBit() { turn(); }
  TurnedBit(const TurnedBit&) = delete;

 private:
  void turn() {
    std::fstream bytes(file_, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(at_);
    const char now = static_cast<char>(bytes.get() ^ mask_);
    bytes.seekp(at_);
    bytes.put(now);
  }
  std::filesystem::path file_;
  std::streamoff at_;
  char mask_;
};

/// Every value of every table, as another process reads it.
std::vector<std::vector<test::Pair>> contents(const std::string& directory) {
  std::vector<std::vector<test::Pair>> tables;
  const auto db = Db::open_secondary({directory, false, nullptr});
  if (!db) return tables;
  for (const Cf cf : all_tables) {
    auto& pairs = tables.emplace_back();
    const auto it = (*db)->iterate(cf);
    for (it->seek({}); it->valid(); it->next()) pairs.emplace_back(it->key(), it->value());
    if (!it->status()) return {};
  }
  return tables;
}

bool seen(const std::string& directory, const TrustedKey& key) {
  VerifyRequest request;
  request.directory = directory;
  request.public_key = key;
  request.threads = 1;
  const auto report = verify_store(request);
  return !report || !report->good();
}

/// A damaged file is looked at again for a second, in case it is just being written: so the attacks are made on many
/// copies at the same time.
void on_copies(const SampleStore& store, unsigned count, const std::function<void(unsigned, const std::string&)>& attack) {
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < count; ++i) {
    const std::string copy = store.file("copy-" + std::to_string(i));
    std::filesystem::copy(store.directory(), copy, std::filesystem::copy_options::recursive);
    workers.emplace_back([&attack, i, copy] { attack(i, copy); });
  }
}

TEST_F(AttackTest, two_hundred_turned_bits_in_table_files_of_a_cleanly_closed_store_are_found) {
  on_copies(store_, 20, [&](unsigned worker, const std::string& copy) {
    const auto files = files_of(copy, ".sst");
    ASSERT_FALSE(files.empty());
    std::mt19937_64 random(11 + worker);
    for (int i = 0; i < 10; ++i) {
      const auto& file = files[random() % files.size()];
      const std::uint64_t at = random() % std::filesystem::file_size(file);
      const TurnedBit bit(file, at, static_cast<int>(random() % 8));
      EXPECT_TRUE(seen(copy, store_.key())) << file << " byte " << at;
    }
    EXPECT_FALSE(seen(copy, store_.key()));
  });
}

TEST_F(AttackTest, two_hundred_turned_bits_in_a_live_write_ahead_log_are_found_or_change_nothing) {
  // All since the last flush lies in the log alone, up to a head at full size.
  store_.reopen();
  for (int i = 0; i < 6; ++i) store_.add(50);
  store_.checkpoint();
  const std::string copy = store_.file("copy");
  std::filesystem::copy(store_.directory(), copy, std::filesystem::copy_options::recursive);
  store_.close();
  const auto files = files_of(copy, ".log");
  ASSERT_FALSE(files.empty()) << "nothing lies in the log";
  const auto intact = contents(copy);
  ASSERT_FALSE(intact.empty());
  ASSERT_FALSE(seen(copy, store_.key()));
  {
    const TurnedBit recycled(files.front(), 6, 2);  // the type of the first record: RocksDB's reader would spin on it
    EXPECT_TRUE(seen(copy, store_.key()));
  }
  std::mt19937_64 random(12);
  int found = 0;
  for (int i = 0; i < 200; ++i) {
    const auto& file = files[random() % files.size()];
    const std::uint64_t at = random() % std::filesystem::file_size(file);
    const TurnedBit bit(file, at, static_cast<int>(random() % 8));
    if (seen(copy, store_.key()))
      ++found;
    else
      EXPECT_TRUE(contents(copy) == intact) << file << " byte " << at;
  }
  EXPECT_GT(found, 190);  // the rest: padding at the end of a log's blocks
  EXPECT_FALSE(seen(copy, store_.key()));
}

TEST_F(AttackTest, a_write_ahead_log_cut_anywhere_behind_a_head_is_found) {
  store_.reopen();
  for (int i = 0; i < 6; ++i) store_.add(50);
  store_.checkpoint();
  const std::string copy = store_.file("copy");
  std::filesystem::copy(store_.directory(), copy, std::filesystem::copy_options::recursive);
  store_.close();
  const auto files = files_of(copy, ".log");
  ASSERT_FALSE(files.empty());
  const std::uint64_t whole = std::filesystem::file_size(files.back());
  std::filesystem::copy_file(files.back(), store_.file("whole.log"));
  for (std::uint64_t share = 0; share < 10; ++share) {
    std::filesystem::resize_file(files.back(), whole * share / 10);
    EXPECT_TRUE(seen(copy, store_.key())) << share << " tenths of the log are left";
    std::filesystem::copy_file(store_.file("whole.log"), files.back(), std::filesystem::copy_options::overwrite_existing);
  }
  EXPECT_FALSE(seen(copy, store_.key()));
}

TEST_F(AttackTest, values_exchanged_between_their_keys_are_found_in_every_table) {
  for (const Cf cf : all_tables) {
    const auto pairs = test::all_pairs(store_.directory(), cf);
    bool exchanged = false;
    for (std::size_t i = 0; i + 1 < pairs.size() && !exchanged; ++i) {
      const auto& [key, value] = pairs[i];
      const auto& [other_key, other] = pairs[i + 1];
      // Of meta, what is alike in form: the names of origins, cursors, the marks of sealing.
      if (value == other || (cf == Cf::meta && key.substr(0, 4) != other_key.substr(0, 4))) continue;
      exchanged = true;
      test::put(store_.directory(), cf, key, other);
      test::put(store_.directory(), cf, other_key, value);
      if (key.starts_with("cursor/")) {  // the owners of cursors say what they may be: see the test of followers
        exchanged = false;
      } else {
        expect_found("exchanged in " + std::string(cf_name(cf)) + ", key " + to_hex(key));
      }
      test::put(store_.directory(), cf, key, value);
      test::put(store_.directory(), cf, other_key, other);
    }
    const bool alone = cf == Cf::snapshots || cf == Cf::positions || cf == Cf::meta;  // one value, or one of its form
    EXPECT_TRUE(exchanged || alone) << cf_name(cf);
  }
  EXPECT_TRUE(verify(store_).good());
}

TEST_F(AttackTest, an_older_value_put_back_under_its_key_is_found) {
  const std::string older = store_.file("older");
  std::filesystem::copy(store_.directory(), older, std::filesystem::copy_options::recursive);
  store_.reopen();
  store_.add(40);
  store_.checkpoint();
  store_.close();
  for (const Cf cf : all_tables) {
    const auto now = test::all_pairs(store_.directory(), cf);
    for (const auto& [key, value] : test::all_pairs(older, cf)) {
      const auto found = std::find_if(now.begin(), now.end(), [&, &k = key](const test::Pair& p) { return p.first == k; });
      if (found == now.end() || found->second == value) continue;
      test::put(store_.directory(), cf, key, value);
      expect_found("an older value in " + std::string(cf_name(cf)) + ", key " + to_hex(key));
      test::put(store_.directory(), cf, key, found->second);
    }
  }
  EXPECT_TRUE(verify(store_).good());
}

TEST_F(AttackTest, a_table_emptied_altogether_is_found) {
  for (const Cf cf : {Cf::raw, Cf::cols, Cf::tree, Cf::offsets, Cf::positions, Cf::commits, Cf::keys, Cf::index}) {
    const auto pairs = test::all_pairs(store_.directory(), cf);
    ASSERT_FALSE(pairs.empty());
    const auto write = [&](bool there) {
      const auto db = Db::open_primary({store_.directory(), false, nullptr});
      ASSERT_TRUE(db);
      WriteBatch batch(**db);
      for (const auto& [key, value] : pairs) there ? batch.put(cf, key, value) : batch.remove(cf, key);
      ASSERT_TRUE((*db)->write(batch, true));
    };
    write(false);
    expect_found("emptied: " + std::string(cf_name(cf)));
    write(true);
  }
  EXPECT_TRUE(verify(store_).good());
}

TEST_F(AttackTest, a_value_that_nothing_has_written_is_found_in_every_table) {
  const auto first = [&](Cf cf) { return test::all_pairs(store_.directory(), cf).front(); };
  const auto [raw_key_0, raw] = first(Cf::raw);
  const auto [cols_key_0, cols] = first(Cf::cols);
  const std::string node = first(Cf::tree).second, index = first(Cf::index).second;
  const auto key = [](const Key& k) { return std::string(std::string_view(k)); };
  plant(Cf::raw, key(raw_key(main_log(), 1'000'000)), raw, "raw");
  plant(Cf::raw, key(raw_key(main_log(), 1)), raw, "raw");
  plant(Cf::raw, key(raw_key(99, 0)), raw, "raw");
  plant(Cf::cols, key(cols_key(main_log(), 1'000'000)), cols, "cols");
  plant(Cf::cols, key(cols_key(main_log(), 0, 1)), cols, "cols");
  plant(Cf::cols, key(cols_key(99, 0)), cols, "cols");
  plant(Cf::tree, key(tree_key(main_log(), 8, 1'000'000)), node, "tree");
  plant(Cf::tree, key(tree_key(main_log(), 3, 0)), node, "tree");
  plant(Cf::index, key(index_key(main_log(), 0, 250)), index, "index");
  plant(Cf::index, key(index_key(77, 0, 0)), index, "index");
  plant(Cf::commits, key(commit_key(1'000'000)), first(Cf::commits).second, "commits");
  plant(Cf::keys, key(salt_key_key(main_log(), 7)), first(Cf::keys).second, "keys");
  plant(Cf::heads, key(head_key(main_log(), 9, 5)), first(Cf::heads).second, "heads");
  plant(Cf::meta, "note to self", "later", "meta");
  plant(Cf::meta, key(origin_key(1'000)), "x", "meta");
  plant(Cf::positions, key(position_key(0, 9)), std::string(std::string_view(encode_number(1))), "positions");
  EXPECT_TRUE(verify(store_).good());
}

TEST_F(AttackTest, followers_are_held_to_what_their_owners_know_of_them) {
  VerifyRequest request;
  request.directory = store_.directory();
  std::vector<std::string> asked;
  request.cursor_wrong = [&](std::string_view name, std::string_view value, const FollowerView& view) -> std::string {
    asked.push_back(std::string(name) + "=" + std::string(value));
    EXPECT_TRUE(view.whole);
    EXPECT_EQ(view.alerts, 1u);
    return name == "detect" ? "lies" : "";
  };
  request.snapshot_wrong = [&](std::string_view name, std::uint64_t commit, std::string_view value,
                               const FollowerView&) -> std::string {
    asked.push_back(std::string(name) + "@" + std::to_string(commit) + "=" + std::string(value));
    return "lies too";
  };
  const auto report = verify_store(request);
  ASSERT_TRUE(report);
  EXPECT_EQ(asked, (std::vector<std::string>{"detect=12345", "detect@3=state of the detector"}));
  EXPECT_EQ(said(*report), "meta  [0, 0): the cursor 'detect' lies\n"
                           "snapshots  [0, 0): the snapshot of 'detect' at commit 3 lies too\n");
}

TEST_F(AttackTest, a_manifest_cut_or_turned_is_found_or_changes_nothing) {
  const auto intact = contents(store_.directory());
  on_copies(store_, 8, [&](unsigned worker, const std::string& copy) {
    std::filesystem::path manifest;
    for (const auto& entry : std::filesystem::directory_iterator(copy))
      if (entry.path().filename().string().starts_with("MANIFEST")) manifest = entry.path();
    ASSERT_FALSE(manifest.empty());
    const std::uint64_t size = std::filesystem::file_size(manifest);
    std::mt19937_64 random(13 + worker);
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t at = random() % size;
      const TurnedBit bit(manifest, at, static_cast<int>(random() % 8));
      EXPECT_TRUE(seen(copy, store_.key()) || contents(copy) == intact) << "byte " << at;
    }
    std::filesystem::resize_file(manifest, size * worker / 8);
    EXPECT_TRUE(seen(copy, store_.key())) << worker << " eighths of the manifest are left";
  });
}

}  // namespace
}  // namespace tidewaiter::store
