// What the reference reader makes of texts: the words of `as` and `form` of docs/formats.md, each in the plainest way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidewaiter::ingest::testing {

/// ns since 1970; nothing when the text is no time of this form.
std::optional<std::int64_t> reference_time(const std::string& text, const std::string& form);

struct ReferenceNumber {
  std::uint64_t value;
  bool lossy;
};
/// An unsigned integer, in digits, or with a fraction or exponent that leave it one.
std::optional<ReferenceNumber> reference_number(const std::string& text);

/// A number of JSON, whatever its size.
bool is_number(const std::string& text);
/// Of an address that was read: an octet of IPv4 in it begins with a zero that it does not need.
bool has_padded_octet(const std::string& address);

/// What `as` reads out of the text before it becomes a value; nothing when there is none. `as` that only say what the
/// value is (copy, enum ...) give the text.
std::optional<std::string> reference_extract(const std::string& text, const std::string& as);

std::string lower_case(std::string text);
/// A host in lower case without its last dot; names of other scripts are left to normal_host.
std::string host_form(std::string text);

/// Part of the text between separators, from 0, negative from the end; "" when there are fewer.
std::string part_of(const std::string& text, char separator, int number);

/// A word of the mapping with '*' at its beginning, its end or both.
bool matches(const std::string& pattern, std::string_view word);

/// What a column that holds the id or hash of a credential is given for this text: credentials in it are hashed.
std::string id_without_secrets(const std::string& column, std::string text, std::uint64_t& flags);

}  // namespace tidewaiter::ingest::testing
