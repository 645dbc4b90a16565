#include "store/verify.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "store/keys.hpp"
#include "tests/verify/verify_fixture.hpp"

namespace tidewaiter::store {
namespace {

TEST_F(VerifyTest, an_intact_store_is_consistent_without_a_key_and_authentic_with_it) {
  const VerifyReport without = verify(store_, false);
  EXPECT_STREQ(without.verdict(), "consistent") << said(without);
  const VerifyReport with = verify(store_);
  EXPECT_STREQ(with.verdict(), "authentic") << said(with);
  EXPECT_GE(with.signatures, 2u * 7u);
  EXPECT_EQ(with.logs[0].name, "control");
  EXPECT_LT(with.logs[main_log()].covered, with.logs[main_log()].size);  // the seven newest
}

TEST_F(VerifyTest, it_runs_beside_the_open_store) {
  store_.reopen();
  EXPECT_STREQ(verify(store_).verdict(), "authentic");
  store_.add(20);
  EXPECT_STREQ(verify(store_).verdict(), "authentic");
}

TEST_F(VerifyTest, it_runs_beside_a_store_that_is_written_packed_and_signed_at_the_same_time) {
  store_.reopen();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop && i < 2000; ++i) {
      store_.add(20);
      if (i % 7 == 0) store_.checkpoint();
      if (i % 20 == 0) store_.seal();
    }
  });
  for (int i = 0; i < 6; ++i) {
    const VerifyReport report = verify(store_);
    EXPECT_STREQ(report.verdict(), "authentic") << said(report);
  }
  stop = true;
  writer.join();
}

TEST_F(VerifyTest, a_store_that_lost_its_newest_part_and_began_a_new_generation_verifies_again) {
  const std::string copy = store_.file("copy");
  std::filesystem::copy(store_.directory(), copy, std::filesystem::copy_options::recursive);
  store_.reopen();
  store_.add(30);
  const std::string lost = note_of(store_.checkpoint(), main_log());
  store_.close();
  // Everything but the newest head files goes back to the copy.
  std::filesystem::rename(store_.file("store/checkpoint"), store_.file("checkpoint"));
  std::filesystem::remove_all(store_.directory());
  std::filesystem::rename(copy, store_.directory());
  std::filesystem::remove_all(store_.file("store/checkpoint"));
  std::filesystem::rename(store_.file("checkpoint"), store_.file("store/checkpoint"));

  store_.reopen(Recover::reread);
  EXPECT_EQ(store_.log().generation(), 2u);
  store_.add(60);
  store_.checkpoint();
  store_.add(60);
  store_.seal();
  store_.checkpoint();
  store_.close();
  const VerifyReport report = verify(store_);
  EXPECT_STREQ(report.verdict(), "authentic") << said(report);
  EXPECT_FALSE(verify(store_, true, {{"lost.txt", lost}}).good());
}

TEST_F(VerifyTest, a_foreign_key_finds_no_authentic_head) {
  VerifyRequest request;
  request.directory = store_.directory();
  request.public_key = TrustedKey{SigningKey::random().public_key(), ""};
  const auto report = verify_store(request);
  ASSERT_TRUE(report);
  EXPECT_STREQ(report->verdict(), "wrong");
  EXPECT_EQ(report->findings.at(0).place, "heads");
}

TEST_F(VerifyTest, one_turned_bit_in_any_stored_value_is_found_and_named) {
  std::mt19937_64 random(7);
  const std::pair<Cf, const char*> tables[] = {
      {Cf::raw, "raw"},       {Cf::cols, "cols"},           {Cf::tree, "tree"},     {Cf::offsets, "offsets"},
      {Cf::positions, "positions"}, {Cf::commits, "commits"}, {Cf::keys, "keys"},   {Cf::heads, "heads"},
      {Cf::index, "index"},   {Cf::snapshots, "snapshots"}, {Cf::meta, "meta"},
  };
  for (const auto& [cf, name] : tables) {
    auto pairs = test::all_pairs(store_.directory(), cf);
    ASSERT_FALSE(pairs.empty()) << name;
    std::shuffle(pairs.begin(), pairs.end(), random);
    for (std::size_t i = 0; i < pairs.size() && i < 6; ++i) {
      const auto& [key, value] = pairs[i];
      const std::size_t bit = random() % (value.size() * 8);
      test::put(store_.directory(), cf, key, test::flipped(value, bit));
      const VerifyReport report = verify(store_);
      if (report.good()) {
        // A compressed frame has a few bits that mean nothing: then nothing was changed.
        const std::string now = test::flipped(value, bit);
        EXPECT_TRUE(test::decode_alike(store_.directory(), cf, key, value, now))
            << name << " key " << to_hex(key) << " bit " << bit << " of " << value.size() * 8;
      } else {
        EXPECT_FALSE(report.findings[0].place.empty() || report.findings[0].what.empty());
      }
      test::put(store_.directory(), cf, key, value);
    }
  }
  EXPECT_STREQ(verify(store_).verdict(), "authentic");
}

