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

std::string write_cursor(const Place& place, std::string_view connector) {
  return checked("v1 " + std::to_string(place.commit) + " " + std::to_string(place.record) + " " +
                     std::to_string(place.sub),
                 connector);
}

Result<Place> read_cursor(std::string_view text, std::string_view connector) {
  unsigned long long commit = 0;
  Place place;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "v1 %llu %u %u ", &commit, &place.record, &place.sub) == 3) {
    place.commit = commit;
    // Written anew it must be the same text: this checks the checksum and the spelling at once.
    if (write_cursor(place, connector) == copy) return place;
  }
  return fail(Code::corruption, "the cursor of connector '" + std::string(connector) + "' is damaged: '" + copy + "'");
}

}  // namespace tidewaiter::forward
