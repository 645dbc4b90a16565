#include "store/text_search.hpp"

#include <algorithm>

#include "core/json_escape.hpp"
#include "store/mask.hpp"

namespace tidewaiter::store {

namespace {

constexpr std::size_t text_bytes_max = 4096;

std::string unescaped(std::string_view text) {
  std::string out(text.size(), '\0');
  out.resize(unescape_json(text, out.data()).length);
  return out;
}

}  // namespace

Result<TextSearch> TextSearch::compile(const std::vector<std::string>& texts, bool mask) {
  TextSearch search;
  search.mask_ = mask;
  for (const std::string& text : texts) {
    if (text.empty()) return fail(Code::invalid_argument, "the text to search for is empty");
    if (text.size() > text_bytes_max)
      return fail(Code::invalid_argument, "a text to search for has at most " + std::to_string(text_bytes_max) + " bytes");
    auto pattern = filter::Regex::literal(text);
    if (!pattern) return fail(Code::invalid_argument, "the text to search for: " + pattern.error().message);
    search.patterns_.push_back(std::move(*pattern));
  }
  return search;
}

bool TextSearch::all_in(std::string_view text) const {
  return std::all_of(patterns_.begin(), patterns_.end(), [&](const filter::Regex& pattern) { return pattern.matches(text); });
}

// Masking costs more than looking, so it is done only for what was found.
bool TextSearch::found_in(std::string_view message) const {
  if (all_in(message) && (!mask_ || all_in(mask_secrets(message)))) return true;
  if (message.find('\\') == std::string_view::npos || !all_in(unescaped(message))) return false;
  return !mask_ || all_in(mask_secrets(unescaped(mask_secrets(message))));
}

}  // namespace tidewaiter::store
