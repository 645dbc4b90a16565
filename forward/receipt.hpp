// Receipts: what a receiver answered, as records of the log. One per confirmed batch, one per dead letter; deliveries
// of receipts make none, because connectors never select them (semantics 9).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/record.hpp"
#include "forward/courier.hpp"

namespace tidewaiter::forward {

/// `now_ns` is the receive time of the record. A dead letter has an excerpt of the encoded item, at most 1 KiB.
/// Searchable by observer (the connector), operation ("delivered", "dead_lettered"), resource_count and, of a dead
/// letter, correlation (the uid).
OwnRecord make_receipt(const Settled& settled, std::string_view connector, bool redelivery, std::int64_t now_ns);

}  // namespace tidewaiter::forward
