// Any bytes as a filter: compile() answers with a filter or a message, and a filter's canonical text means the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.hpp"
#include "core/text.hpp"
#include "filter/filter.hpp"

namespace {

using namespace tidewaiter;

/// One event with every column set.
Event full_event() {
  Event event;
  for (std::size_t i = 0; i < str_count; ++i) event.set(static_cast<Str>(i), i % 2 ? "crm read" : "api.example.com");
  for (std::size_t i = 0; i < num_count; ++i) event.set(static_cast<Num>(i), i % 4);
  for (std::size_t i = 0; i < addr_count; ++i) event.set(static_cast<Addr>(i), *parse_ip("10.1.2.3"));
  return event;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t now_ns = 1'772'600'000'000'000'000;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = filter::Filter::compile(text, now_ns);
  if (!filter) {
    CHECK(!filter.error().message.empty());
    return 0;
  }
  const auto again = filter::Filter::compile(filter->canonical(), now_ns + 1);
  CHECK(again.has_value());
  CHECK(again->canonical() == filter->canonical());
  for (const Event& event : {Event(), full_event()}) {
    const bool verdict = filter->matches(event);
    CHECK(again->matches(event) == verdict);
    filter::Summary summary = filter::Summary::empty();
    summary.add(event);
    CHECK(!verdict || (filter->may_match(summary) && filter->may_match(filter::Summary::unknown())));
    const auto [first, last] = filter->time_range();
    CHECK(!verdict || !event.has(Num::time) || (first <= event.time_ns() && event.time_ns() <= last));
  }
  return 0;
}
