// KafkaSource before the embedded broker and a store of the simplest kind.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/log_line.hpp"
#include "ingest/embedded_broker.hpp"
#include "ingest/kafka_producer.hpp"
#include "ingest/kafka_source.hpp"

namespace tidewaiter::ingest {

using namespace std::chrono_literals;

/// A store of the simplest kind: what is held, by lane and offset.
class TinyStore {
 public:
  std::optional<std::uint64_t> position(const Origin& origin, std::uint32_t partition) const {
    std::lock_guard lock(mutex_);
    const auto found = held_.find({intern_origin(origin.cluster, origin.topic_id, origin.topic), partition});
    if (found == held_.end() || found->second.empty()) return std::nullopt;
    return found->second.rbegin()->first + 1;
  }
  void append(const Batch& batch) {
    std::lock_guard lock(mutex_);
    for (const Record& record : batch.records) {
      auto& lane = held_[{record.origin, record.partition}];
      if (!lane.emplace(record.offset, std::string(record.value)).second) ++duplicates;
    }
    for (const OffsetGap& gap : batch.gaps) gaps.push_back(gap);
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    std::size_t size = 0;
    for (const auto& [lane, offsets] : held_) size += offsets.size();
    return size;
  }
  std::map<std::pair<const Origin*, std::uint32_t>, std::map<std::uint64_t, std::string>> held() const {
    std::lock_guard lock(mutex_);
    return held_;
  }
  std::size_t duplicates = 0;
  std::vector<OffsetGap> gaps;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<const Origin*, std::uint32_t>, std::map<std::uint64_t, std::string>> held_;
};

class KafkaSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(Level::error);
    broker_ = std::move(EmbeddedBroker::start()).value();
    ASSERT_TRUE(broker_->create_topic("events", 3));
  }

  KafkaSourceOptions options(TinyStore& store, const std::string& group = "g") {
    KafkaSourceOptions made;
    made.properties = {{"bootstrap.servers", broker_->bootstrap()}, {"group.id", group},
                       {"session.timeout.ms", "3000"}, {"heartbeat.interval.ms", "200"}, {"log_level", "2"}};
    made.topics = {"events"};
    made.batch.flush_interval_ms = 20;
    made.topic_check_ms = 100;
    made.revoke_wait_ms = 300;
    made.offset_commit_ms = 20;
    made.position_for = [&store](const Origin& origin, std::uint32_t partition) {
      return store.position(origin, partition);
    };
    made.record_control = [this](std::string json) { control_.push_back(std::move(json)); };
    return made;
  }
  /// With this patience; `assignments` counts those of each partition.
  KafkaSourceOptions counting(TinyStore& store, int stall_ms, std::size_t& assignments) {
    KafkaSourceOptions made = options(store);
    made.stall_ms = stall_ms;
    made.position_for = [&](const Origin& origin, std::uint32_t partition) {
      ++assignments;
      return store.position(origin, partition);
    };
    return made;
  }
  std::unique_ptr<KafkaSource> open(KafkaSourceOptions wanted) {
    auto source = KafkaSource::open(std::move(wanted), clock_);
    EXPECT_TRUE(source.has_value()) << (source ? "" : source.error().message);
    return std::move(source).value();
  }

  void produce(int from, int to, const std::string& topic = "events") {
    KafkaProducerOptions made;
    made.properties = {{"bootstrap.servers", broker_->bootstrap()}, {"linger.ms", "1"}};
    made.topic = topic;
    auto producer = std::move(KafkaProducer::open(made)).value();
    for (int i = from; i < to; ++i) {
      const std::string value = "message " + std::to_string(i);
      ASSERT_TRUE(producer->send({.key = "k" + std::to_string(i), .value = value, .headers = {}, .partition = i % 3, .time_ms = 0}));
    }
    const auto flushed = producer->flush(10'000);
    ASSERT_TRUE(flushed.has_value()) << flushed.error().message;
    EXPECT_EQ(producer->delivered(), static_cast<std::uint64_t>(to - from));
  }

  /// One turn of the loop that app/ runs: poll, claim, store, say so. False when nothing came.
  static bool turn(KafkaSource& source, TinyStore& store, int timeout_ms = 50) {
    auto batch = source.poll(timeout_ms);
    EXPECT_TRUE(batch.has_value());
    if (!batch || !*batch) return false;
    source.claim(**batch);
    const auto ends = ends_of(**batch);
    store.append(**batch);
    source.committed(ends);
    return true;
  }
  template <class Done>
  bool run_until(KafkaSource& source, TinyStore& store, Done done, std::chrono::milliseconds limit = 15s) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!done() && std::chrono::steady_clock::now() < until) turn(source, store);
    return done();
  }

  SystemClock clock_;
  std::unique_ptr<EmbeddedBroker> broker_;
  std::vector<std::string> control_;
};

}  // namespace tidewaiter::ingest
