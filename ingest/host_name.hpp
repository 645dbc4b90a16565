// One form for names of hosts, the one in which they are stored, matched and counted: RFC 5890 A-labels in lower case
// without the trailing dot.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace tidewaiter::ingest {

/// Bytes of the longest name in the Domain Name System as text (RFC 1035, 2.3.4).
inline constexpr std::size_t host_bytes_max = 253;

/// False when normal_host would leave it as it is. Cheap: nearly every host is in its form already.
bool host_needs_work(std::string_view host);
/// Bytes that normal_host may write.
constexpr std::size_t host_room(std::string_view host) { return std::max(host.size(), host_bytes_max + 2); }
/// Lower case, without one trailing dot, names of other scripts as A-labels (Unicode UTS #46, non-transitional), written
/// to `out` of host_room(host) bytes. What is no such name (a label too long, a space in it) stays as it came,
/// its letters of ASCII in lower case.
std::string_view normal_host(std::string_view host, char* out);
std::string normal_host(std::string_view host);
/// True for a name of letters, digits, `-`, `_` and dots, with at least one letter, that is no address.
bool is_host_name(std::string_view text);

}  // namespace tidewaiter::ingest
