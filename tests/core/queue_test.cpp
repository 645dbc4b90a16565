#include "core/bounded_queue.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "core/metrics.hpp"
#include "core/result.hpp"

namespace tidewaiter {
namespace {

using std::chrono::milliseconds;

TEST(BoundedQueue, holds_back_the_producer_and_keeps_the_order) {
  BoundedQueue<int> queue(2);
  std::jthread producer([&] {
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(queue.push(i));
    queue.close();
  });
  for (int i = 0; i < 1000; ++i) {
    const auto item = queue.pop_for(milliseconds(5000));
    ASSERT_TRUE(item);
    EXPECT_EQ(*item, i);
    EXPECT_LE(queue.size(), 2u);
  }
  EXPECT_FALSE(queue.pop_for(milliseconds(1000)));
  EXPECT_TRUE(queue.drained());
}

TEST(BoundedQueue, a_refused_item_stays_with_its_owner) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  ASSERT_TRUE(queue.push(std::make_unique<int>(1)));
  auto item = std::make_unique<int>(2);
  EXPECT_FALSE(queue.push_for(item, milliseconds(1)));
  ASSERT_TRUE(item);
  queue.close();
  EXPECT_FALSE(queue.push(std::move(item)));
  EXPECT_TRUE(queue.pop_for(milliseconds(1)));  // what was taken is drained
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::invalid_argument, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  TRY_ASSIGN(int h, half(n));
  TRY(half(h));
  return h / 2;
}

TEST(Result, try_hands_the_first_error_on) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_EQ(quarter(5).error().code, Code::invalid_argument);
}

TEST(Metrics, the_same_name_and_labels_are_the_same_counter) {
  Metrics metrics;
  metrics.counter("a_total", "help", {{"x", "1"}}).add(2);
  metrics.counter("a_total", "help", {{"x", "1"}}).add();
  metrics.counter("a_total", "help", {{"x", "2"}}).add();
  ASSERT_EQ(metrics.samples().size(), 2u);
  EXPECT_EQ(metrics.samples()[0].value, 3);
}

}  // namespace
}  // namespace tidewaiter
