#include "ingest/json_check.hpp"

#include <algorithm>
#include <bitset>
#include <string>

#include "ingest/json_text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t depth_hard_max = 1024;

/// Well-formed by table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
/// A last character that the end cuts off is left to the Checker, which will call it truncated.
/// Returns where the first bad character begins, or npos.
std::size_t first_bad_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const auto lead = static_cast<unsigned char>(text[at++]);
    if (lead < 0x80) continue;
    if (lead < 0xC2 || lead > 0xF4) return begin;
    const int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (int i = 0; i < more; ++i) {
      if (at == text.size()) return std::string_view::npos;
      const auto next = static_cast<unsigned char>(text[at++]);
      if (next < low || next > high) return begin;
      low = 0x80;
      high = 0xBF;
    }
  }
  return std::string_view::npos;
}

/// Reads one JSON text token by token. A rule that fails at the very end of the bytes means: truncated.
class Checker {
 public:
  Checker(std::string_view text, const JsonLimits& limits)
      : text_(text), limits_(limits), depth_max_(std::min(limits.depth_max, depth_hard_max)) {}

  RejectReason run() {
    skip_space();
    if (at_end()) return RejectReason::not_json;
    if (!value()) return reason_;
    while (depth_ > 0)
      if (!step()) return reason_;
    skip_space();
    return at_end() ? RejectReason::none : RejectReason::trailing_bytes;
  }

  std::size_t place() const { return at_; }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  bool fail(RejectReason reason) {
    reason_ = reason;
    return false;
  }
  /// What was expected is not there: either the text is over or it is no JSON.
  bool unexpected() { return fail(at_end() ? RejectReason::truncated : RejectReason::not_json); }
  void skip_space() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// Inside the innermost container, behind a value or behind its opening.
  bool step() {
    skip_space();
    const bool object = objects_[depth_ - 1];
    if (take(object ? '}' : ']')) {
      fresh_ = false;
      --depth_;
      return true;
    }
    if (!fresh_) {
      if (!take(',')) return unexpected();
      skip_space();
    }
    fresh_ = false;
    return object ? member() : value();
  }

  bool member() {
    if (!take('"')) return unexpected();
    if (!string()) return false;
    if (++keys_ > limits_.keys_max) return fail(RejectReason::too_many_keys);
    skip_space();
    if (!take(':')) return unexpected();
    skip_space();
    return value();
  }

  bool value() {
    if (take('"')) return string();
    if (take('{')) return open(true);
    if (take('[')) return open(false);
    return scalar();
  }

  bool open(bool object) {
    if (depth_ >= depth_max_) return fail(RejectReason::too_deep);
    objects_[depth_++] = object;
    fresh_ = true;
    return true;
  }

  bool string() {
    while (!at_end()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return fail(RejectReason::not_json);
      if (c == '\\' && !escape()) return false;
    }
    return fail(RejectReason::truncated);
  }

  bool escape() {
    if (at_end()) return fail(RejectReason::truncated);
    const char kind = text_[at_++];
    if (kind != 'u')
      return std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos || fail(RejectReason::not_json);
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_end()) return fail(RejectReason::truncated);
      const char c = text_[at_];
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
        return fail(RejectReason::not_json);
    }
    return true;
  }

  bool scalar() {
    const std::size_t begin = at_;
    auto in_token = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' ||
             c == '.';
    };
    while (!at_end() && in_token(text_[at_])) ++at_;
    const std::string_view token = text_.substr(begin, at_ - begin);
    if (is_json_literal(token) || is_json_number(token)) return true;
    if (at_end() && could_go_on(token)) return fail(RejectReason::truncated);
    return fail(RejectReason::not_json);
  }

  /// The beginning of a literal or number, cut off by the end of the text. Nothing at all counts.
  static bool could_go_on(std::string_view token) {
    for (std::string_view word : {"true", "false", "null"})
      if (word.substr(0, token.size()) == token) return true;
    return is_json_number(std::string(token) + "0");
  }

  std::string_view text_;
  const JsonLimits& limits_;
  std::size_t depth_max_;
  std::size_t at_ = 0, depth_ = 0, keys_ = 0;
  bool fresh_ = false;  // just opened: a closing bracket or a first member may follow
  std::bitset<depth_hard_max> objects_;
  RejectReason reason_ = RejectReason::none;
};

}  // namespace

RejectReason check_json(std::string_view text, const JsonLimits& limits, std::size_t* place) {
  std::size_t at = 0;
  if (place == nullptr) place = &at;
  *place = limits.message_bytes_max;
  if (text.size() > limits.message_bytes_max) return RejectReason::too_large;
  *place = first_bad_utf8(text);
  if (*place != std::string_view::npos) return RejectReason::not_utf8;
  const std::size_t mark = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  Checker checker(text.substr(mark), limits);
  const RejectReason reason = checker.run();
  *place = mark + checker.place();
  return reason;
}

}  // namespace tidewaiter::ingest
