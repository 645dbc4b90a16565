#include "ingest/recipe_values.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/text.hpp"
#include "ingest/extracts.hpp"
#include "ingest/host_name.hpp"
#include "ingest/json_text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t sha256_bytes = 32;

/// A hash may be of whole objects, too.
bool is_part(const ColumnSource& source, const Cell& cell) {
  const bool fits = cell.is_text() || (source.extract == Extract::hash && cell.kind != Cell::Kind::none);
  return fits && !cell.text.empty();
}

bool all_hold(const std::vector<Condition>& conditions, const Cell* cells) {
  return std::all_of(conditions.begin(), conditions.end(), [&](const Condition& one) { return one.holds(cells); });
}

std::string_view segment_of(std::string_view text, char separator, int segment) {
  if (segment < 0) {
    for (; segment < -1; ++segment) {
      const std::size_t at = text.rfind(separator);
      if (at == std::string_view::npos) return {};
      text = text.substr(0, at);
    }
    const std::size_t at = text.rfind(separator);
    return at == std::string_view::npos ? text : text.substr(at + 1);
  }
  for (; segment > 0; --segment) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + 1);
  }
  return text.substr(0, text.find(separator));
}

bool is_between_words(char c) { return c == ' ' || c == ',' || c == '\t' || c == '\n' || c == '\r'; }

/// Calls `visit` with each string of a JSON array, escapes still in it.
template <class Visit>
void for_each_string(std::string_view list, Visit visit) {
  int depth = 0;
  for (std::size_t at = 0; at < list.size(); ++at) {
    if (list[at] == '[' || list[at] == '{') ++depth;
    if (list[at] == ']' || list[at] == '}') --depth;
    if (list[at] != '"') continue;
    const StringExtent extent = string_extent(list.data() + at + 1);
    if (depth == 1) visit(list.substr(at + 1, extent.length), extent.escaped);
    at += extent.length + 1;
  }
}

}  // namespace

bool RecipeValues::fits(const Recipe& recipe, const CellShape& shape, const Cell* cells) {
  if (shape.fit != CellShape::Fit::by_text) return shape.fit == CellShape::Fit::yes;
  return std::any_of(recipe.detect.begin(), recipe.detect.end(),
                     [&](const std::vector<Condition>& way) { return all_hold(way, cells); });
}

inline bool RecipeValues::give(const Leaf& leaf, const Constant& value) {
  if (value.kind == Constant::Kind::number) writer_.set(static_cast<Num>(leaf.slot), value.number);
  else writer_.set(static_cast<Str>(leaf.slot), value.text);
  return true;
}

inline bool RecipeValues::take(const CellShape& shape, const CellShape::Step& step, const Cell* cells) {
  for (std::uint32_t i = 0; i < step.check_count; ++i)
    if (!shape.checks[step.first_check + i]->holds(cells)) return false;
  const ColumnSource& source = *step.source;
  if (step.value.kind != Constant::Kind::unknown) return give(source.leaf, step.value);
  if (step.cell < 0) return offer(source, cells);
  const Cell& cell = cells[step.cell];
  if (cell.is_text()) return !cell.text.empty() && writer_.offer(source.leaf, cell.text);
  return cell.kind == Cell::Kind::array && offer_list(source, cell.text);
}

void RecipeValues::fill(const Recipe& recipe, const CellShape& shape, const Cell* cells, Batch& batch,
                        const Record& record, Event& event, std::uint64_t flags, Explanation* explanation) {
  batch_ = &batch;
  writer_.begin(batch, event, flags | shape.flags);
  const auto count = static_cast<std::uint32_t>(shape.steps.size());
  for (std::uint32_t i = 0; i < count;) {
    const CellShape::Step& step = shape.steps[i];
    if (!take(shape, step, cells)) {
      ++i;
      continue;
    }
    writer_.flag(step.source->flag);
    if (explanation != nullptr)
      explanation->lines.push_back({event.sub, std::string(step.column->name), step.source->description});
    i = step.behind;
  }
  for (const Mark* mark : shape.marks)
    if (all_hold(mark->when, cells)) writer_.flag(mark->flag);
  writer_.finish(record, recipe.defaults, recipe.number, recipe.version);
}

