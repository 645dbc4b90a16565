#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/text.hpp"
#include "store/head_files.hpp"
#include "store/log.hpp"
#include "store/merkle.hpp"
#include "store/note.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

#define ASSERT_OK(result) ASSERT_TRUE(result) << (result).error().message

std::string read(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

TEST(Note, a_signed_checkpoint_parses_and_verifies_and_any_flipped_byte_is_refused) {
  const SigningKey key = SigningKey::random();
  const std::string note = sign_checkpoint("tide.example/store/1/control", 42, sha256("root"), key);
  auto parsed = parse_checkpoint(note);
  ASSERT_OK(parsed);
  EXPECT_EQ(parsed->size, 42u);
  EXPECT_EQ(parsed->root, sha256("root"));
  EXPECT_TRUE(verify_checkpoint(*parsed, key.public_key()).value_or(false));
  EXPECT_FALSE(verify_checkpoint(*parsed, SigningKey::random().public_key()).value_or(true));
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string bad = note;
    bad[i] ^= 1;
    auto wrong = parse_checkpoint(bad);
    if (!wrong) continue;
    EXPECT_FALSE(verify_checkpoint(*wrong, key.public_key()).value_or(false)) << "byte " << i;
  }
}

TEST(Note, what_a_verifier_must_refuse_is_refused) {
  const std::string root = to_base64(as_view(sha256("x")));
  EXPECT_TRUE(parse_checkpoint("o\n0\n" + root + "\n"));
  EXPECT_FALSE(parse_checkpoint("o\n01\n" + root + "\n"));
  EXPECT_FALSE(parse_checkpoint("o\n+1\n" + root + "\n"));
  EXPECT_FALSE(parse_checkpoint("o\n-1\n" + root + "\n"));
  EXPECT_FALSE(parse_checkpoint("o\r\n1\n" + root + "\n"));
  EXPECT_FALSE(parse_checkpoint("o\n1\n" + root));
  EXPECT_FALSE(parse_checkpoint("o\n1\n" + root.substr(1) + "\n"));
  std::string stray = root;
  stray[42] = static_cast<char>(stray[42] + 1);  // the last digit of 32 bytes has two bits that must be 0
  EXPECT_FALSE(parse_checkpoint("o\n1\n" + stray + "\n"));
  EXPECT_FALSE(parse_checkpoint("o\n1\n" + root + "\n\n"));
  EXPECT_FALSE(parse_checkpoint("o\n1\n" + root + "\n\n- o " + root + "\n"));
}

TEST(Note, a_vkey_comes_back_and_a_wrong_key_id_is_refused) {
  const SigningKey key = SigningKey::random();
  const std::string text = encode_vkey("log.example/a", key.public_key());
  auto vkey = decode_vkey(text);
  ASSERT_OK(vkey);
  EXPECT_EQ(vkey->name, "log.example/a");
  EXPECT_EQ(vkey->key, key.public_key());
  EXPECT_FALSE(decode_vkey("log.example/b" + text.substr(text.find('+'))));
}

TEST(Note, a_signature_that_another_implementation_made_verifies) {
  // The example of golang.org/x/mod/sumdb/note.
  auto vkey = decode_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  ASSERT_OK(vkey);
  EXPECT_EQ(key_id(vkey->name, vkey->key), 0xc74f20a3u);
  const std::string text =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const auto bytes = from_base64(
      "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=");
  ASSERT_TRUE(bytes);
  ASSERT_EQ(bytes->size(), 68u);
  Signature signature;
  std::copy(bytes->begin() + 4, bytes->end(), signature.begin());
  EXPECT_TRUE(verify_signature(vkey->key, text, signature));
  EXPECT_FALSE(verify_signature(vkey->key, text + "!", signature));
}

TEST(Note, a_key_file_is_made_once_loaded_again_and_private) {
  TemporaryDirectory directory;
  const std::string file = directory / "key.pem";
  auto made = SigningKey::generate(file);
  ASSERT_OK(made);
  auto loaded = SigningKey::load(file);
  ASSERT_OK(loaded);
  EXPECT_EQ(loaded->public_key(), made->public_key());
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(SigningKey::generate(file).error().code, Code::already_exists);
  EXPECT_EQ(SigningKey::load(directory / "none.pem").error().code, Code::not_found);
  std::ofstream(directory / "public.pem") << public_key_pem(made->public_key());
  EXPECT_EQ(load_public_key(directory / "public.pem").value(), made->public_key());
  std::ofstream(directory / "vkey") << encode_vkey("a.b/c", made->public_key()) << "\n";
  EXPECT_EQ(load_public_key(directory / "vkey").value(), made->public_key());
}

