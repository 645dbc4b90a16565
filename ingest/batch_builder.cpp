#include "ingest/batch_builder.hpp"

#include <algorithm>

#include "ingest/source.hpp"

namespace tidewaiter::ingest {
namespace {
// Derived column bytes (joined ids, lowered hosts) live behind the bodies. Untouched pages cost nothing.
std::size_t arena_bytes(std::size_t body_bytes) { return body_bytes + body_bytes / 2 + 65536; }
}  // namespace

BatchBuilder::BatchBuilder(BatchLimits limits) : limits_(limits) {}

Batch& BatchBuilder::batch_for(std::size_t body_bytes) {
  if (!batch_) {
    batch_ = std::make_unique<Batch>(arena_bytes(std::max(limits_.commit_bytes, body_bytes)));
    batch_->records.reserve(records_hint_);
  }
  return *batch_;
}

bool BatchBuilder::add(const Origin* origin, std::uint32_t partition, std::uint64_t offset,
                       std::int32_t leader_epoch, const BodyParts& parts) {
  const std::size_t size = body_size(parts);
  if (!empty() && batch_->arena.used_bytes() + size > limits_.commit_bytes) return false;
  if (empty()) {
    if (batch_ && batch_->arena.capacity_bytes() < arena_bytes(size)) batch_.reset();
    if (batch_) batch_->arena.clear();  // its records may have been dropped
    first_ns_ = parts.receive_time_ns;
  }
  Batch& batch = batch_for(size);
  return append_message(batch, origin, partition, offset, leader_epoch, parts);
}

std::size_t BatchBuilder::drop(const std::function<bool(const Record&)>& gone) {
  return batch_ ? remove_records(*batch_, gone) : 0;
}

void BatchBuilder::add_gap(OffsetGap gap) { batch_for(0).gaps.push_back(std::move(gap)); }

bool BatchBuilder::empty() const { return !batch_ || (batch_->records.empty() && batch_->gaps.empty()); }

bool BatchBuilder::due(std::int64_t now_ns) const {
  if (empty()) return false;
  if (batch_->arena.used_bytes() >= limits_.commit_bytes) return true;
  return now_ns - first_ns_ >= std::int64_t{limits_.flush_interval_ms} * 1'000'000;
}

int BatchBuilder::wait_ms(std::int64_t now_ns, int timeout_ms) const {
  if (empty()) return timeout_ms;
  const std::int64_t left = std::int64_t{limits_.flush_interval_ms} - (now_ns - first_ns_) / 1'000'000;
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, timeout_ms));
}

std::unique_ptr<Batch> BatchBuilder::take() {
  if (empty()) return nullptr;
  records_hint_ = std::max<std::size_t>(64, batch_->records.size() + batch_->records.size() / 8);
  return std::move(batch_);
}

}  // namespace tidewaiter::ingest
