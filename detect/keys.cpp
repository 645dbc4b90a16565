#include "detect/keys.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "core/prefetch.hpp"

namespace tidewaiter::detect {
namespace {

constexpr std::uint64_t bit(Str column) { return std::uint64_t{1} << static_cast<unsigned>(column); }

constexpr std::uint64_t texts_read =
    bit(Str::tenant) | bit(Str::principal) | bit(Str::app) | bit(Str::role) | bit(Str::dst_host) | bit(Str::dst_category) |
    bit(Str::observer) | bit(Str::provenance_artifact_digest) | bit(Str::capability_scopes) | bit(Str::operation) |
    bit(Str::resource) | bit(Str::tool_name);

/// The same digest is written in either case, and a SHA-256 with or without its name.
Key hash_digest(std::string_view digest) {
  constexpr std::string_view sha256 = "sha256:";
  constexpr std::size_t sha256_hex = 64;
  std::array<char, 512> text;
  char* end = text.data();
  if (digest.size() == sha256_hex && digest.find(':') == std::string_view::npos) end = std::ranges::copy(sha256, end).out;
  digest = digest.substr(0, text.size() - sha256.size());
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char c = digest[i];
    end[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  end += digest.size();
  return hash_name({text.data(), static_cast<std::size_t>(end - text.data())});
}

}  // namespace

EventKeys keys_of(const Event& event) {
  EventKeys keys;
  keys.tenant = hash_name(event.get(Str::tenant));
  const Key role_name = hash_name(event.get(Str::role));
  keys.role_everywhere = combine(role_name, event.get(Num::principal_type));
  keys.peers = combine(keys.tenant, role_name);
  keys.role = combine(keys.tenant, keys.role_everywhere);
  if (event.has(Str::principal)) keys.principal = combine(keys.tenant, hash_name(event.get(Str::principal)));
  if (event.has(Str::app)) keys.app = combine(keys.tenant ^ 0xa99, hash_name(event.get(Str::app)));
  if (event.has(Str::dst_host)) {
    keys.destination = hash_name(event.get(Str::dst_host));
  } else if (const Ip* address = event.get(Addr::dst_ip)) {
    keys.destination = hash_name({reinterpret_cast<const char*>(address->data()), address->size()});
  }
  if (event.has(Str::observer)) keys.observer = hash_name(event.get(Str::observer));
  if (event.has(Str::resource)) keys.resource = hash_name(event.get(Str::resource));
  if (const std::string_view digest = event.get(Str::provenance_artifact_digest); !digest.empty())
    keys.artifact = hash_digest(digest);
  keys.quota = static_cast<std::uint16_t>(keys.role >> 48 | 1);
  return keys;
}

void prefetch_columns(const Event& event) {
  prefetch_line(&event);
  for (const Str first : {Str::role, Str::operation, Str::capability_scopes, Str::observer, Str::provenance_artifact_digest})
    prefetch_line(&event.strings[static_cast<std::size_t>(first)]);
  for (const Num first : {Num::time, Num::bytes_out, Num::capability_not_before, Num::flags})
    prefetch_line(&event.numbers[static_cast<std::size_t>(first)]);
}

void prefetch_texts(const Event& event) {
  for (std::uint64_t columns = event.strings_present & texts_read; columns != 0; columns &= columns - 1) {
    const std::string_view text = event.strings[static_cast<std::size_t>(std::countr_zero(columns))];
    prefetch_line(text.data());
    prefetch_line(text.data() + text.size());
  }
}

}  // namespace tidewaiter::detect
