// The cursor of a connector as text: "v1 COMMIT RECORD SUB CHECK". CHECK covers the numbers and the connector's name, so
// a damaged cursor, or one of another connector, is seen and never followed.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "forward/item.hpp"

namespace tidewaiter::forward {

std::string write_cursor(const Place& place, std::string_view connector);
/// Error: corruption.
Result<Place> read_cursor(std::string_view text, std::string_view connector);

}  // namespace tidewaiter::forward
