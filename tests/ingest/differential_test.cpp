// The parser in strict mode and the reference reader say the same of every message of the formats' tests, of what is
// kept in tests/fuzz/mapping_corpus, and of thousands of changes to them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/ingest/differential.hpp"
#include "tests/ingest/mutator.hpp"

namespace tidewaiter::ingest::testing {
namespace {

int rounds() {
  const char* wanted = std::getenv("TIDEWAITER_DIFFERENTIAL_ROUNDS");
  return wanted == nullptr ? 40 : std::atoi(wanted);
}

std::string kept(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Differential, every_message_of_the_formats_tests_and_changes_to_it_are_read_alike) {
  Differential both;
  Mutator mutator(20'260'528);
  int differences = 0;
  for (const std::string& format : both.formats()) {
    const auto messages = example_messages(TIDEWAITER_FORMAT_TESTS, format);
    EXPECT_FALSE(messages.empty()) << format;
    for (const Message& message : messages) {
      EXPECT_EQ(both.difference(format, message), "") << message.value;
      for (int round = 0; round < rounds(); ++round) {
        const Message changed{mutator.change(message.value), message.headers};
        const std::string difference = both.difference(format, changed);
        if (difference.empty()) continue;
        ADD_FAILURE() << difference << "\n" << Differential::written(format, changed);
        if (++differences == 20) return;
      }
    }
  }
  // The changes reach what they are for.
  const auto least = static_cast<std::uint64_t>(rounds());
  const Differential::Seen& seen = both.seen();
  EXPECT_GT(seen.events, least * 100);
  EXPECT_GT(seen.unmapped, least * 10);
  EXPECT_GT(seen.rejects, least * 10);
  EXPECT_GT(seen.duplicate_keys, least * 5);
  EXPECT_GT(seen.replaced, least);
  EXPECT_GT(seen.several_events, least * 10);
}

TEST(Differential, kept_inputs_are_read_alike) {
  Differential both;
  int count = 0;
  for (const auto& file : std::filesystem::directory_iterator("tests/fuzz/mapping_corpus")) {
    Message message;
    const std::string format = both.read(kept(file.path()), message);
    EXPECT_EQ(both.difference(format, message), "") << file.path();
    ++count;
  }
  EXPECT_GE(count, 10);
}

TEST(Differential, the_reference_reader_reads_a_mapping_of_its_own) {
  ReferenceMapping mapping(R"({"format":"x","number":9,"version":1,"detect":{"any":[["k"]]},"fields":{"app":"k"}})");
  EXPECT_EQ(mapping.read({R"({"k":"v"})", {}}, 0).events.at(0).at("app"), "v");
  EXPECT_EQ(mapping.read({R"({"j":"v"})", {}}, 0).kind, Reading::Kind::unmapped);
  EXPECT_EQ(mapping.read({R"({"k":"v")", {}}, 0).kind, Reading::Kind::reject);
}

}  // namespace
}  // namespace tidewaiter::ingest::testing
