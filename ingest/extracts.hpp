// What mappings read out of a text: parts of URLs, of "address:port", of "a:p->b:q", digests in references.
// Pure; an empty result means that there is no such thing in the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidewaiter::ingest {

/// Host of "scheme://user@host:port/path", brackets of IPv6 removed.
std::string_view url_host(std::string_view url);
/// Port as written, else that of the scheme (http, https).
std::string_view url_port(std::string_view url);

/// Of "10.0.0.1:443", "[::1]:443", "host:443": what stands before the last colon, and behind it.
std::string_view endpoint_host(std::string_view endpoint);
std::string_view endpoint_port(std::string_view endpoint);

/// Of "10.0.0.1:40000->10.0.0.2:443": the endpoint before or behind the arrow.
std::string_view tuple_side(std::string_view tuple, bool destination);

/// The 64 hex digits behind "sha256:" (or "sha256%3A", "sha256=") anywhere in the text, or the text itself if it is that.
std::string_view sha256_in(std::string_view text);
/// "NAME:HEX" and nothing else: a known algorithm (names as in in-toto's DigestSet) and as many hex digits as it gives.
bool is_named_digest(std::string_view text);

/// An id of W3C Trace Context: 32 hex digits, or the 16 of a span.
bool is_hex_id(std::string_view text);

/// The bytes behind base64, standard or URL-safe, padded or not, line breaks allowed; nothing when it is not that.
std::optional<std::string> decoded_base64(std::string_view text);

}  // namespace tidewaiter::ingest
