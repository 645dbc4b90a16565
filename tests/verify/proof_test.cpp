#include "store/proof_file.hpp"

#include <gtest/gtest.h>

#include "core/text.hpp"
#include "store/leaf.hpp"
#include "store/merkle.hpp"
#include "tests/query/sample_store.hpp"

namespace tidewaiter::store {
namespace {

using test::SampleStore;

class ProofTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.add(300);
    store_.checkpoint();
    store_.add(20);
    reader_ = store_.reader();
    for (const LogInfo& log : reader_->logs())
      if (log.name == "main") main_ = log.id;
    made_ = make(100);
    text_ = made_.file.text();
  }
  MadeProof make(std::uint64_t seq) {
    auto made = make_proof(*reader_, main_, seq);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? *made : MadeProof();
  }
  bool proven(const std::string& text, std::optional<std::string_view> body = std::nullopt) {
    return verify_proof(text, body, store_.key()).has_value();
  }
  /// The same proof with something in it changed.
  std::string with(const std::function<void(ProofFile&)>& change) {
    ProofFile file = made_.file;
    change(file);
    return file.text();
  }

  SampleStore store_;
  std::unique_ptr<Reader> reader_;
  std::uint16_t main_ = 0;
  MadeProof made_;
  std::string text_;
};

TEST_F(ProofTest, every_covered_record_of_every_log_is_proven_with_its_body) {
  for (const LogInfo& log : reader_->logs()) {
    const auto heads = reader_->heads(log.id);
    ASSERT_TRUE(heads);
    for (std::uint64_t seq = 0; seq < heads->back().size; seq += 7) {
      const auto made = make_proof(*reader_, log.id, seq);
      ASSERT_TRUE(made) << made.error().message;
      ASSERT_FALSE(made->not_covered);
      const auto verdict = verify_proof(made->file.text(), made->body, store_.key());
      ASSERT_TRUE(verdict) << log.name << " " << seq << ": " << verdict.error().message;
      EXPECT_TRUE(verdict->body_checked);
      EXPECT_EQ(verdict->index, seq);
      EXPECT_EQ(verdict->size, heads->back().size);
      EXPECT_TRUE(verdict->origin.ends_with("/" + log.name));
    }
  }
}

TEST_F(ProofTest, the_verdict_names_the_coordinates_of_the_message) {
  const auto verdict = verify_proof(text_, made_.body, store_.key());
  ASSERT_TRUE(verdict);
  const auto record = reader_->record(main_, 100);
  ASSERT_TRUE(record);
  EXPECT_EQ(verdict->leaf.kind, RecordKind::event);
  EXPECT_EQ(verdict->leaf.cluster, "test-cluster");
  EXPECT_EQ(verdict->leaf.topic_id, store_.origin()->topic_id);
  EXPECT_EQ(verdict->leaf.offset, record->record.offset);
}

TEST_F(ProofTest, without_the_body_the_leaf_alone_is_proven) {
  const auto verdict = verify_proof(text_, std::nullopt, store_.key());
  ASSERT_TRUE(verdict);
  EXPECT_FALSE(verdict->body_checked);
}

TEST_F(ProofTest, after_an_erasure_the_leaf_is_proven_and_a_body_is_not_believed) {
  const std::string bare = with([](ProofFile& file) { file.salt.clear(); });
  EXPECT_TRUE(proven(bare));
  EXPECT_FALSE(proven(bare, made_.body));
}

TEST_F(ProofTest, a_record_newer_than_the_newest_head_has_no_proof_yet) {
  const MadeProof made = make(reader_->size(main_) - 1);
  ASSERT_TRUE(made.not_covered);
  EXPECT_EQ(made.not_covered->covered, reader_->heads(main_)->back().size);
  EXPECT_GT(made.not_covered->head_time_ns, 0);
}

TEST_F(ProofTest, a_record_that_is_not_there_is_not_found) {
  const auto made = make_proof(*reader_, main_, 100'000);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::not_found);
}

TEST_F(ProofTest, text_and_parse_are_inverse) {
  const auto parsed = ProofFile::parse(text_);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->text(), text_);
}

