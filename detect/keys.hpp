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
  Key role_everywhere = 0;  // the same in all tenants
  Key destination = 0;  // host, else address; 0 = none
  Key observer = 0;     // 0 = none
  std::uint16_t quota = 0;  // tenant and role: what a flood of ids can push out
};

/// Some tens of ns; pure.
inline EventKeys keys_of(const Event& event) {
  EventKeys keys;
  keys.tenant = hash_name(event.get(Str::tenant));
  keys.role_everywhere = combine(hash_name(event.get(Str::role)), event.get(Num::principal_type));
  keys.role = combine(keys.tenant, keys.role_everywhere);
  if (event.has(Str::principal)) keys.principal = combine(keys.tenant, hash_name(event.get(Str::principal)));
  if (event.has(Str::app)) keys.app = combine(keys.tenant ^ 0xa99, hash_name(event.get(Str::app)));
  if (event.has(Str::dst_host)) {
    keys.destination = hash_name(event.get(Str::dst_host));
  } else if (const Ip* address = event.get(Addr::dst_ip)) {
    keys.destination = hash_name({reinterpret_cast<const char*>(address->data()), address->size()});
  }
  if (event.has(Str::observer)) keys.observer = hash_name(event.get(Str::observer));
  keys.quota = static_cast<std::uint16_t>(keys.role >> 48 | 1);
  return keys;
}

}  // namespace tidewaiter::detect
