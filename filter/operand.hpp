// Words to typed operands: numbers with size suffixes, absolute and relative times, addresses and CIDR blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "filter/syntax.hpp"

namespace tidewaiter::filter {

/// "10", "10MB", "1.5KiB" if whole; suffixes in any case. Error: what is wrong with it, in words.
Result<std::uint64_t> parse_number(std::string_view word);

/// RFC 3339, a date, a date with a time, "now", "now-7d", "-1h", "+10m"; ns since 1970.
std::optional<std::int64_t> parse_time(std::string_view word, std::int64_t now_ns);

/// "10.0.0.1", "10.0.0.0/8", "fe80::/10". Bits behind the prefix must be 0. Error: what is wrong, in words.
Result<Network> parse_network(std::string_view word);
std::string format_network(const Network& network);

}  // namespace tidewaiter::filter
