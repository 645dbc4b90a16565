// Words of the event's enumerations as numbers, looked up by the compiler: what judges every event compares numbers.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/enums.hpp"

namespace tidewaiter::detect::word {

/// The number of `text` in the table `words`; does not compile when the table lacks it.
template <std::size_t n>
consteval std::uint64_t number_of(const std::string_view (&words)[n], std::string_view text) {
  for (std::size_t i = 0; i < n; ++i)
    if (words[i] == text) return i;
  throw "no such word";
}

consteval std::uint64_t action(std::string_view text) { return number_of(enums::action_words, text); }
consteval std::uint64_t approval_decision(std::string_view text) { return number_of(enums::approval_decision_words, text); }
consteval std::uint64_t capability_status(std::string_view text) { return number_of(enums::capability_status_words, text); }
consteval std::uint64_t outcome(std::string_view text) { return number_of(enums::outcome_words, text); }
consteval std::uint64_t principal_type(std::string_view text) { return number_of(enums::principal_type_words, text); }
consteval std::uint64_t provenance_kind(std::string_view text) { return number_of(enums::provenance_kind_words, text); }
consteval std::uint64_t provenance_status(std::string_view text) { return number_of(enums::provenance_status_words, text); }
consteval std::uint64_t resource_type(std::string_view text) { return number_of(enums::resource_type_words, text); }
consteval std::uint64_t risk_tier(std::string_view text) { return number_of(enums::risk_tier_words, text); }

}  // namespace tidewaiter::detect::word
