// gzip (RFC 1952) over zlib: no name and no time in the header, so the same bytes give the same bytes.
#pragma once

#include <string>
#include <string_view>

namespace tidewaiter::forward {

std::string gzip(std::string_view bytes);

}  // namespace tidewaiter::forward
