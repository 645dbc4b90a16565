// The corpus of the tables' fuzz target, and changes to it at random, in an ordinary test.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

TEST(TableCorpus, kept_inputs_and_changes_to_them_keep_the_promises_of_tables) {
  std::vector<std::string> texts;
  for (const auto& file : std::filesystem::directory_iterator("tests/fuzz/table_corpus")) {
    std::ifstream in(file.path(), std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  ASSERT_GE(texts.size(), 14u);
  for (const std::string& text : texts) run(text);
  std::mt19937 random(11);
  for (int round = 0; round < 30'000; ++round) {
    std::string text = texts[random() % texts.size()];
    for (auto changes = 1 + random() % 3; changes > 0 && text.size() > 1; --changes) {
      const std::size_t at = 1 + random() % (text.size() - 1);
      switch (random() % 4) {
        case 0: text.erase(at, 1 + random() % 4); break;
        case 1: text[at] = static_cast<char>(random()); break;
        case 2: text.insert(at, 1, ",\"\n\r*/.:[]{}"[random() % 12]); break;
        case 3: text.insert(at, texts[random() % texts.size()].substr(1, random() % 40)); break;
      }
    }
    run(text);
  }
}

}  // namespace
