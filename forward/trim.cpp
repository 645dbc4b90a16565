// Cutting a text to a receiver's limit, one field at a time: what is left is still one whole JSON object or CEF line.
#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "forward/format.hpp"

namespace tidewaiter::forward {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view ellipsis = "\xE2\x80\xA6";
constexpr std::size_t kept_bytes = 64;  // what a long value keeps at least (a uid is not longer), before fields go

// The longest prefix of at most `size` bytes that ends between two characters.
std::size_t whole_characters(std::string_view text, std::size_t size) {
  if (size >= text.size()) return text.size();
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return size;
}

struct Longest {
  Json* value = nullptr;
  std::size_t size = 0;
};

// The longest string above kept_bytes, or an array with more than one element (weighed by its text).
void find_longest(Json& node, Longest& best) {
  if (node.is_string()) {
    const std::size_t size = node.get_ref<const std::string&>().size();
    if (size > kept_bytes + ellipsis.size() && size > best.size) best = {&node, size};
    return;
  }
  if (!node.is_structured()) return;
  if (node.is_array() && node.size() > 1) {
    const std::size_t size = node.dump(-1, ' ', false, Json::error_handler_t::replace).size() / 2;
    if (size > best.size) best = {&node, size};
  }
  for (auto& child : node) find_longest(child, best);
}

void cut(Json& value, std::size_t excess) {
  if (value.is_array()) {
    while (value.size() > 1 && excess > 0) {
      const std::size_t gone = value.back().dump(-1, ' ', false, Json::error_handler_t::replace).size() + 1;
      value.erase(value.size() - 1);
      excess -= std::min(excess, gone);
    }
    return;
  }
  const auto& text = value.get_ref<const std::string&>();
  const std::size_t wanted = text.size() > excess + ellipsis.size() ? text.size() - excess - ellipsis.size() : 0;
  value = text.substr(0, whole_characters(text, std::max(wanted, kept_bytes))) + std::string(ellipsis);
}

bool is_essential(std::string_view key) {
  constexpr std::string_view keys[] = {"uid",   "log",  "seq",   "sub",      "commit", "trimmed",
                                       "title", "time", "kind",  "severity", "rule",   "detector"};
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

// The last field that the receiver can do without.
bool drop_field(Json& object) {
  for (std::size_t i = object.size(); i-- > 0;) {
    auto it = object.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(i));
    if (is_essential(it.key())) continue;
    object.erase(it);
    return true;
  }
  return false;
}

struct Extension {
  std::string_view key, text;  // text = "key=value", escaped
};

// Extensions begin at a space followed by a key and an unescaped '='.
std::vector<Extension> split_extensions(std::string_view text) {
  std::vector<Extension> out;
  std::size_t start = 0, last_space = std::string_view::npos;
  std::size_t key_end = text.find('=');
  for (std::size_t i = key_end + 1; key_end != std::string_view::npos && i <= text.size(); ++i) {
    if (i == text.size()) {
      out.push_back({text.substr(start, key_end - start), text.substr(start)});
    } else if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ' ') {
      last_space = i;
    } else if (text[i] == '=' && last_space != std::string_view::npos) {
      out.push_back({text.substr(start, key_end - start), text.substr(start, last_space - start)});
      start = last_space + 1;
      key_end = i;
      last_space = std::string_view::npos;
    }
  }
  return out;
}

// Position behind the header's seventh unescaped '|'.
std::size_t header_end(std::string_view cef) {
  int bars = 0;
  for (std::size_t i = 0; i < cef.size(); ++i) {
    if (cef[i] == '\\')
      ++i;
    else if (cef[i] == '|' && ++bars == 7)
      return i + 1;
  }
  return cef.size();
}

std::size_t without_half_escape(std::string_view text, std::size_t size) {
  std::size_t slashes = 0;
  while (slashes < size && text[size - 1 - slashes] == '\\') ++slashes;
  return slashes % 2 == 1 ? size - 1 : size;
}

}  // namespace

std::string trim_json(std::string json, std::size_t bytes_max) {
  if (json.size() <= bytes_max) return json;
  Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return "{\"trimmed\":true}";
  object["trimmed"] = true;
  for (;;) {
    std::string out = object.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (out.size() <= bytes_max) return out;
    Longest longest;
    find_longest(object, longest);
    if (longest.value != nullptr)
      cut(*longest.value, out.size() - bytes_max);
    else if (!drop_field(object))
      return "{\"trimmed\":true}";
  }
}

std::string trim_cef(std::string cef, std::size_t bytes_max) {
  constexpr std::string_view mark = " tidewaiterTrimmed=true";
  if (cef.size() <= bytes_max) return cef;
  const std::size_t header = header_end(cef);
  std::vector<Extension> extensions = split_extensions(std::string_view(cef).substr(header));
  std::size_t size = cef.size() + mark.size();
  // A label goes with its value, the longest first; what identifies the item stays.
  while (size > bytes_max) {
    auto longest = extensions.end();
    for (auto it = extensions.begin(); it != extensions.end(); ++it) {
      const bool essential = it->key == "rt" || it->key == "externalId" || it->key == "cat";
      if (!essential && (longest == extensions.end() || it->text.size() > longest->text.size())) longest = it;
    }
    if (longest == extensions.end()) break;
    const std::size_t excess = size - bytes_max;
    const std::size_t floor = longest->key.size() + 1 + kept_bytes;
    if (longest->text.size() > floor + excess || longest->text.size() > floor + kept_bytes) {
      const std::size_t wanted = std::max(floor, longest->text.size() - std::min(longest->text.size(), excess));
      const std::size_t kept = without_half_escape(longest->text, whole_characters(longest->text, wanted));
      size -= longest->text.size() - kept;
      longest->text = longest->text.substr(0, kept);
      continue;
    }
    const std::string label = std::string(longest->key) + "Label";
    size -= longest->text.size() + 1;
    extensions.erase(longest);
    std::erase_if(extensions, [&](const Extension& extension) {
      if (extension.key != label) return false;
      size -= extension.text.size() + 1;
      return true;
    });
  }
  std::string out = cef.substr(0, header);
  for (const Extension& extension : extensions) {
    if (out.back() != '|') out += ' ';
    out += extension.text;
  }
  out += out.back() == '|' ? mark.substr(1) : mark;
  return out;
}

}  // namespace tidewaiter::forward
