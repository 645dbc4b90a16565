#include "store/column_digest.hpp"

#include <bit>
#include <cstring>

namespace tidewaiter::store {

namespace {

template <class Visit>
void each_bit(std::uint64_t bits, Visit visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<std::size_t>(std::countr_zero(bits)));
}

/// At least what `event` takes, so that room is made once.
std::size_t size_max(const Event& event) {
  static_assert(sizeof(Ip) >= varint_size_max);
  std::size_t size = varint_size_max + 2 * sizeof(std::uint64_t) +
                     static_cast<std::size_t>(std::popcount(event.numbers_present)) * sizeof(Ip);
  each_bit(event.strings_present, [&](std::size_t c) { size += varint_size_max + event.strings[c].size(); });
  return size;
}

char* put_event(char* to, const Event& event) {
  to = put_varint(to, event.sub);
  std::memcpy(to, &event.strings_present, sizeof event.strings_present);
  to += sizeof event.strings_present;
  std::memcpy(to, &event.numbers_present, sizeof event.numbers_present);
  to += sizeof event.numbers_present;
  each_bit(event.strings_present, [&](std::size_t c) {
    const ColumnText text = event.strings[c];
    to = copy_text(put_varint(to, text.size()), text.data(), text.size());
  });
  each_bit(event.numbers_present, [&](std::size_t c) {
    if (c < num_count) {
      to = put_varint(to, event.numbers[c]);
    } else {
      std::memcpy(to, event.addresses[c - num_count].data(), sizeof(Ip));
      to += sizeof(Ip);
    }
  });
  return to;
}

}  // namespace

void ColumnDigest::begin() {
  bytes_.clear();
  records_ = 0;
  starts_.clear();
}

void ColumnDigest::add(const Record& record, std::uint32_t ordinal, const Event* events) {
  if (records_++ % run_records == 0) starts_.push_back(bytes_.size());
  bytes_.varint(record.seq);
  bytes_.varint(ordinal);
  bytes_.varint(zigzag(record.leader_epoch));
  bytes_.u8(static_cast<std::uint8_t>(record.reason));
  bytes_.varint(record.event_count);
  for (const Event* event = events; event != events + record.event_count; ++event)
    bytes_.end_at(put_event(bytes_.grow(size_max(*event)), *event));
}

void ColumnDigest::add_jobs(std::vector<HashJob>& jobs, Hash* out) const {
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    const std::size_t end = i + 1 < starts_.size() ? starts_[i + 1] : bytes_.size();
    jobs.push_back({{}, bytes().substr(starts_[i], end - starts_[i]), out + i});
  }
}

Hash ColumnDigest::commit_digest(Sha256& sha, std::span<const Hash> runs, std::uint64_t commit, std::int64_t time_ns) {
  char end[varint_size_max + sizeof time_ns];
  char* const to = put_varint(end, commit);
  std::memcpy(to, &time_ns, sizeof time_ns);
  const std::string_view hashes(reinterpret_cast<const char*>(runs.data()), runs.size() * sizeof(Hash));
  return sha.digest(hashes, {end, static_cast<std::size_t>(to - end) + sizeof time_ns});
}

}  // namespace tidewaiter::store
