// The corpus of the fuzz target and changes to it at random, in an ordinary test.
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

std::vector<std::string> corpus() {
  std::vector<std::string> texts;
  for (const auto& file : std::filesystem::directory_iterator("tests/fuzz/filter_corpus")) {
    std::ifstream in(file.path(), std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

void run(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

TEST(FilterCorpus, every_kept_input_is_answered) {
  const auto texts = corpus();
  ASSERT_GE(texts.size(), 15u);
  for (const std::string& text : texts) run(text);
}

TEST(FilterCorpus, spliced_and_changed_inputs_are_answered) {
  const auto texts = corpus();
  std::mt19937 random(7);
  auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  for (int round = 0; round < 20'000; ++round) {
    std::string text = texts[below(texts.size())];
    const std::string& other = texts[below(texts.size())];
    text = text.substr(0, below(text.size() + 1)) + other.substr(below(other.size() + 1));
    for (std::size_t flips = below(4); flips > 0 && !text.empty(); --flips)
      text[below(text.size())] = static_cast<char>(below(2) ? random() : "()=<>!~&|,\"'\\ *?/.-"[below(19)]);
    run(text);
  }
}

}  // namespace
