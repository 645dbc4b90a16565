#include "app/sample_messages.hpp"

#include <algorithm>

#include "ingest/json_check.hpp"
#include "ingest/json_text.hpp"

namespace tidewaiter::app {
namespace {

constexpr ingest::JsonLimits wide{std::size_t{1} << 40, 1024, std::size_t{1} << 40};
constexpr std::string_view spaces = " \t\r\n";

/// Reason and place, of UTF-8 that is bad behind the document as if the text ended there.
RejectReason judge(std::string_view text, std::size_t& place) {
  const RejectReason reason = ingest::check_json(text, wide, &place);
  if (reason != RejectReason::not_utf8) return reason;
  const RejectReason before = ingest::check_json(text.substr(0, place), wide, &place);
  return before == RejectReason::trailing_bytes ? before : reason;
}

/// How many bytes of `text` the JSON document takes that begins in its first line and goes on in others; 0 when there is
/// none. One that is cut off by the end of the text takes all of it. Looks at twice the lines each time, so that a line
/// that is cut off by itself costs no more than the next one.
std::size_t document_over_lines(std::string_view text, std::size_t line_bytes) {
  std::size_t place = 0;
  for (std::size_t window = line_bytes; judge(text.substr(0, window), place) == RejectReason::truncated;) {
    if (window == text.size()) return text.find_last_not_of(spaces) + 1;
    window = std::min(text.find('\n', std::min(2 * window + 1, text.size())), text.size());
    const RejectReason reason = judge(text.substr(0, window), place);
    if (reason == RejectReason::none) return text.find_last_not_of(spaces, window - 1) + 1;
    if (reason == RejectReason::trailing_bytes) return text.find_last_not_of(spaces, place - 1) + 1;
  }
  return 0;
}

}  // namespace

std::vector<SampleMessage> sample_messages(std::string_view file) {
  std::vector<SampleMessage> messages;
  std::size_t number = 1;
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t end = std::min(file.find('\n', at), file.size());
    std::string_view line = file.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t bytes = ingest::begins_like_json(line) ? document_over_lines(file.substr(at), end - at) : 0;
    if (at + bytes > end) {  // several lines
      const std::string_view text = file.substr(at, bytes);
      const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
      messages.push_back({text, number, lines});
      number += lines - 1;
      at += bytes;
      const std::size_t next = std::min(file.find_first_not_of(" \t\r", at), file.size());
      if (next < file.size() && file[next] != '\n') {  // the next one begins in the line that this one ends in
        at = next;
        continue;
      }
      at = next + 1;
    } else {
      if (!ingest::trimmed(line).empty()) messages.push_back({line, number, 1});
      at = end + 1;
    }
    ++number;
  }
  return messages;
}

}  // namespace tidewaiter::app
