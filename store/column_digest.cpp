#include "store/column_digest.hpp"

#include <bit>

namespace tidewaiter::store {

void ColumnDigest::add(const Record& record, std::uint32_t ordinal, const Event* events) {
  bytes_.varint(record.seq);
  bytes_.varint(ordinal);
  bytes_.varint(zigzag(record.leader_epoch));
  bytes_.u8(static_cast<std::uint8_t>(record.reason));
  bytes_.varint(record.event_count);
  for (const Event* event = events; event != events + record.event_count; ++event) {
    bytes_.varint(event->sub);
    bytes_.fixed(event->strings_present);
    bytes_.fixed(event->numbers_present);
    for (std::uint64_t left = event->strings_present; left != 0; left &= left - 1)
      bytes_.string(event->strings[static_cast<std::size_t>(std::countr_zero(left))]);
    for (std::uint64_t left = event->numbers_present; left != 0; left &= left - 1) {
      const auto c = static_cast<std::size_t>(std::countr_zero(left));
      if (c < num_count) {
        bytes_.varint(event->numbers[c]);
      } else {
        const Ip& ip = event->addresses[c - num_count];
        bytes_.bytes({reinterpret_cast<const char*>(ip.data()), ip.size()});
      }
    }
  }
}

}  // namespace tidewaiter::store
