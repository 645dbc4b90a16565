#include "forward/settings.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "core/text.hpp"

namespace tidewaiter::forward {
namespace {

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string without_line_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Settings::Settings(std::string place, const std::map<std::string, std::string>& values)
    : place_(std::move(place)), values_(values) {}

void Settings::wrong(std::string_view key, std::string message) {
  if (error_) return;
  error_ = fail(Code::invalid_argument, place_ + "." + std::string(key) + ": " + std::move(message));
}

const std::string* Settings::find(std::string_view key) {
  known_.emplace(key);
  const auto it = values_.find(std::string(key));
  return it == values_.end() ? nullptr : &it->second;
}

std::string Settings::text(std::string_view key, std::string_view fallback) {
  const std::string* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (value->find_first_of("\r\n") != std::string::npos) wrong(key, "must be a single line");
  return *value;
}

std::string Settings::required(std::string_view key) {
  std::string value = text(key);
  if (value.empty()) wrong(key, "is missing");
  return value;
}

bool Settings::flag(std::string_view key, bool fallback) {
  const std::string* value = find(key);
  if (value == nullptr) return fallback;
  if (*value == "true" || *value == "false") return *value == "true";
  wrong(key, "expected true or false, got '" + *value + "'");
  return fallback;
}

std::uint64_t Settings::number(std::string_view key, std::uint64_t fallback, std::uint64_t low, std::uint64_t high) {
  const std::string* value = find(key);
  if (value == nullptr) return fallback;
  std::uint64_t result = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), result);
  if (error == std::errc() && end == value->data() + value->size() && result >= low && result <= high) return result;
  wrong(key, "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", got '" + *value +
                 "'");
  return fallback;
}

std::uint64_t Settings::bytes(std::string_view key, std::uint64_t fallback, std::uint64_t low, std::uint64_t high) {
  const std::string* value = find(key);
  if (value == nullptr) return fallback;
  constexpr std::pair<std::string_view, std::uint64_t> units[] = {
      {"", 1}, {"B", 1}, {"KB", 1000}, {"KiB", 1024}, {"MB", 1'000'000}, {"MiB", 1u << 20}};
  std::uint64_t digits = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), digits);
  const std::string_view unit(end, static_cast<std::size_t>(value->data() + value->size() - end));
  for (const auto& [name, factor] : units)
    if (error == std::errc() && unit == name && digits <= high / factor && digits * factor >= low) return digits * factor;
  wrong(key, "expected bytes from " + std::to_string(low) + " to " + std::to_string(high) + ", such as 8192 or 8KiB, got '" +
                 *value + "'");
  return fallback;
}

std::string Settings::word(std::string_view key, std::string_view fallback, std::span<const std::string_view> words) {
  const std::string* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (std::find(words.begin(), words.end(), *value) != words.end()) return *value;
  std::string list;
  for (const std::string_view word : words) list += (list.empty() ? "" : ", ") + std::string(word);
  const std::string_view near = nearest_word(*value, words);
  wrong(key, "'" + *value + "' is none of " + list + (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
  return std::string(fallback);
}

std::string Settings::file(std::string_view key) {
  std::string path = text(key);
  if (!path.empty() && !std::ifstream(path)) wrong(key, "cannot read '" + path + "'");
  return path;
}

std::string Settings::secret(std::string_view key, bool must_exist) {
  const std::string file_key = std::string(key) + "_file", env_key = std::string(key) + "_env";
  const std::string path = text(file_key), variable = text(env_key);
  if (find(key) != nullptr) {
    wrong(key, "secrets do not belong into the configuration file: use " + file_key + " or " + env_key);
  } else if (!path.empty() && !variable.empty()) {
    wrong(file_key, "give either " + file_key + " or " + env_key);
  } else if (!path.empty()) {
    const auto content = read_file(path);
    if (!content) wrong(file_key, "cannot read '" + path + "'");
    std::string value = without_line_end(content.value_or(""));
    if (content && value.empty()) wrong(file_key, "'" + path + "' is empty");
    return value;
  } else if (!variable.empty()) {
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') wrong(env_key, "the environment variable " + variable + " is not set");
    return value == nullptr ? "" : value;
  } else if (must_exist) {
    wrong(file_key, "is missing (or " + env_key + ")");
  }
  return {};
}

Result<void> Settings::finish() {
  if (error_) return *error_;
  const std::vector<std::string_view> words(known_.begin(), known_.end());
  for (const auto& [key, value] : values_) {
    if (known_.contains(key)) continue;
    const std::string_view near = nearest_word(key, words);
    wrong(key, "unknown setting" + (near.empty() ? std::string() : "; did you mean '" + std::string(near) + "'?"));
    return *error_;
  }
  return {};
}

}  // namespace tidewaiter::forward
