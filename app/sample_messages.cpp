#include "app/sample_messages.hpp"

#include <algorithm>

#include "ingest/json_check.hpp"

namespace tidewaiter::app {
namespace {

constexpr ingest::JsonLimits wide{std::size_t{1} << 40, 1024, std::size_t{1} << 40};
constexpr std::string_view spaces = " \t\r\n";

bool is_document(std::string_view text) { return ingest::check_json(text, wide) == RejectReason::none; }

std::vector<SampleMessage> lines_of(std::string_view file) {
  std::vector<SampleMessage> messages;
  std::size_t number = 1;
  for (std::size_t at = 0; at < file.size(); ++number) {
    const std::size_t end = std::min(file.find('\n', at), file.size());
    std::string_view line = file.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(spaces) != std::string_view::npos) messages.push_back({line, number});
    at = end + 1;
  }
  return messages;
}

/// Some of the first lines are whole objects by themselves.
bool is_by_line(const std::vector<SampleMessage>& lines) {
  constexpr std::size_t looked_at = 5;
  return std::any_of(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(std::min(lines.size(), looked_at)),
                     [](const SampleMessage& line) { return line.text.starts_with('{') && is_document(line.text); });
}

/// End of the object or array that begins at `at`; the end of the file when it is not closed.
std::size_t balanced_end(std::string_view file, std::size_t at) {
  std::size_t depth = 0;
  bool in_string = false;
  for (; at < file.size(); ++at) {
    const char c = file[at];
    if (in_string) {
      if (c == '\\') ++at;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return at + 1;
    }
  }
  return file.size();
}

}  // namespace

std::vector<SampleMessage> sample_messages(std::string_view file) {
  const std::size_t first = file.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  const auto line_of = [&](std::size_t at) {
    return 1 + static_cast<std::size_t>(std::count(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  };
  if (is_document(file)) return {{file, line_of(first)}};
  const std::vector<SampleMessage> lines = lines_of(file);
  if (is_by_line(lines)) return lines;
  if (file[first] != '{' && file[first] != '[') return {{file.substr(first), line_of(first)}};
  std::vector<SampleMessage> messages;
  for (std::size_t at = first; at < file.size();) {
    const std::size_t end = balanced_end(file, at);
    messages.push_back({file.substr(at, end - at), line_of(at)});
    at = std::min(file.find_first_not_of(spaces, end), file.size());
    if (at < file.size() && file[at] != '{' && file[at] != '[') {
      messages.back().text = file.substr(static_cast<std::size_t>(messages.back().text.data() - file.data()));
      break;
    }
  }
  return messages;
}

}  // namespace tidewaiter::app
