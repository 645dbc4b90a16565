// The canonical event as JSON: one object, dotted column names as nested objects, absent columns left out.
#include <array>
#include <charconv>
#include <vector>

#include "core/text.hpp"

namespace tidewaiter {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

void append_number(std::string& out, std::uint64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_set(std::string& out, std::uint64_t bits, std::span<const std::string_view> words) {
  out += '[';
  bool first = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!first) out += ',';
    first = false;
    append_json_string(out, words[i]);
  }
  out += ']';
}

void append_words(std::string& out, std::string_view text) {
  out += '[';
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    if (const std::string_view word = text.substr(0, end); !word.empty()) {
      if (!first) out += ',';
      first = false;
      append_json_string(out, word);
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  out += ']';
}

bool is_secret(Str column) { return column == Str::capability_token_hash || column == Str::tool_args_hash; }

/// At most `bytes` of the text, not cut inside a character.
std::string_view start_of(std::string_view text, std::size_t bytes) {
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

void append_string(std::string& out, const Event& event, Str column, bool mask_secrets) {
  const std::string_view value = event.get(column);
  if (column == Str::capability_scopes)
    append_words(out, value);
  else if (mask_secrets && is_secret(column) && value.size() > 8)
    append_json_string(out, std::string(start_of(value, 8)) + "\xE2\x80\xA6");
  else if (mask_secrets && !url_password_in(value).empty())
    append_json_string(out, without_url_passwords(value));
  else
    append_json_string(out, value);
}

void append_value(std::string& out, const Event& event, const ColumnInfo& column, bool mask_secrets) {
  switch (column.kind) {
    case ColumnKind::string: return append_string(out, event, static_cast<Str>(column.slot), mask_secrets);
    case ColumnKind::ip: return append_json_string(out, format_ip(*event.get(static_cast<Addr>(column.slot))));
    default: break;
  }
  const std::uint64_t value = event.get(static_cast<Num>(column.slot));
  switch (column.kind) {
    case ColumnKind::time: return append_json_string(out, format_rfc3339(static_cast<std::int64_t>(value)));
    case ColumnKind::enumeration: return append_json_string(out, column.words->word(value));
    case ColumnKind::set: return append_set(out, value, column.words->words);
    default: break;
  }
  if (static_cast<Num>(column.slot) == Num::flags) return append_set(out, value, flag_words);
  append_number(out, value);
}

bool present(const Event& event, const ColumnInfo& column) {
  if (column.kind == ColumnKind::string) return event.has(static_cast<Str>(column.slot));
  if (column.kind == ColumnKind::ip) return event.has(static_cast<Addr>(column.slot));
  return event.has(static_cast<Num>(column.slot));
}

/// Columns ordered so that those of one nested object stand together.
std::vector<const ColumnInfo*> output_order() {
  std::vector<const ColumnInfo*> order;
  auto group_of = [](std::string_view name) { return name.substr(0, name.find('.')); };
  for (const ColumnInfo& column : columns) {
    auto place = order.end();
    if (column.name.find('.') != std::string_view::npos)
      for (auto it = order.begin(); it != order.end(); ++it)
        if ((*it)->name.find('.') != std::string_view::npos && group_of((*it)->name) == group_of(column.name))
          place = it + 1;
    order.insert(place, &column);
  }
  return order;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += hex_digits[c >> 4];
        out += hex_digits[c & 15];
    }
  }
  out.append(text, plain, text.size() - plain);
  out += '"';
}

void append_event_json(std::string& out, const Event& event, bool mask_secrets) {
  static const std::vector<const ColumnInfo*> order = output_order();
  std::string_view open_group;
  bool first = true;
  out += '{';
  for (const ColumnInfo* column : order) {
    if (!present(event, *column)) continue;
    const std::size_t dot = column->name.find('.');
    const std::string_view group = dot == std::string_view::npos ? std::string_view() : column->name.substr(0, dot);
    if (!open_group.empty() && group != open_group) out += '}';
    const bool opens = !group.empty() && group != open_group;
    if (!first) out += ',';
    if (opens) {
      append_json_string(out, group);
      out += ":{";
    }
    open_group = group;
    first = false;
    append_json_string(out, dot == std::string_view::npos ? column->name : column->name.substr(dot + 1));
    out += ':';
    append_value(out, event, *column, mask_secrets);
  }
  out += open_group.empty() ? "}" : "}}";
}

}  // namespace tidewaiter
