#include "ingest/mapping_path.hpp"

#include <charconv>

namespace tidewaiter::ingest {
namespace {

using Kind = PathStep::Kind;

class PathReader {
 public:
  explicit PathReader(std::string_view text) : whole_(text), rest_(text) {}

  Result<std::vector<Path>> run() {
    std::vector<Path> ways(1);
    bool first = true;
    while (!rest_.empty()) {
      if (!first && !take('.') && rest_.front() != '[' && rest_.front() != '{') return wrong("'.', '[' or '{'");
      if (rest_.starts_with('[') || rest_.starts_with('{')) {
        TRY_ASSIGN(const PathStep step, rest_.front() == '[' ? element() : decoding());
        for (Path& way : ways) way.push_back(step);
      } else {
        TRY_ASSIGN(const std::vector<std::string> keys, key());
        ways = with_each(ways, keys);
      }
      first = false;
    }
    return ways;
  }

 private:
  Error wrong(std::string_view expected) const {
    return fail(Code::invalid_argument, "path '" + std::string(whole_) + "': expected " + std::string(expected) +
                                            " at '" + std::string(rest_) + "'");
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  Result<std::string> until(char end) {
    const std::size_t at = rest_.find(end);
    if (at == std::string_view::npos) return wrong(std::string("'") + end + "'");
    std::string text(rest_.substr(0, at));
    rest_.remove_prefix(at + 1);
    return text;
  }

  static std::vector<Path> with_each(const std::vector<Path>& ways, const std::vector<std::string>& keys) {
    std::vector<Path> more;
    for (const Path& way : ways)
      for (const std::string& key : keys) {
        more.push_back(way);
        more.back().push_back({Kind::key, key, 0});
      }
    return more;
  }

  Result<std::vector<std::string>> key() {
    if (take('\'')) {
      TRY_ASSIGN(std::string text, until('\''));
      return std::vector<std::string>{std::move(text)};
    }
    if (take('(')) {
      TRY_ASSIGN(const std::string list, until(')'));
      std::vector<std::string> keys(1);
      for (const char c : list)
        if (c == '|') keys.emplace_back();
        else keys.back() += c;
      return keys;
    }
    const std::size_t end = rest_.find_first_of(".[{");
    std::string text(rest_.substr(0, end));
    if (text.empty()) return wrong("a key");
    rest_.remove_prefix(text.size());
    return std::vector<std::string>{std::move(text)};
  }

  Result<PathStep> element() {
    take('[');
    TRY_ASSIGN(const std::string inside, until(']'));
    if (inside.empty()) return PathStep{Kind::each, {}, 0};
    PathStep step{Kind::index, {}, 0};
    const auto parsed = std::from_chars(inside.data(), inside.data() + inside.size(), step.index);
    if (parsed.ec != std::errc() || parsed.ptr != inside.data() + inside.size() || step.index < -1)
      return wrong("a place from 0, or -1, in brackets");
    return step;
  }

  Result<PathStep> decoding() {
    take('{');
    TRY_ASSIGN(const std::string word, until('}'));
    if (word == "json") return PathStep{Kind::json, {}, 0};
    if (word == "base64_json") return PathStep{Kind::base64_json, {}, 0};
    if (word == "text") return PathStep{Kind::text, {}, 0};
    if (word == "kv") return PathStep{Kind::kv, "key", 0};
    if (word.starts_with("kv:") && word.size() > 3) return PathStep{Kind::kv, word.substr(3), 0};
    return wrong("json, base64_json, text, kv or kv:NAME in braces");
  }

  std::string_view whole_, rest_;
};

}  // namespace

Result<ParsedPath> parse_path(std::string_view text) {
  ParsedPath parsed;
  parsed.ways.resize(1);
  if (text == "@raw") {
    parsed.origin = ParsedPath::Origin::raw;
    return parsed;
  }
  if (text == "@key") {
    parsed.origin = ParsedPath::Origin::message_key;
    return parsed;
  }
  constexpr std::string_view header = "header:";
  if (text.starts_with(header)) {
    parsed.origin = ParsedPath::Origin::header;
    for (const char c : text.substr(header.size())) parsed.header += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return parsed;
  }
  if (text.starts_with('/')) {
    parsed.origin = ParsedPath::Origin::root;
    text.remove_prefix(1);
  }
  while (text.starts_with('^')) {
    ++parsed.up;
    text.remove_prefix(1);
  }
  if (parsed.up > 0 && text.starts_with('.')) text.remove_prefix(1);
  TRY_ASSIGN(parsed.ways, PathReader(text).run());
  return parsed;
}

Path outer_path(Path path) {
  while (!path.empty()) {
    const bool key = path.back().kind == Kind::key;
    path.pop_back();
    if (key) break;
  }
  return path;
}

}  // namespace tidewaiter::ingest
