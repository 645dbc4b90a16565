// Whole numbers out of the JSON of configuration. nlohmann's get() cuts to size what is too large and takes fractions for
// whole: that is for no caller to notice.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

namespace tidewaiter::ingest {

/// Throws std::out_of_range when the value is no whole number, or none that Number holds.
template <std::integral Number, class Json>
Number whole_number(const Json& value) {
  using Limits = std::numeric_limits<Number>;
  if (!value.is_number_integer()) throw std::out_of_range("no whole number");
  if (value.is_number_unsigned()) {
    const auto number = value.template get<std::uint64_t>();
    if (number <= static_cast<std::uint64_t>(Limits::max())) return static_cast<Number>(number);
  } else if (const auto number = value.template get<std::int64_t>(); std::in_range<Number>(number)) {
    return static_cast<Number>(number);
  }
  throw std::out_of_range("too large or too small");
}

}  // namespace tidewaiter::ingest
