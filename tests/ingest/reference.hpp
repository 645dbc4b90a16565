// A second, slow reading of CloudEvents with canonical data, written against the column table and nlohmann's JSON alone.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/event.hpp"

namespace tidewaiter::ingest::testing {

/// Column name to its value as text; numbers in decimal, addresses in hex.
using Columns = std::map<std::string, std::string>;

/// What the columns of this message should be. `message` must be a document with specversion and without equal keys.
Columns reference_columns(std::string_view message, std::int64_t receive_ns);

/// The same of an event, for comparison.
Columns columns_of(const Event& event);

}  // namespace tidewaiter::ingest::testing
