// A message of a format: the parser in strict mode and the reference reader must say the same of it. The first line
// names the format and the headers (tests/ingest/differential.hpp), the rest is the message.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "tests/ingest/differential.hpp"
#include "tests/ingest/mutator.hpp"

namespace {

using namespace tidewaiter::ingest::testing;

constexpr std::size_t message_bytes_max = 1 << 14;

Differential& both() {
  static Differential differential;
  return differential;
}

/// The messages of the formats' tests: what a mutation may begin anew with.
const std::vector<std::string>& examples() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> texts;
    for (const std::string& format : both().formats())
      for (const Message& message : example_messages(TIDEWAITER_FORMAT_TESTS, format))
        if (message.value.size() < message_bytes_max) texts.push_back(Differential::written(format, message));
    return texts;
  }();
  return all;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

/// Mostly changes to the tree, sometimes libFuzzer's own to the bytes.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  std::mt19937_64 random(seed);
  if (random() % 8 == 0 && size > 2) return LLVMFuzzerMutate(data, size, size_max);
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size < 8 || random() % 16 == 0) text = examples()[random() % examples().size()];
  Message message;
  const std::string format = both().read(text, message);
  message.value = Mutator(random()).change(message.value);
  const std::string made = Differential::written(format, message);
  if (made.size() > size_max) return size;
  std::memcpy(data, made.data(), made.size());
  return made.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 2 * message_bytes_max) return 0;
  Message message;
  const std::string format = both().read({reinterpret_cast<const char*>(data), size}, message);
  const std::string difference = both().difference(format, message);
  if (difference.empty()) return 0;
  std::fprintf(stderr, "%s\n%s\n", difference.c_str(), Differential::written(format, message).c_str());
  std::abort();
}
