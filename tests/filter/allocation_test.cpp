// matches() and may_match() are called per event and per block: they allocate nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "filter/filter.hpp"
#include "tests/filter/make_event.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tidewaiter::filter {
namespace {

TEST(FilterAllocation, a_verdict_allocates_nothing) {
  const auto filter = Filter::compile(
      "risk_tier >= high and dst_ip in (10.0.0.0/8, fe80::/10) and data_classes in (pii, phi) and app in (crm, erp) and "
      "bytes_out > 1KB and dst_port not in (80, 22) and time >= 2026-01-01 and dst_host like '*.example.com' and "
      "operation contains el and principal startswith bot and resource endswith .txt and capability.scopes has read and "
      "exists(approval)",
      0);
  ASSERT_TRUE(filter) << filter.error().message;
  const Event event = test::make_event({{"risk_tier", "high"}, {"dst_ip", "10.1.1.1"}, {"data_classes", "pii"}, {"app", "crm"},
                                        {"bytes_out", "2000"}, {"dst_port", "443"}, {"time", "2026-02-01T00:00:00Z"},
                                        {"dst_host", "a.example.com"}, {"operation", "delete"}, {"principal", "bot-1"},
                                        {"resource", "a.txt"}, {"capability.scopes", "list read"}, {"approval.id", "1"}});
  Summary summary = Summary::empty();
  const std::size_t before = allocations.load();
  summary.add(event);
  const bool matches = filter->matches(event);
  const bool may_match = filter->may_match(summary);
  const Filter copy = *filter;
  const bool copy_matches = copy.matches(event);
  EXPECT_EQ(allocations.load(), before);
  EXPECT_TRUE(matches && may_match && copy_matches);
}

TEST(FilterAllocation, a_warm_regular_expression_allocates_nothing) {
  const auto filter = Filter::compile("principal ~ '^bot-[0-9]+$'", 0);
  ASSERT_TRUE(filter);
  const Event event = test::make_event({{"principal", "bot-42"}});
  EXPECT_TRUE(filter->matches(event));
  const std::size_t before = allocations.load();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(filter->matches(event));
  EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace tidewaiter::filter
