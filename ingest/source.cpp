#include "ingest/source.hpp"

#include <algorithm>

namespace tidewaiter::ingest {

std::vector<DurableOffset> ends_of(const Batch& batch) {
  std::vector<DurableOffset> ends;
  std::size_t last = 0;  // neighbours mostly share their partition
  for (const Record& record : batch.records) {
    if (record.origin == nullptr) continue;
    const std::uint64_t next = record.offset + 1;
    auto same = [&](const DurableOffset& end) {
      return end.origin == record.origin && end.partition == record.partition;
    };
    if (last >= ends.size() || !same(ends[last])) {
      last = static_cast<std::size_t>(std::find_if(ends.begin(), ends.end(), same) - ends.begin());
      if (last == ends.size()) ends.push_back({record.origin, record.partition, 0});
    }
    if (next <= ends[last].next_offset) continue;
    ends[last].next_offset = next;
    ends[last].leader_epoch = record.leader_epoch;
  }
  return ends;
}

std::size_t remove_records(Batch& batch, const std::function<bool(const Record&)>& gone) {
  std::size_t kept = 0;
  std::uint32_t events = 0;
  for (Record& record : batch.records) {
    if (gone(record)) continue;
    for (std::uint32_t i = 0; i < record.event_count; ++i) {
      Event& place = batch.events[events + i];
      if (const Event& event = batch.events[record.first_event + i]; &place != &event) place = event;
      place.record = static_cast<std::uint32_t>(kept);
    }
    record.first_event = events;
    events += record.event_count;
    if (&batch.records[kept] != &record) batch.records[kept] = record;
    ++kept;
  }
  const std::size_t removed = batch.records.size() - kept;
  batch.records.resize(kept);
  if (removed > 0) batch.events.resize(std::min<std::size_t>(events, batch.events.size()));
  batch.read -= removed;
  return removed;
}

const char* source_state_name(SourceState state) {
  switch (state) {
    case SourceState::running: return "running";
    case SourceState::paused: return "paused";
    case SourceState::parked: return "parked";
    case SourceState::finished: return "finished";
  }
  return "unknown";
}

}  // namespace tidewaiter::ingest