class Checkpoints : public ::testing::Test {
 protected:
  void SetUp() override {
    options_ = options(directory_);
    options_.signing_key_file = directory_ / "key.pem";
    options_.head_file = directory_ / "heads.json";
    key_ = SigningKey::generate(options_.signing_key_file)->public_key();
    log_ = open(options_, metrics_);
  }
  void reopen() {
    log_.reset();
    log_ = open(options_, metrics_);
  }
  TemporaryDirectory directory_;
  Metrics metrics_;
  Options options_;
  PublicKey key_{};
  std::unique_ptr<Log> log_;
};

TEST_F(Checkpoints, heads_are_signed_at_the_sizes_that_the_coverage_record_names) {
  ASSERT_OK(log_->commit(offsets(0, 300), {}, {}, {}));
  auto heads = log_->publish_checkpoint();
  ASSERT_OK(heads);
  ASSERT_EQ(heads->size(), log_->logs().size());
  EXPECT_EQ(heads->back().log, 0);
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  auto commit = (*reader)->commit((*reader)->last_commit(), false);
  ASSERT_OK(commit);
  ASSERT_EQ((*commit)->records.size(), 1u);
  const auto coverage = nlohmann::json::parse((*commit)->records[0].value);
  EXPECT_EQ(coverage["type"], "coverage");
  EXPECT_EQ(coverage["partitions"][0]["held"], nlohmann::json::parse("[[0,300]]"));
  for (const Head& head : *heads) {
    const std::string& name = log_->logs()[head.log].name;
    auto parsed = parse_checkpoint(head.note);
    ASSERT_OK(parsed);
    EXPECT_TRUE(verify_checkpoint(*parsed, key_).value_or(false));
    EXPECT_EQ(parsed->origin, "tidewaiter.local/" + log_->store_id() + "/1/" + name);
    EXPECT_EQ(parsed->size, (*reader)->size(head.log));
    EXPECT_EQ(parsed->root, (*reader)->root(head.log, head.size).value());
    EXPECT_EQ(read(checkpoint_file(options_.directory, name)), head.note);
    for (const auto& named : coverage["logs"])
      if (named["log"] == name) {
        EXPECT_EQ(named["size"], head.size);
        EXPECT_EQ(named["root"], to_hex(as_view(head.root)));
      }
  }
  EXPECT_EQ(coverage["control_before"]["size"], heads->back().size - 1);
  EXPECT_EQ(find_notes(options_.directory, options_.head_file)->size(), 2 * heads->size());
}

TEST_F(Checkpoints, nothing_new_gives_the_same_heads_also_after_a_restart) {
  ASSERT_OK(log_->commit(offsets(0, 10), {}, {}, {}));
  auto first = log_->publish_checkpoint();
  ASSERT_OK(first);
  const std::uint64_t commits = log_->last_commit();
  auto second = log_->publish_checkpoint();
  ASSERT_OK(second);
  EXPECT_EQ(second->back().note, first->back().note);
  reopen();
  auto third = log_->publish_checkpoint();
  ASSERT_OK(third);
  EXPECT_EQ(third->back().note, first->back().note);
  EXPECT_EQ(log_->last_commit(), commits);
}

