#include "ingest/offset_ledger.hpp"

#include <algorithm>

namespace tidewaiter::ingest {

std::uint64_t OffsetLedger::assigned(Lane lane, std::uint64_t start, std::uint64_t committed, bool to_be_looked_at) {
  const std::uint64_t sent = std::min(start, committed);
  lanes_[lane] = State{++generation_, sent, start, start, sent, false, to_be_looked_at, -1};
  return generation_;
}

void OffsetLedger::looked_at(Lane lane, std::uint64_t committed, std::int32_t leader_epoch) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end() || found->second.durable != found->second.handed_over) return;
  found->second.sent = std::min(found->second.sent, committed);
  found->second.leader_epoch = leader_epoch;
  found->second.to_be_looked_at = false;
}

void OffsetLedger::revoked(Lane lane) { lanes_.erase(lane); }

void OffsetLedger::retire(Lane lane) {
  if (const auto found = lanes_.find(lane); found != lanes_.end()) found->second.retired = true;
}

std::vector<Lane> OffsetLedger::named(std::string_view topic, std::uint32_t partition) const {
  std::vector<Lane> lanes;
  for (const auto& [lane, state] : lanes_)
    if (lane.first->topic == topic && lane.second == partition) lanes.push_back(lane);
  return lanes;
}

bool OffsetLedger::is_current(Lane lane, std::uint64_t batch_generation) const {
  const auto found = lanes_.find(lane);
  return found != lanes_.end() && found->second.generation <= batch_generation;
}

void OffsetLedger::handed_over(Lane lane, std::uint64_t next) {
  if (const auto found = lanes_.find(lane); found != lanes_.end())
    found->second.handed_over = std::max(found->second.handed_over, next);
}

void OffsetLedger::durable(Lane lane, std::uint64_t next, std::int32_t leader_epoch) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end() || next < found->second.durable) return;
  State& state = found->second;
  const bool other_epoch = next == state.durable && leader_epoch != state.leader_epoch;
  if (other_epoch && next > 0) state.sent = std::min(state.sent, next - 1);  // the log was read again and is another one
  state.durable = next;
  state.leader_epoch = leader_epoch;
  state.to_be_looked_at = false;
}

bool OffsetLedger::settled(Lane lane) const {
  const auto found = lanes_.find(lane);
  return found == lanes_.end() || found->second.durable >= found->second.handed_over;
}

void OffsetLedger::forget_under_way(Lane lane) {
  if (const auto found = lanes_.find(lane); found != lanes_.end()) found->second.handed_over = found->second.durable;
}

std::vector<LaneOffset> OffsetLedger::committable() const {
  std::vector<LaneOffset> offsets;
  for (const auto& [lane, state] : lanes_)
    if (state.durable > state.sent && !state.retired) offsets.push_back({lane, state.durable, state.leader_epoch});
  return offsets;
}

std::optional<LaneOffset> OffsetLedger::any_durable() const {
  for (const auto& [lane, state] : lanes_)
    if (state.durable > 0 && !state.retired && !state.to_be_looked_at)
      return LaneOffset{lane, state.durable, state.leader_epoch};
  return std::nullopt;
}

void OffsetLedger::sent(const std::vector<LaneOffset>& offsets) {
  for (const LaneOffset& offset : offsets)
    if (const auto found = lanes_.find(offset.lane); found != lanes_.end())
      found->second.sent = std::max(found->second.sent, offset.next_offset);
}

// Back to the start of the assignment: an offset is never sent twice for its own sake, only after a refusal.
void OffsetLedger::refused(Lane lane) {
  if (const auto found = lanes_.find(lane); found != lanes_.end()) found->second.sent = found->second.start;
}

}  // namespace tidewaiter::ingest