void RecipeValues::set_signer(Batch& batch, std::string_view identity, Event& event) {
  const std::string_view known = event.get(Str::principal);
  if (!known.empty() && known != "unknown") return;
  identity = identity.substr(0, info(Str::principal).limit_bytes);
  char* out = EventWriter::derive(batch, identity.size());
  std::memcpy(out, identity.data(), identity.size());
  event.set(Str::principal, {out, identity.size()});
  const std::string_view type = identity.find("://") != std::string_view::npos ? "ci_job"
                                : identity.find('@') != std::string_view::npos ? "user" : "service";
  event.set(Num::principal_type, *enums::principal_type.find(type));
}

std::string_view RecipeValues::keep(std::string_view text) {
  char* out = EventWriter::derive(*batch_, text.size());
  std::memcpy(out, text.data(), text.size());
  return {out, text.size()};
}

/// `start` and the bytes in hex.
std::string_view RecipeValues::keep_hex(std::string_view start, std::string_view bytes) {
  char* const out = EventWriter::derive(*batch_, start.size() + 2 * bytes.size());
  char* at = std::copy(start.begin(), start.end(), out);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *at++ = "0123456789abcdef"[byte >> 4];
    *at++ = "0123456789abcdef"[byte & 15];
  }
  return {out, static_cast<std::size_t>(at - out)};
}

/// The hex digits in lower case: one digest has one spelling.
std::string_view RecipeValues::keep_digest(std::string_view name, std::string_view hex) {
  char* const out = EventWriter::derive(*batch_, name.size() + hex.size());
  char* const digits = std::copy(name.begin(), name.end(), out);
  lower_ascii(hex, digits);
  return {out, name.size() + hex.size()};
}

/// "a, b,c" as "a b c".
std::string_view RecipeValues::keep_words(std::string_view text) {
  char* const out = EventWriter::derive(*batch_, text.size());
  char* at = out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_between_words(text[i])) continue;
    if (at != out && is_between_words(text[i - 1])) *at++ = ' ';
    *at++ = text[i];
  }
  return {out, static_cast<std::size_t>(at - out)};
}

std::string_view RecipeValues::keep_number(std::size_t number) {
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return keep({digits, static_cast<std::size_t>(end - digits)});
}

bool RecipeValues::offer_count(const ColumnSource& source, std::uint32_t count) {
  char digits[16];
  const char* end = std::to_chars(digits, digits + sizeof digits, count).ptr;
  return writer_.offer(source.leaf, {digits, static_cast<std::size_t>(end - digits)});
}

bool RecipeValues::offer(const ColumnSource& source, const Cell* cells) {
  if (source.parts.size() == 1 && source.parts[0].cell >= 0) {
    const Cell& cell = cells[source.parts[0].cell];
    if (cell.kind == Cell::Kind::none) return false;
    if (!source.pick.empty() && source.extract == Extract::count) {
      const auto count = cell.is_text() ? std::nullopt : picked_count(source.pick, cell.text, cells);
      return count && offer_count(source, *count);
    }
    if (!source.pick.empty()) {
      const auto text = cell.is_text() ? std::nullopt : picked_text(source.pick, cell.text, cells);
      return text && offer_text(source, keep(*text));
    }
    if (source.extract == Extract::count) {
      return cell.kind == Cell::Kind::array && offer_count(source, cell.count);
    }
    if (cell.kind == Cell::Kind::array && source.extract == Extract::none) return offer_list(source, cell.text);
    if (!cell.is_text() && source.extract != Extract::hash && source.extract != Extract::size) return false;
  }
  std::string_view text;
  return text_of(source, cells, text) && offer_text(source, text);
}

const TableRow* RecipeValues::row_of(const ColumnSource& source, std::string_view text) {
  const Word word(text);
  for (const TableRow& row : source.table)
    if (row.from.matches(word)) return &row;
  return nullptr;
}

bool RecipeValues::offer_text(const ColumnSource& source, std::string_view text) {
  if (source.separator != 0) text = segment_of(text, source.separator, source.segment);
  if (text.empty() || !extract(source.extract, text)) return false;
  if (!source.table.empty()) {
    const TableRow* row = row_of(source, text);
    if (row == nullptr) return false;
    if (row->value.kind != Constant::Kind::unknown) return give(source.leaf, row->value);
    if (!row->keep) text = row->to;
  }
  return !text.empty() && writer_.offer(source.leaf, text);
}

