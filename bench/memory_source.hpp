// MemorySource: a corpus as a Source, so that the real service runs from memory: everything but Kafka.
// Counts the calls of its virtual functions: they are per batch, never per event.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "bench/corpus.hpp"
#include "core/clock.hpp"
#include "ingest/source.hpp"

namespace tidewaiter::bench {

class MemorySource final : public ingest::Source {
 public:
  MemorySource(const Corpus& corpus, std::size_t commit_bytes, const Clock& clock, std::atomic<std::uint64_t>& calls)
      : reader_(corpus), commit_bytes_(commit_bytes), clock_(clock), calls_(calls) {
    status_.partitions.resize(Corpus::partitions);
    for (std::uint32_t i = 0; i < Corpus::partitions; ++i) {
      ingest::PartitionStatus& partition = status_.partitions[i];
      partition.cluster = Corpus::origin()->cluster;
      partition.topic = Corpus::origin()->topic;
      partition.topic_id = Corpus::origin()->topic_id;
      partition.partition = i;
    }
  }

  Result<std::unique_ptr<Batch>> poll(int) override {
    ++calls_;
    if (paused_.load()) return std::unique_ptr<Batch>();
    auto batch = Corpus::next_batch(reader_, commit_bytes_, clock_.now_ns());
    if (!batch) {
      finished_.store(true);
      return batch;
    }
    std::lock_guard lock(mutex_);
    status_.messages += batch->records.size();
    status_.bytes += batch->arena.used_bytes();
    return batch;
  }
  std::size_t claim(Batch&) override {
    ++calls_;
    return 0;
  }
  void committed(const std::vector<ingest::DurableOffset>&) override { ++calls_; }
  void abandoned() override { ++calls_; }
  Result<void> restart() override { return fail(Code::unavailable, "a corpus is read once"); }
  void pause() override { paused_.store(true); }
  void resume() override { paused_.store(false); }
  bool finished() const override { return finished_.load(); }
  ingest::SourceStatus status() const override {
    std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  Corpus::Reader reader_;
  const std::size_t commit_bytes_;
  const Clock& clock_;
  std::atomic<std::uint64_t>& calls_;
  std::atomic<bool> paused_{false}, finished_{false};
  mutable std::mutex mutex_;
  ingest::SourceStatus status_;
};

}  // namespace tidewaiter::bench
