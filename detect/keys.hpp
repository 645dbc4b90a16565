// EventKeys: every name of an event hashed once, before any detector looks at it.
#pragma once

#include "core/event.hpp"
#include "detect/hash.hpp"

namespace tidewaiter::detect {

struct EventKeys {
  Key tenant = 0;
  Key principal = 0;    // within its tenant; 0 = the event has none
  Key app = 0;          // within its tenant; 0 = none
  Key role = 0;         // peers within the tenant: same role and kind of principal
  Key peers = 0;        // the same whatever kind of principal
  Key role_everywhere = 0;  // the same in all tenants
  Key destination = 0;  // host, else address; 0 = none
  Key observer = 0;     // 0 = none
  Key resource = 0;     // 0 = none
  Key artifact = 0;     // digest, whatever the tenant; 0 = none
  std::uint16_t quota = 0;  // tenant and role: what a flood of ids can push out
};

/// Some tens of ns; pure.
EventKeys keys_of(const Event& event);

/// Asks for the columns of the event that detection reads, most likely written by another core: some events before
/// anything else.
void prefetch_columns(const Event& event);
/// Asks for the texts of the event that keys and rules read: some events before keys_of().
void prefetch_texts(const Event& event);

}  // namespace tidewaiter::detect