TEST_F(VerifyTest, a_table_file_that_a_killed_process_left_unfinished_is_no_lie) {
  std::filesystem::path table;
  for (const auto& entry : std::filesystem::directory_iterator(store_.directory()))
    if (entry.path().extension() == ".sst") table = entry.path();
  ASSERT_FALSE(table.empty());
  const auto left = std::filesystem::path(store_.directory()) / "999999.sst";
  std::filesystem::copy_file(table, left);
  std::filesystem::resize_file(left, std::filesystem::file_size(table) / 2);
  VerifyRequest request;
  request.directory = store_.directory();
  request.public_key = store_.key();
  const auto report = verify_store(request);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->good()) << report->findings.front().what;
}

TEST_F(VerifyTest, a_missing_value_is_found_in_every_table) {
  for (const Cf cf : {Cf::raw, Cf::cols, Cf::tree, Cf::offsets, Cf::positions, Cf::commits, Cf::keys, Cf::index}) {
    const auto pairs = test::all_pairs(store_.directory(), cf);
    const auto& [key, value] = pairs[pairs.size() / 2];
    test::remove(store_.directory(), cf, key);
    const VerifyReport report = verify(store_);
    EXPECT_FALSE(report.good()) << cf_name(cf) << " key " << to_hex(key);
    test::put(store_.directory(), cf, key, value);
  }
}

TEST_F(VerifyTest, a_salt_key_deleted_to_look_like_an_erasure_is_a_finding) {
  const auto keys = test::all_pairs(store_.directory(), Cf::keys);
  test::remove(store_.directory(), Cf::keys, keys.back().first);
  const VerifyReport report = verify(store_);
  ASSERT_FALSE(report.good());
  EXPECT_EQ(report.findings[0].place, "keys");
  EXPECT_GT(report.findings[0].to_seq, report.findings[0].from_seq);
}

TEST_F(VerifyTest, a_body_deleted_to_look_like_an_erasure_is_a_finding) {
  const auto bodies = test::all_pairs(store_.directory(), Cf::raw);
  test::remove(store_.directory(), Cf::raw, bodies.back().first);
  const VerifyReport report = verify(store_);
  ASSERT_FALSE(report.good());
  EXPECT_EQ(report.findings[0].place, "raw");
}

TEST_F(VerifyTest, a_past_rewritten_consistently_is_named_between_the_two_heads_around_it) {
  const std::uint64_t first = head_of(first_heads_, main_log()).size, second = head_of(second_heads_, main_log()).size;
  test::rewrite_record(store_.directory(), main_log(), first + 10);
  const VerifyReport report = verify(store_);
  ASSERT_FALSE(report.good());
  const Finding& finding = report.findings[0];
  EXPECT_EQ(finding.log, "main");
  EXPECT_EQ(finding.from_seq, first);
  EXPECT_EQ(finding.to_seq, second);
  EXPECT_EQ(finding.from_ns, head_of(first_heads_, main_log()).time_ns);
  EXPECT_EQ(finding.to_ns, head_of(second_heads_, main_log()).time_ns);
  EXPECT_EQ(report.findings.size(), 1u) << said(report);
}

TEST_F(VerifyTest, what_is_newer_than_the_last_head_can_be_rewritten_unseen_and_is_counted_as_such) {
  const std::uint64_t covered = head_of(second_heads_, main_log()).size;
  test::rewrite_record(store_.directory(), main_log(), covered + 1);
  const VerifyReport report = verify(store_);
  EXPECT_TRUE(report.good()) << said(report);
  EXPECT_GT(report.logs[main_log()].size, report.logs[main_log()].covered);
}

TEST_F(VerifyTest, a_rewritten_past_with_all_heads_removed_is_seen_against_a_checkpoint_kept_elsewhere) {
  test::rewrite_record(store_.directory(), main_log(), 10);
  test::forget_heads(store_.directory());
  const VerifyReport blind = verify(store_, false);
  EXPECT_EQ(said(blind).find("the checkpoint kept.txt"), std::string::npos);
  const VerifyReport report = verify(store_, true, {{"kept.txt", note_of(first_heads_, main_log())}});
  ASSERT_FALSE(report.good());
  EXPECT_NE(said(report).find("the checkpoint kept.txt"), std::string::npos) << said(report);
}

