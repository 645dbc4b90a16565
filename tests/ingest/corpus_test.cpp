// The corpus of a fuzz target, and changes to it at random, in an ordinary test. TIDEWAITER_CORPUS names the folder,
// TIDEWAITER_CORPUS_ROUNDS how many changes are tried.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#ifndef TIDEWAITER_CORPUS_ROUNDS
#define TIDEWAITER_CORPUS_ROUNDS 30'000
#endif

namespace {

void run(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

TEST(Corpus, kept_inputs_and_changes_to_them_keep_what_the_fuzz_target_promises) {
  constexpr std::string_view telling = "{}[]\",:\\0e-u\n\r*/.%@+";
  std::vector<std::string> texts;
  for (const auto& file : std::filesystem::directory_iterator(TIDEWAITER_CORPUS)) {
    std::ifstream in(file.path(), std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  ASSERT_GE(texts.size(), 6u);
  for (const std::string& text : texts) run(text);
  std::mt19937 random(5);
  for (int round = 0; round < TIDEWAITER_CORPUS_ROUNDS; ++round) {
    std::string text = texts[random() % texts.size()];
    for (auto changes = 1 + random() % 4; changes > 0 && !text.empty(); --changes) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text.erase(at, 1 + random() % 4); break;
        case 1: text[at] = static_cast<char>(random()); break;
        case 2: text.insert(at, 1, telling[random() % telling.size()]); break;
        case 3: text.insert(at, texts[random() % texts.size()].substr(0, random() % 40)); break;
      }
    }
    run(text);
  }
}

}  // namespace
