// Messages about a filter's text: the column of the character, the line with a caret, the nearest valid word.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace tidewaiter::filter {

/// `at` is a byte offset into `text`; columns are counted in characters, from 1.
Error error_at(std::string_view text, std::size_t at, const std::string& what);

/// "; did you mean 'x'?" or nothing.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

/// The word in single quotes, cut when long, for a message.
std::string shown(std::string_view word);

}  // namespace tidewaiter::filter