TEST_F(ProofTest, a_turned_bit_anywhere_in_the_file_is_refused) {
  for (std::size_t i = 0; i < text_.size(); ++i)
    for (const int bit : {0, 3, 5}) {
      std::string forged = text_;
      forged[i] = static_cast<char>(forged[i] ^ 1 << bit);
      EXPECT_FALSE(proven(forged, made_.body)) << "byte " << i << " bit " << bit;
    }
}

TEST_F(ProofTest, a_turned_bit_in_the_body_is_refused) {
  for (std::size_t i = 0; i < made_.body.size(); ++i) {
    std::string forged = made_.body;
    forged[i] = static_cast<char>(forged[i] ^ 4);
    EXPECT_FALSE(proven(text_, forged));
  }
  EXPECT_FALSE(proven(text_, made_.body + "x"));
  EXPECT_FALSE(proven(text_, ""));
}

TEST_F(ProofTest, missing_additional_and_exchanged_hashes_are_refused) {
  EXPECT_FALSE(proven(with([](ProofFile& file) { file.path.pop_back(); })));
  EXPECT_FALSE(proven(with([](ProofFile& file) { file.path.push_back(file.path.back()); })));
  EXPECT_FALSE(proven(with([](ProofFile& file) { std::swap(file.path[0], file.path[1]); })));
  EXPECT_FALSE(proven(with([](ProofFile& file) { file.path.clear(); })));
}

TEST_F(ProofTest, another_index_and_another_records_leaf_are_refused) {
  EXPECT_FALSE(proven(with([](ProofFile& file) { file.index = 101; })));
  EXPECT_FALSE(proven(with([](ProofFile& file) { file.index = ~std::uint64_t{0}; })));
  const MadeProof other = make(101);
  EXPECT_FALSE(proven(with([&](ProofFile& file) { file.leaf = other.file.leaf; })));
  EXPECT_FALSE(proven(with([&](ProofFile& file) { file.path = other.file.path; })));
  EXPECT_FALSE(proven(with([&](ProofFile& file) { file.salt = other.file.salt; }), made_.body));
  EXPECT_FALSE(proven(text_, other.body));
}

TEST_F(ProofTest, an_inner_node_passed_off_as_a_leaf_is_refused) {
  Sha256 sha;
  const MadeProof sibling = make(101);
  const std::string node = std::string(as_view(leaf_hash(sha, made_.file.leaf))) + std::string(as_view(leaf_hash(sha, sibling.file.leaf)));
  EXPECT_FALSE(proven(with([&](ProofFile& file) {
    file.leaf = node;
    file.index = 50;
    file.path.erase(file.path.begin());
  })));
}

TEST_F(ProofTest, sizes_in_another_spelling_or_another_size_are_refused) {
  const std::uint64_t size = reader_->heads(main_)->back().size;
  const auto with_size = [&](const std::string& word) {
    return with([&](ProofFile& file) {
      const std::string plain = "\n" + std::to_string(size) + "\n";
      file.checkpoint.replace(file.checkpoint.find(plain), plain.size(), "\n" + word + "\n");
    });
  };
  EXPECT_TRUE(proven(with_size(std::to_string(size))));
  for (const std::string& word : {"0" + std::to_string(size), "+" + std::to_string(size), std::to_string(size) + " ",
                                  std::to_string(size + 1), std::to_string(size - 1), std::string("0x10"), std::string()})
    EXPECT_FALSE(proven(with_size(word))) << word;
}

TEST_F(ProofTest, an_index_in_another_spelling_is_refused) {
  for (const char* word : {"0100", "+100", "100 ", " 100", "1e2", "", "18446744073709551716"}) {
    std::string forged = text_;
    forged.replace(forged.find("index 100\n"), 10, "index " + std::string(word) + "\n");
    EXPECT_FALSE(proven(forged)) << word;
  }
}

TEST_F(ProofTest, carriage_returns_and_lines_added_or_taken_away_are_refused) {
  std::string crlf;
  for (const char c : text_) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_FALSE(proven(crlf));
  EXPECT_FALSE(proven(text_ + "\n"));
  EXPECT_FALSE(proven(text_ + "x"));
  EXPECT_FALSE(proven("\n" + text_));
  EXPECT_FALSE(proven(text_.substr(0, text_.size() - 1)));
  for (std::size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
    std::string doubled = text_, cut = text_.substr(0, at);
    doubled.insert(at, 1, '\n');
    EXPECT_FALSE(proven(doubled)) << at;
    EXPECT_FALSE(proven(cut)) << at;
  }
}

