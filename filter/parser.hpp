// From tokens to the typed tree: recursive descent over the grammar in filter/filter.hpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.hpp"
#include "filter/syntax.hpp"

namespace tidewaiter::filter {

inline constexpr std::size_t text_bytes_max = 1 << 20;
inline constexpr std::size_t nesting_max = 64;
inline constexpr std::size_t tests_max = 4096;
inline constexpr std::size_t regexes_max = 64;  // each may keep a cache of 1 MiB
inline constexpr std::size_t pattern_bytes_max = 1024;

/// Errors as of Filter::compile.
Result<Node> parse(std::string_view text, std::int64_t now_ns);

}  // namespace tidewaiter::filter
