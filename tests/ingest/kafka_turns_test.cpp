// Whose messages come next: in what order KafkaSource reads the partitions of a backlog.
#include "tests/ingest/kafka_fixture.hpp"

namespace tidewaiter::ingest {
namespace {

class KafkaTurns : public KafkaSourceTest {
 protected:
  /// `count` messages of one partition, of these times: first, first + step, ...
  void produce_at(int partition, int count, std::int64_t first_ms, std::int64_t step_ms) {
    KafkaProducerOptions made;
    made.properties = {{"bootstrap.servers", broker_->bootstrap()}, {"linger.ms", "1"}};
    made.topic = "events";
    auto producer = std::move(KafkaProducer::open(made)).value();
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(producer->send({.key = "k", .value = "m", .headers = {}, .partition = partition,
                                  .time_ms = first_ms + i * step_ms}));
    ASSERT_TRUE(producer->flush(10'000));
  }
  /// Reads `count` messages; calls visit(partition, Kafka's time) for each in the order they come.
  template <class Visit>
  void read_in_order(std::size_t count, Visit visit) {
    TinyStore store;
    auto source = open(options(store));
    std::size_t seen = 0;
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (seen < count && std::chrono::steady_clock::now() < until) {
      auto batch = source->poll(50);
      ASSERT_TRUE(batch.has_value());
      if (!*batch) continue;
      for (const Record& record : (*batch)->records) {
        visit(record.partition, record.kafka_time_ms);
        ++seen;
      }
    }
    EXPECT_EQ(seen, count);
  }
};

TEST_F(KafkaTurns, a_backlog_is_read_in_the_order_of_kafkas_time_whatever_is_fetched_first) {
  constexpr int count = 3'000;
  for (int partition = 0; partition < 3; ++partition) produce_at(partition, count, 1'000, 1);
  std::map<std::uint32_t, std::int64_t> last_ms;
  std::int64_t apart_ms = 0;
  read_in_order(3 * count, [&](std::uint32_t partition, std::int64_t time_ms) {
    last_ms[partition] = time_ms;
    std::int64_t behind_ms = time_ms;
    for (std::uint32_t other = 0; other < 3; ++other)
      behind_ms = std::min(behind_ms, last_ms.contains(other) ? last_ms[other] : 1'000);
    apart_ms = std::max(apart_ms, time_ms - behind_ms);
  });
  EXPECT_LT(apart_ms, count / 5) << "three turns or so, not what one fetch brings";
}

TEST_F(KafkaTurns, times_that_are_wrong_keep_no_other_partition_waiting_for_long) {
  produce_at(0, 5'000, 1, 0);  // as if it were always the one behind
  produce_at(1, 100, 4'000'000'000'000, 1);
  std::size_t of_0 = 0, of_0_before_1 = 0;
  read_in_order(5'100, [&](std::uint32_t partition, std::int64_t) {
    if (partition == 0) ++of_0;
    if (partition == 1) of_0_before_1 = of_0;
  });
  EXPECT_LT(of_0_before_1, 2'500u);
}

}  // namespace
}  // namespace tidewaiter::ingest
