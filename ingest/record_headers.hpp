// Headers of a record's body, without the allocation of read_body.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/record.hpp"
#include "core/text.hpp"

namespace tidewaiter::ingest {

/// `visit(name, value)`; null values are left out.
template <class Visit>
void for_each_header(const Record& record, Visit visit) {
  const char* at = record.body.data();
  auto length = [&] {
    const auto value = get_be<std::uint32_t>(at);
    at += 4;
    return value;
  };
  auto text = [&](std::uint32_t size) {
    const std::string_view view(at, size);
    at += size;
    return view;
  };
  constexpr std::uint32_t null_length = 0xFFFFFFFF;
  if (const std::uint32_t key = length(); key != null_length) text(key);
  for (std::uint32_t left = length(); left > 0; --left) {
    const std::string_view name = text(length());
    const std::uint32_t size = length();
    if (size != null_length) visit(name, text(size));
  }
}

/// Mostly they are equal as they are, which is seen at once.
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a == b || (a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
                      return (x | 0x20) == (y | 0x20);
                    }));
}

/// Attributes of a message as headers, as in the binary mode of CloudEvents: visits those with the prefix, without it.
/// False, and none visited: there are none, or content-type says that the value is the whole form.
template <class Visit>
bool for_each_attribute(const Record& record, std::string_view prefix, std::string_view whole_content_type, Visit visit) {
  if (prefix.empty() || record.body.empty()) return false;
  bool whole = false, any = false;
  for_each_header(record, [&](std::string_view name, std::string_view text) {
    if (name.starts_with(prefix)) any = true;
    else if (equal_ignoring_case(name, "content-type"))
      whole = text.size() >= whole_content_type.size() &&
              equal_ignoring_case(text.substr(0, whole_content_type.size()), whole_content_type);
  });
  if (whole || !any) return false;
  for_each_header(record, [&](std::string_view name, std::string_view text) {
    if (name.starts_with(prefix)) visit(name.substr(prefix.size()), text);
  });
  return true;
}

}  // namespace tidewaiter::ingest
