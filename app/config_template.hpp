// The two files that `tidewaiter init` writes.
#pragma once

#include <string_view>

namespace tidewaiter::app {

inline constexpr const char* template_origin = "tidewaiter.local";

std::string_view config_template();
std::string_view policy_template();

}  // namespace tidewaiter::app