TEST_F(VerifyTest, a_store_extends_its_older_checkpoints) {
  for (const auto* heads : {&first_heads_, &second_heads_})
    for (const Head& head : *heads) EXPECT_TRUE(verify(store_, true, {{"kept.txt", head.note}}).good());
}

TEST_F(VerifyTest, a_store_cut_short_is_seen_against_a_checkpoint_kept_elsewhere) {
  const std::string copy = store_.file("copy");
  std::filesystem::copy(store_.directory(), copy, std::filesystem::copy_options::recursive);
  store_.reopen();
  store_.add(30);
  const std::string newest = note_of(store_.checkpoint(), main_log());
  store_.close();
  VerifyRequest request;
  request.directory = copy;
  request.public_key = store_.key();
  request.against = {{"kept.txt", newest}};
  const auto report = verify_store(request);
  ASSERT_TRUE(report);
  ASSERT_FALSE(report->good());
  EXPECT_NE(report->findings[0].what.find("cut off"), std::string::npos);
  request.against.clear();
  const auto alone = verify_store(request);
  ASSERT_TRUE(alone);
  EXPECT_TRUE(alone->good());
}

TEST_F(VerifyTest, a_checkpoint_of_another_store_or_a_forged_one_is_refused) {
  VerifyRequest request;
  request.directory = store_.directory();
  request.against = {{"other", sign_checkpoint("tidewaiter.test/00112233445566778899aabbccddeeff/1/main", 1, Hash{}, SigningKey::random())}};
  EXPECT_FALSE(verify_store(request));
  request.against = {{"broken", "no checkpoint"}};
  EXPECT_FALSE(verify_store(request));
  const Head head = head_of(first_heads_, main_log());
  const auto checkpoint = parse_checkpoint(head.note);
  ASSERT_TRUE(checkpoint);
  request.against = {{"forged", sign_checkpoint(checkpoint->origin, head.size, Hash{}, SigningKey::random())}};
  request.public_key = store_.key();
  const auto report = verify_store(request);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->good());
}

TEST_F(VerifyTest, since_a_trusted_head_of_control_only_what_came_later_is_read_again) {
  const VerifyReport whole = verify(store_);
  const VerifyReport report = verify(store_, true, {}, {{"kept.txt", note_of(first_heads_, 0)}});
  EXPECT_STREQ(report.verdict(), "authentic") << said(report);
  EXPECT_EQ(report.logs[main_log()].read_from, head_of(first_heads_, main_log()).size);
  EXPECT_LT(report.records, whole.records / 2);
}

TEST_F(VerifyTest, since_a_trusted_head_a_change_before_it_in_the_tree_is_still_seen) {
  for (const auto& [key, value] : test::all_pairs(store_.directory(), Cf::tree)) {
    if (get_be<std::uint16_t>(key.data()) != main_log() || get_be<std::uint64_t>(key.data() + 3) != 0) continue;
    test::put(store_.directory(), Cf::tree, key, test::flipped(value, 77));
  }
  const VerifyReport report = verify(store_, true, {}, {{"kept.txt", note_of(first_heads_, main_log())}});
  ASSERT_FALSE(report.good());
  EXPECT_EQ(report.findings[0].place, "tree");
}

TEST_F(VerifyTest, one_thread_and_many_say_the_same) {
  VerifyRequest request;
  request.directory = store_.directory();
  for (const unsigned threads : {1u, 2u, 7u}) {
    request.threads = threads;
    const auto report = verify_store(request);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->good()) << said(*report);
    EXPECT_EQ(report->records, report->logs[0].size + report->logs[1].size + report->logs[4].size + report->logs[5].size + report->logs[6].size);
  }
}

TEST(Verify, a_store_without_a_head_yet_is_no_more_than_consistent_whatever_the_key) {
  SampleStore store;
  store.add(30);
  const VerifyReport report = verify(store);
  EXPECT_TRUE(report.good()) << said(report);
  EXPECT_STREQ(report.verdict(), "consistent");
}

TEST(Verify, so_is_one_that_a_crash_has_left_with_a_coverage_record_and_no_head) {
  SampleStore store;
  store.add(30);
  store.checkpoint();
  store.close();
  test::forget_heads(store.directory());
  const VerifyReport report = verify(store);
  EXPECT_TRUE(report.good()) << said(report);
  EXPECT_STREQ(report.verdict(), "consistent");
}

TEST(Verify, a_place_without_a_store_is_an_error_and_no_finding) {
  VerifyRequest request;
  request.directory = "/nonexistent/tidewaiter";
  EXPECT_FALSE(verify_store(request));
}

}  // namespace
}  // namespace tidewaiter::store