TEST_F(Checkpoints, head_files_that_a_crash_left_out_are_written_by_the_next_publication) {
  ASSERT_OK(log_->commit(offsets(0, 10), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  log_.reset();
  std::filesystem::remove_all(options_.directory + "/checkpoint");
  std::filesystem::remove(options_.head_file);
  log_ = open(options_, metrics_);
  auto heads = log_->publish_checkpoint();
  ASSERT_OK(heads);
  EXPECT_EQ(find_notes(options_.directory, options_.head_file)->size(), 2 * heads->size());
}

TEST_F(Checkpoints, head_files_that_a_crash_left_out_are_there_once_the_store_is_open) {
  ASSERT_OK(log_->commit(offsets(0, 10), {}, {}, {}));
  const auto older = log_->publish_checkpoint();
  ASSERT_OK(older);
  ASSERT_OK(log_->commit(offsets(10, 20), {}, {}, {}));
  const std::string outside = read(options_.head_file);
  const auto heads = log_->publish_checkpoint();
  ASSERT_OK(heads);
  log_.reset();
  std::ofstream(options_.head_file) << outside;  // it died before the last rename
  PublishedHeads published(options_.directory, options_.head_file);
  EXPECT_TRUE(published.holds(older->back().note));
  EXPECT_FALSE(published.holds(heads->back().note)) << "one of two places is not enough";
  log_ = open(options_, metrics_);
  EXPECT_TRUE(published.holds(heads->back().note));
  EXPECT_TRUE(published.holds(older->back().note)) << "an older one is as public as a newer one";
  EXPECT_FALSE(published.holds("no head"));
}

TEST_F(Checkpoints, a_commit_of_a_coverage_record_carries_the_head_over_it_and_no_other_does) {
  ASSERT_OK(log_->commit(offsets(0, 10), {}, {}, {}));
  const auto first = log_->publish_checkpoint();
  ASSERT_OK(first);
  const std::uint64_t covered = log_->last_commit();
  ASSERT_OK(log_->commit(offsets(10, 20), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  const auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  for (std::uint64_t number = 1; number <= log_->last_commit(); ++number) {
    const auto commit = (*reader)->commit(number, false);
    ASSERT_OK(commit);
    const bool coverage = number == covered || number == log_->last_commit();
    EXPECT_EQ((*commit)->head.empty(), !coverage) << number;
  }
  EXPECT_EQ((*(*reader)->commit(covered, false))->head, first->back().note);
}

TEST_F(Checkpoints, an_accepted_loss_is_a_gap_in_the_very_commit_that_begins_the_generation) {
  ASSERT_OK(log_->commit(offsets(0, 10), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  const Position end = log_->positions().front();
  const Origin* origin = intern_origin(end.cluster, end.topic_id, end.topic);
  const std::string store_id = log_->store_id();
  const auto heads = log_->newest_heads();
  log_.reset();
  const SigningKey key = *SigningKey::load(options_.signing_key_file);
  const Checkpoint last = *parse_checkpoint(heads.back().note);
  const std::string newer = sign_checkpoint(last.origin, last.size + 5, sha256("newer"), key);
  options_.known_heads = {{"elsewhere", newer}};
  options_.known_offsets = {{store_id, origin, end.partition, 25}, {"another store", origin, end.partition, 99},
                            {store_id, origin, end.partition + 1, 7}};
  options_.recover = Recover::accept_loss;
  log_ = open(options_, metrics_);
  EXPECT_TRUE(log_->has_recovered() && log_->generation_is_unpublished());
  const std::uint64_t begun = log_->last_commit();
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  const auto commit = (*reader)->commit(begun, true);
  ASSERT_OK(commit);
  const auto begins = [](const Record& r) { return r.value.find("\"type\":\"generation\"") != std::string_view::npos; };
  EXPECT_TRUE(std::any_of((*commit)->records.begin(), (*commit)->records.end(), begins));
  const auto coverage = (*reader)->coverage();
  ASSERT_OK(coverage);
  ASSERT_EQ(coverage->size(), 2u);
  EXPECT_EQ((*coverage)[0].gaps.size(), 1u);
  EXPECT_EQ((*coverage)[0].gaps[0].from, 10u);
  EXPECT_EQ((*coverage)[0].gaps[0].to, 25u);
  EXPECT_EQ((*coverage)[0].gaps[0].reason, "accepted loss");
  EXPECT_EQ((*coverage)[1].gaps[0].to, 7u);
  // Closed before a head is published, as by a kill: nothing is begun again.
  reader->reset();
  log_.reset();
  log_ = open(options_, metrics_);
  EXPECT_EQ(log_->last_commit(), begun);
  EXPECT_TRUE(!log_->has_recovered() && log_->generation_is_unpublished());
  ASSERT_OK(log_->publish_checkpoint());
  EXPECT_FALSE(log_->generation_is_unpublished());
}

TEST_F(Checkpoints, every_record_has_an_inclusion_proof_under_every_kept_head) {
  ASSERT_OK(log_->commit(offsets(0, 700), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  ASSERT_OK(log_->commit(offsets(700, 1000), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  auto heads = (*reader)->heads(5);
  ASSERT_OK(heads);
  ASSERT_EQ(heads->size(), 2u);
  Sha256 sha;
  for (const Head& head : *heads)
    for (std::uint64_t seq = 0; seq < head.size; seq += 97) {
      auto leaf = (*reader)->leaf(5, seq);
      ASSERT_OK(leaf);
      auto path = (*reader)->inclusion_path(5, seq, head.size);
      ASSERT_OK(path);
      EXPECT_TRUE(verify_inclusion(leaf_hash(sha, *leaf), seq, head.size, *path, head.root));
    }
  auto proof = (*reader)->consistency_path(5, (*heads)[0].size, (*heads)[1].size);
  ASSERT_OK(proof);
  EXPECT_TRUE(verify_consistency((*heads)[0].size, (*heads)[0].root, (*heads)[1].size, (*heads)[1].root, *proof));
}

TEST_F(Checkpoints, a_leaf_binds_the_coordinates_and_the_salted_body) {
  ASSERT_OK(log_->commit(offsets(41, 44, 2), {}, {}, {}));
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  auto record = (*reader)->record(5, 1);
  ASSERT_OK(record);
  auto salt = (*reader)->salt(5, 1);
  ASSERT_OK(salt);
  const Hash commitment = sha256(*salt + std::string(record->record.body));
  const std::string expected = std::string("\x01\x01\x09", 3) + "cluster-a" + std::string(15, '\0') + "\x01" +
                               std::string("\0\0\0\x02", 4) + std::string("\0\0\0\0\0\0\0\x2a", 8) +
                               std::string(as_view(commitment));
  EXPECT_EQ(to_hex((*reader)->leaf(5, 1).value()), to_hex(expected));
}

TEST_F(Checkpoints, a_store_that_lost_its_newest_part_stops_and_goes_on_as_a_new_generation) {
  ASSERT_OK(log_->commit(offsets(0, 100), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  log_.reset();
  std::filesystem::copy(options_.directory, directory_ / "copy", std::filesystem::copy_options::recursive);
  log_ = open(options_, metrics_);
  ASSERT_OK(log_->commit(offsets(100, 200), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  log_.reset();
  std::filesystem::remove_all(options_.directory);
  std::filesystem::rename(directory_ / "copy", options_.directory);  // the head file outside is newer

  auto refused = Log::open(options_, metrics_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::conflict);
  EXPECT_NE(refused.error().message.find("--reread"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("--accept-loss"), std::string::npos);

  options_.recover = Recover::reread;
  log_ = open(options_, metrics_);
  EXPECT_EQ(log_->generation(), 2u);
  EXPECT_EQ(log_->positions()[0].next_offset, 100u);
  ASSERT_OK(log_->commit(offsets(100, 200), {}, {}, {}));
  auto heads = log_->publish_checkpoint();
  ASSERT_OK(heads);
  EXPECT_NE(heads->back().note.find("/2/control\n"), std::string::npos);
  options_.recover = Recover::none;
  reopen();
  EXPECT_EQ(log_->generation(), 2u);
}

TEST_F(Checkpoints, a_store_with_another_past_than_its_head_is_refused) {
  ASSERT_OK(log_->commit(offsets(0, 100), {}, {}, {}));
  ASSERT_OK(log_->publish_checkpoint());
  log_.reset();
  const std::string file = checkpoint_file(options_.directory, "agent-high");
  const SigningKey key = *SigningKey::load(options_.signing_key_file);
  const auto real = *parse_checkpoint(read(file));
  std::ofstream(file) << sign_checkpoint(real.origin, real.size - 1, sha256("another past"), key);
  auto refused = Log::open(options_, metrics_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::conflict);
  EXPECT_NE(refused.error().message.find("another root"), std::string::npos) << refused.error().message;
}

TEST_F(Checkpoints, a_new_generation_uses_new_salt_keys_and_old_records_stay_provable) {
  ASSERT_OK(log_->commit(offsets(0, 50), {}, {}, {}));
  auto before = Reader::open(*log_);
  const std::string leaf = (*before)->leaf(5, 10).value();
  before->reset();
  ASSERT_OK(log_->publish_checkpoint());
  log_.reset();
  const std::string file = checkpoint_file(options_.directory, "agent-high");
  const SigningKey key = *SigningKey::load(options_.signing_key_file);
  const std::string origin = parse_checkpoint(read(file))->origin;
  std::ofstream(file) << sign_checkpoint(origin, 1000, sha256("x"), key);
  options_.recover = Recover::accept_loss;
  log_ = open(options_, metrics_);
  ASSERT_OK(log_->commit(offsets(50, 60), {}, {}, {}));
  auto reader = Reader::open(*log_);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->leaf(5, 10).value(), leaf);
  EXPECT_EQ((*reader)->root(5, 60).value(), (*reader)->root(5, (*reader)->size(5)).value());
  auto path = (*reader)->inclusion_path(5, 55, 60);
  ASSERT_OK(path);
  Sha256 sha;
  EXPECT_TRUE(verify_inclusion(leaf_hash(sha, (*reader)->leaf(5, 55).value()), 55, 60, *path,
                               (*reader)->root(5, 60).value()));
}

TEST(UnsignedStore, publishes_bare_texts) {
  TemporaryDirectory directory;
  Metrics metrics;
  auto log = open(options(directory), metrics);
  auto heads = log->publish_checkpoint();
  ASSERT_OK(heads);
  auto parsed = parse_checkpoint(heads->back().note);
  ASSERT_OK(parsed);
  EXPECT_TRUE(parsed->signatures.empty());
  log.reset();
  ASSERT_OK(Log::open(options(directory), metrics));
}

}  // namespace
}  // namespace tidewaiter::store
