// Masking of secrets in text that leaves the store: what looks like a credential is cut to its prefix and an ellipsis.
// A pure function of the text, one pass, no allocation when nothing is found. It is a safety net for people's eyes and
// works by shape (core/secret.hpp), so it can miss a secret that looks like an ordinary word; the raw bytes of a record
// are never shown without being asked for.
#pragma once

#include <string>
#include <string_view>

namespace tidewaiter::store {

/// Works on plain text and on JSON text alike; the result of JSON is still JSON.
std::string mask_secrets(std::string_view text);

}  // namespace tidewaiter::store
