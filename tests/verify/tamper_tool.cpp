// What an intruder with write access to a closed store does, for tests of the real commands:
//   tamper_tool STORE rewrite LOG_ID SEQ | delete-body LOG_ID | delete-salt-key LOG_ID | forget-heads
#include <cstdio>
#include <cstdlib>
#include <string>

#include "store/keys.hpp"
#include "tests/verify/tamper.hpp"

namespace {

using namespace tidewaiter;

/// Removes the newest value of this log. False when it has none.
bool remove_newest(const std::string& directory, store::Cf cf, std::uint16_t log) {
  std::string newest;
  for (const auto& [key, value] : test::all_pairs(directory, cf))
    if (get_be<std::uint16_t>(key.data()) == log) newest = key;
  if (!newest.empty()) test::remove(directory, cf, newest);
  return !newest.empty();
}

bool attack(const std::string& directory, const std::string& what, int argc, char** argv) {
  const auto number = [&](int i) { return i < argc ? std::strtoull(argv[i], nullptr, 10) : 0; };
  const auto log = static_cast<std::uint16_t>(number(3));
  if (what == "rewrite" && argc == 5) return test::rewrite_record(directory, log, number(4)), true;
  if (what == "delete-body" && argc == 4) return remove_newest(directory, store::Cf::raw, log);
  if (what == "delete-salt-key" && argc == 4) return remove_newest(directory, store::Cf::keys, log);
  if (what == "forget-heads" && argc == 3) return test::forget_heads(directory), true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && attack(argv[1], argv[2], argc, argv)) return 0;
  std::fputs("tamper_tool: nothing was done\n", stderr);
  return 2;
}
