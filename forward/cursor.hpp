// The cursor of a connector as text: "v1 COMMIT RECORD SUB CHECK", or "v2 COMMIT RECORD SUB SAMPLING CHECK" while the
// policy samples: what was in force at that place. CHECK covers what stands before it and the connector's name, so
// a damaged cursor, or one of another connector, is seen and never followed.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/sampling.hpp"
#include "forward/item.hpp"

namespace tidewaiter::forward {

struct Cursor {
  Place place;
  Sampling sampling;
};

std::string write_cursor(const Place& place, const Sampling& sampling, std::string_view connector);
/// Error: corruption.
Result<Cursor> read_cursor(std::string_view text, std::string_view connector);

}  // namespace tidewaiter::forward
