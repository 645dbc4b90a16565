#include "ingest/json_syntax.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "ingest/json_check.hpp"
#include "ingest/json_text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::string_view spaces = " \t\r\n";

/// Reads the part of a text that breaks no rule, to know what was expected behind it.
class Prefix {
 public:
  enum class Expects { value, key, colon, comma };

  Prefix(std::string_view text, std::size_t size) : text_(text), size_(size) {
    while (at_ < size_ && !is_stopped_) step();
  }

  Expects expects = Expects::value;
  std::vector<std::size_t> open;          // where brackets begin that are not closed
  std::size_t comma = std::string_view::npos;   // the last token, if it is a comma
  std::size_t string = std::string_view::npos;  // where the string begins that the part ends in
  std::size_t word = std::string_view::npos;    // a word that is no value

  bool in_object() const { return !open.empty() && text_[open.back()] == '{'; }

 private:
  void step() {
    const char c = text_[at_];
    if (spaces.find(c) != std::string_view::npos) {
      ++at_;
      return;
    }
    comma = c == ',' ? at_ : std::string_view::npos;
    if (c == '"') return pass_string();
    if (c == '{' || c == '[') {
      open.push_back(at_);
      expects = c == '{' ? Expects::key : Expects::value;
    } else if (c == '}' || c == ']') {
      if (!open.empty()) open.pop_back();
      expects = Expects::comma;
    } else if (c == ',') {
      expects = in_object() ? Expects::key : Expects::value;
    } else if (c == ':') {
      expects = Expects::value;
    } else {
      return pass_word();
    }
    ++at_;
  }

  void pass_string() {
    const std::size_t begin = at_++;
    while (at_ < size_ && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= size_) {
      string = begin;
      is_stopped_ = true;
      return;
    }
    ++at_;
    expects = expects == Expects::key ? Expects::colon : Expects::comma;
  }

  void pass_word() {
    const std::size_t begin = at_;
    while (at_ < size_ && std::string_view(" \t\r\n,:{}[]\"").find(text_[at_]) == std::string_view::npos) ++at_;
    const std::string_view token = text_.substr(begin, at_ - begin);
    if (is_json_literal(token) || is_json_number(token)) {
      expects = Expects::comma;
      return;
    }
    word = begin;
    is_stopped_ = true;
  }

  std::string_view text_;
  std::size_t size_, at_ = 0;
  bool is_stopped_ = false;
};

