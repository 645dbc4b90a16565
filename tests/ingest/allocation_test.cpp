// Counts every allocation of this program: parsing must not allocate per event once it is warm.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "ingest/batch_builder.hpp"
#include "ingest/table_set.hpp"
#include "tests/ingest/batches.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* place = std::malloc(size)) return place;
  throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }

namespace tidewaiter::ingest {
namespace {

std::string message(int i) {
  const std::string n = std::to_string(i);
  return testing::envelope(
      R"({"time":"2026-03-04T05:06:07.5Z","principal":"agent-)" + n + R"(","agent":{"uid":"a-)" + n +
      R"("},"app":"invoices","action":"send","dst_host":"API.Partner.example.","dst_ip":"203.0.113.9","dst_port":443,)"
      R"("bytes_out":)" + n + R"(,"data_classes":["pii","financial"],"capability":{"uid":"c","scopes":["a:b","c:d","e:f"]},)"
      R"("resource":"a long \"quoted\" text that does not fit into a short string","unknown":{"x":[1,2,{"y":null}]}})");
}

/// Allocations while `count` messages are copied and parsed into one batch.
std::size_t allocations_for(Parser& parser, BatchBuilder& builder, int count) {
  std::vector<std::string> messages;
  for (int i = 0; i < count; ++i) messages.push_back(message(i));
  const Origin* origin = intern_origin("test", {}, "events");
  const std::size_t before = allocations.load();
  for (int i = 0; i < count; ++i) {
    BodyParts parts;
    parts.receive_time_ns = testing::receive_ns;
    parts.value = messages[static_cast<std::size_t>(i)];
    EXPECT_TRUE(builder.add(origin, 0, static_cast<std::uint64_t>(i), -1, parts));
  }
  auto batch = builder.take();
  parser.parse(*batch);
  const std::size_t after = allocations.load();
  EXPECT_EQ(batch->events.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(batch->events.back().get(Str::dst_host), "api.partner.example");
  EXPECT_EQ(batch->events.back().get(Str::capability_scopes), "a:b c:d e:f");
  return after - before;
}

TEST(Allocations, none_per_event_on_the_good_path) {
  auto parser = testing::make_parser();
  BatchBuilder builder({8 << 20, 50});
  allocations_for(*parser, builder, 2000);
  const std::size_t many = allocations_for(*parser, builder, 2000), few = allocations_for(*parser, builder, 20);
  EXPECT_EQ(many, few) << "a batch costs the same number of allocations whatever it holds";
  EXPECT_LE(many, 8u);
}

TEST(Allocations, none_in_tables_of_users) {
  std::vector<Fault> faults;
  std::vector<Table> tables = {
      read_csv_table(TableKind::apps, "app,risk_tier,owner\ninvoices,high,ann\n", faults),
      read_csv_table(TableKind::destinations, "destination,dst_category\npartner.example,partner\n203.0.113.0/24,lab\n", faults),
      read_csv_table(TableKind::resources, "resource,data_classes\na long*,pii\n", faults),
      read_csv_table(TableKind::agents, "agent,role\na-7,support\n", faults)};
  ASSERT_TRUE(faults.empty());
  const TableSet set(tables);
  auto parser = testing::make_parser();
  BatchBuilder builder({8 << 20, 50});
  const std::string text = message(7);
  BodyParts parts;
  parts.value = text;
  ASSERT_TRUE(builder.add(intern_origin("test", {}, "events"), 0, 0, -1, parts));
  auto batch = builder.take();
  parser->parse(*batch);
  const std::size_t before = allocations.load();
  const TableSet::Counts counts = set.apply(*batch);
  EXPECT_EQ(allocations.load(), before);
  for (const std::uint64_t count : counts) EXPECT_EQ(count, 1u);
}

}  // namespace
}  // namespace tidewaiter::ingest