TEST_F(ProofTest, base64_with_stray_bits_is_refused) {
  std::string forged = text_;
  // 32 bytes end in one '=': the last character before it has two bits that mean nothing.
  const std::size_t end = forged.find("=\n", forged.find("index"));
  ASSERT_NE(end, std::string::npos);
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t digit = alphabet.find(forged[end - 1]);
  ASSERT_EQ(digit % 4, 0u);
  forged[end - 1] = alphabet[digit + 1];
  EXPECT_FALSE(proven(forged));
}

TEST_F(ProofTest, a_foreign_origin_a_foreign_key_and_a_missing_signature_are_refused) {
  const auto checkpoint = parse_checkpoint(made_.file.checkpoint);
  ASSERT_TRUE(checkpoint);
  const SigningKey stranger = SigningKey::random();
  const auto own = SigningKey::load(store_.file("key.pem"));
  ASSERT_TRUE(own);
  const auto resigned = [&](const std::string& origin, const SigningKey& key) {
    return with([&](ProofFile& file) { file.checkpoint = sign_checkpoint(origin, checkpoint->size, checkpoint->root, key); });
  };
  EXPECT_TRUE(proven(resigned(checkpoint->origin, *own)));
  EXPECT_FALSE(proven(resigned(checkpoint->origin, stranger)));  // the same name, another key
  EXPECT_FALSE(proven(resigned("somebody.else/log", *own)));
  EXPECT_FALSE(proven(resigned("tidewaiter.testing/log", *own)));  // only looks like ours
  EXPECT_FALSE(proven(with([&](ProofFile& file) { file.checkpoint = checkpoint->text; })));
}

TEST_F(ProofTest, a_witness_alone_does_not_stand_in_for_the_log) {
  const auto checkpoint = parse_checkpoint(made_.file.checkpoint);
  ASSERT_TRUE(checkpoint);
  const std::string witness = "\xe2\x80\x94 witness.example " + to_base64(std::string(76, 'w')) + "\n";
  EXPECT_FALSE(proven(with([&](ProofFile& file) { file.checkpoint = checkpoint->text + "\n" + witness; })));
  EXPECT_TRUE(proven(with([&](ProofFile& file) { file.checkpoint += witness; })));  // beside the log's it does no harm
}

TEST_F(ProofTest, a_checkpoint_of_another_log_of_the_same_store_is_refused) {
  for (const LogInfo& log : reader_->logs()) {
    if (log.id == main_) continue;
    const std::string note = reader_->heads(log.id)->back().note;
    EXPECT_FALSE(proven(with([&](ProofFile& file) { file.checkpoint = note; }))) << log.name;
  }
}

TEST_F(ProofTest, a_key_that_names_one_log_vouches_for_no_other) {
  const auto checkpoint = parse_checkpoint(made_.file.checkpoint);
  ASSERT_TRUE(checkpoint);
  TrustedKey key = store_.key();
  key.name = checkpoint->origin;
  EXPECT_TRUE(verify_proof(text_, made_.body, key));
  key.name = checkpoint->origin + "x";
  EXPECT_FALSE(verify_proof(text_, made_.body, key));
  key.name.clear();
  EXPECT_TRUE(verify_proof(text_, made_.body, key));
}

TEST_F(ProofTest, files_that_are_no_proofs_are_refused_with_a_reason) {
  for (const std::string& text : {std::string(), std::string("\n\n\n\n"), std::string(2u << 20, 'a'), text_.substr(5),
                                  std::string("c2sp.org/tlog-proof@v2\n") + text_.substr(text_.find('\n') + 1)}) {
    const auto verdict = verify_proof(text, std::nullopt, store_.key());
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, Code::invalid_argument);
    EXPECT_FALSE(verdict.error().message.empty());
  }
}

}  // namespace
}  // namespace tidewaiter::store