int line_of(std::string_view text, std::size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

SyntaxFault fault_at(std::string_view text, std::size_t at, const std::string& what) {
  at = std::min(at, text.size());
  const std::size_t before = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  const std::size_t line_begin = before == std::string_view::npos ? 0 : before + 1;
  const int column = static_cast<int>(at - line_begin) + 1;
  return {line_of(text, at), column, "not JSON: column " + std::to_string(column) + ": " + what};
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string shown_at(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == '\n' || c == '\r') return "the end of the line";
  if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F) {
    char code[32];
    std::snprintf(code, sizeof code, "the control character 0x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    return code;
  }
  constexpr std::size_t shown_max = 24;
  const std::size_t end = std::min(text.find_first_of(" \t\r\n,:{}[]\"", at), text.size());
  std::size_t size = std::max<std::size_t>(1, end - at);
  if (size > shown_max) size = shown_max;
  while (at + size < text.size() && (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80) ++size;  // whole characters
  return quoted(text.substr(at, size));
}

std::string expected(const Prefix& prefix) {
  switch (prefix.expects) {
    case Prefix::Expects::value: return "a value";
    case Prefix::Expects::key: return "a key in double quotation marks";
    case Prefix::Expects::colon: return "':' behind the key";
    case Prefix::Expects::comma: return prefix.in_object() ? "',' or '}'" : "',' or ']'";
  }
  return "";
}

SyntaxFault not_json(std::string_view text, std::size_t at) {
  const Prefix prefix(text, at);
  if (prefix.string != std::string_view::npos) {
    const std::size_t last = at == 0 ? 0 : at - 1;
    if (text[last] == '\n' || text[last] == '\r')
      return fault_at(text, prefix.string, "the text that begins here is not closed in its line: end it with '\"'; a line break "
                                           "inside of a text is written \\n");
    if (static_cast<unsigned char>(text[last]) < 0x20)
      return fault_at(text, last, shown_at(text, last) + " inside of a text: write it as \\t or \\u00XX");
    const std::size_t backslash = text.rfind('\\', last);
    return fault_at(text, backslash == std::string_view::npos ? last : backslash, "no escape sequence of JSON: the backslash itself is written \\\\");
  }
  if (prefix.word != std::string_view::npos) at = prefix.word;
  if (at >= text.size()) return fault_at(text, at, "expected " + expected(prefix));
  const char c = text[at];
  if (prefix.comma != std::string_view::npos && (c == '}' || c == ']'))
    return fault_at(text, prefix.comma, "a comma before " + quoted(text.substr(at, 1)) + ": take it away");
  if (c == '#' || c == '/') return fault_at(text, at, "JSON has no comments: take it away");
  std::string what = "expected " + expected(prefix) + ", found " + shown_at(text, at);
  const bool begins_a_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'' || c == '_';
  if (prefix.expects == Prefix::Expects::comma && (c == '"' || c == '{' || c == '[')) what += "; is a comma missing before it?";
  else if (begins_a_word && prefix.expects == Prefix::Expects::value)
    what += "; texts stand in double quotation marks, and the other words are true, false and null";
  else if (begins_a_word && prefix.expects == Prefix::Expects::key) what += "; write it in double quotation marks";
  return fault_at(text, at, what);
}

SyntaxFault truncated(std::string_view text, std::size_t at) {
  const Prefix prefix(text, at);
  if (prefix.string != std::string_view::npos)
    return fault_at(text, at, "the file ends inside of the text that begins in line " + std::to_string(line_of(text, prefix.string)) +
                                  ": end it with '\"', and see whether the file is whole");
  if (prefix.open.empty()) return fault_at(text, at, "the file ends in the middle of a value: see whether it is whole");
  return fault_at(text, at, "the file ends before the " + quoted(text.substr(prefix.open.back(), 1)) + " of line " +
                                std::to_string(line_of(text, prefix.open.back())) + " is closed: put " +
                                (prefix.in_object() ? "'}'" : "']'") + " there, and see whether the file is whole");
}

SyntaxFault not_utf8(std::string_view text, std::size_t at) {
  char code[8];
  std::snprintf(code, sizeof code, "0x%02X", static_cast<unsigned>(static_cast<unsigned char>(at < text.size() ? text[at] : 0)));
  return fault_at(text, at, std::string("the byte ") + code + " is not UTF-8: save the file as UTF-8");
}

bool is_utf16(std::string_view text) {
  return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
         (text.size() > 1 && (text[0] == '\0' || text[1] == '\0'));
}

}  // namespace

std::optional<SyntaxFault> json_syntax_fault(std::string_view text) {
  if (is_utf16(text)) return SyntaxFault{1, 1, "not JSON: this is UTF-16: save the file as UTF-8"};
  const std::size_t marked = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  if (text.find_first_not_of(spaces, marked) == std::string_view::npos)
    return SyntaxFault{1, 1, "not JSON: the file is empty; expected one JSON document"};
  constexpr JsonLimits wide{SIZE_MAX, 1024, SIZE_MAX};
  std::size_t place = 0;
  const RejectReason reason = check_json(text, wide, &place);
  const std::string_view unmarked = text.substr(marked);
  place = place > marked ? place - marked : 0;  // an editor shows no mark
  switch (reason) {
    case RejectReason::none: return std::nullopt;
    case RejectReason::not_utf8: return not_utf8(unmarked, place);
    case RejectReason::truncated: return truncated(unmarked, place);
    case RejectReason::trailing_bytes:
      return fault_at(unmarked, place, "more stands behind the end of the document: " + shown_at(unmarked, place) +
                                           "; is a bracket closed too early?");
    case RejectReason::too_deep: return fault_at(unmarked, place, "nested deeper than 1024 levels");
    default: return not_json(unmarked, place);
  }
}

}  // namespace tidewaiter::ingest
