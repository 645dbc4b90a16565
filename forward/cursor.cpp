#include "forward/cursor.hpp"

#include <cstdio>

#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::forward {
namespace {

std::string checked(const std::string& numbers, std::string_view connector) {
  const Hash hash = sha256(numbers + " " + std::string(connector));
  return numbers + " " + to_hex(as_view(hash).substr(0, 4));
}

}  // namespace

std::string write_cursor(const Place& place, const Sampling& sampling, std::string_view connector) {
  const std::string& rates = sampling.text();
  return checked((rates.empty() ? "v1 " : "v2 ") + std::to_string(place.commit) + " " + std::to_string(place.record) + " " +
                     std::to_string(place.sub) + (rates.empty() ? "" : " " + rates),
                 connector);
}

Result<Cursor> read_cursor(std::string_view text, std::string_view connector) {
  unsigned long long commit = 0;
  unsigned version = 0;
  int end = 0;
  Cursor cursor;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "v%u %llu %u %u %n", &version, &commit, &cursor.place.record, &cursor.place.sub, &end) == 4) {
    cursor.place.commit = commit;
    const std::string rest = copy.substr(static_cast<std::size_t>(end));
    auto sampling = version == 2 ? Sampling::parse(rest.substr(0, rest.find(' '))) : Sampling();
    if (sampling) cursor.sampling = std::move(*sampling);
    // Written anew it must be the same text: this checks the checksum and the spelling at once.
    if (sampling && write_cursor(cursor.place, cursor.sampling, connector) == copy) return cursor;
  }
  return fail(Code::corruption, "the cursor of connector '" + std::string(connector) + "' is damaged: '" + copy + "'");
}

}  // namespace tidewaiter::forward