/// Arrays fill sets, and columns of joined words.
bool RecipeValues::offer_list(const ColumnSource& source, std::string_view list) {
  if (source.leaf.as != Transform::word_set && source.leaf.as != Transform::join_words) return false;
  bool any = false;
  for_each_string(list, [&](std::string_view text, bool escaped) {
    if (escaped) {
      char* out = EventWriter::derive(*batch_, text.size());
      const Unescaped made = unescape_json(text, out);
      if (made.replaced) writer_.flag(flag::bad_utf8_replaced);
      text = {out, made.length};
    }
    any = offer_text(source, text) || any;
  });
  return any;
}

bool RecipeValues::text_of(const ColumnSource& source, const Cell* cells, std::string_view& text) {
  for (const ColumnSource::Literal& one : source.which)
    if (cells[one.cell].kind != Cell::Kind::none) {
      text = one.text;
      return true;
    }
  if (source.parts.empty()) return false;
  if (source.parts.size() > 1) return put_together(source, cells, text);
  const SourcePart& part = source.parts[0];
  text = part.cell < 0 ? part.literal : cells[part.cell].text;
  return true;
}

bool RecipeValues::put_together(const ColumnSource& source, const Cell* cells, std::string_view& text) {
  std::size_t size = 0;
  bool any = false;
  for (const SourcePart& part : source.parts) {
    const bool there = part.cell < 0 || is_part(source, cells[part.cell]);
    if (!there && !source.some_suffice) return false;
    if (!there) continue;
    any = any || part.cell >= 0;
    size += source.with.size() + (part.cell < 0 ? part.literal.size() : cells[part.cell].text.size());
  }
  if (!any) return false;
  char* const out = EventWriter::derive(*batch_, size);
  char* at = out;
  for (const SourcePart& part : source.parts) {
    const std::string_view piece = part.cell < 0 ? part.literal : is_part(source, cells[part.cell]) ? cells[part.cell].text : "";
    if (piece.empty()) continue;
    if (at != out) at = std::copy(source.with.begin(), source.with.end(), at);
    at = std::copy(piece.begin(), piece.end(), at);
  }
  text = {out, static_cast<std::size_t>(at - out)};
  return true;
}

bool RecipeValues::extract(Extract what, std::string_view& text) {
  switch (what) {
    case Extract::none: case Extract::count: return true;
    case Extract::hash: text = keep_hex("sha256:", as_view(hash_.digest(text))); return true;
    case Extract::size: text = keep_number(text.size()); return true;
    case Extract::hex_of_base64: {
      const auto bytes = from_base64(text);
      if (!bytes) return false;
      text = keep_hex("", *bytes);
      return true;
    }
    case Extract::digest: {
      const std::string_view hex = sha256_in(text);
      if (!hex.empty()) {
        text = keep_digest("sha256:", hex);
      } else if (is_named_digest(text)) {
        const std::size_t name_end = text.find(':') + 1;
        text = keep_digest(text.substr(0, name_end), text.substr(name_end));
      } else {
        const auto bytes = from_base64(text);
        if (!bytes || bytes->size() != sha256_bytes) return false;
        text = keep_hex("sha256:", *bytes);
      }
      return true;
    }
    case Extract::url_host: text = url_host(text); break;
    case Extract::url_port: text = url_port(text); break;
    case Extract::host_name: return is_host_name(text);
    case Extract::hex_id: return is_hex_id(text);
    case Extract::other_id: return !is_hex_id(text);
    case Extract::words: text = keep_words(text); break;
    case Extract::endpoint_ip: text = endpoint_host(text); break;
    case Extract::endpoint_host: text = endpoint_host(text); return is_host_name(text);
    case Extract::endpoint_port: text = endpoint_port(text); break;
    case Extract::tuple_src_ip: text = endpoint_host(tuple_side(text, false)); break;
    case Extract::tuple_src_port: text = endpoint_port(tuple_side(text, false)); break;
    case Extract::tuple_dst_ip: text = endpoint_host(tuple_side(text, true)); break;
    case Extract::tuple_dst_port: text = endpoint_port(tuple_side(text, true)); break;
  }
  return !text.empty();
}

}  // namespace tidewaiter::ingest
