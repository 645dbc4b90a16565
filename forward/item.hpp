// Item: one alert or event on its way to a receiver, encoded once; the same bytes go out on every attempt.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace tidewaiter::forward {

/// Where in the stream of commits an item stands. The natural order of records and events, not of the selection:
/// a cursor means the same under another filter.
struct Place {
  std::uint64_t commit = 1;
  std::uint32_t record = 0;
  std::uint32_t sub = 0;
  auto operator<=>(const Place&) const = default;
};

struct Item {
  Place place;
  std::string uid;                   // of the event, or "UID.REVISION" of an alert: one per item, for ever
  std::string bytes;                 // as the sink encoded it
  std::int64_t commit_time_ns = 0;   // when the store wrote it
  std::string log;                   // where it can be found again
  std::uint64_t seq = 0;
  std::uint32_t sub = 0;
};

}  // namespace tidewaiter::forward
