#include "store/row.hpp"

#include <charconv>
#include <vector>

#include "core/sha256.hpp"
#include "core/text.hpp"
#include "store/mask.hpp"

namespace tidewaiter::store {

namespace {

constexpr std::int64_t hour_ns = 3'600'000'000'000;

void append_number(std::string& out, std::uint64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_set(std::string& out, std::uint64_t bits, std::span<const std::string_view> words) {
  bool first = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!first) out += '|';
    first = false;
    out += words[i];
  }
}

std::int64_t floor_to(std::int64_t time_ns, std::int64_t step_ns) {
  const std::int64_t rest = time_ns % step_ns;
  return time_ns - (rest < 0 ? rest + step_ns : rest);
}

void append_key(std::string& out, std::string_view key) {
  out += out.size() && out.back() == '{' ? "\"" : ",\"";
  out += key;
  out += "\":";
}

void append_source(std::string& out, const Record& record) {
  append_key(out, "cluster");
  append_json_string(out, record.origin->cluster);
  append_key(out, "topic");
  append_json_string(out, record.origin->topic);
  append_key(out, "partition");
  append_number(out, record.partition);
  append_key(out, "offset");
  append_number(out, record.offset);
}

}  // namespace

std::int64_t Row::time_ns() const {
  return event && event->has(Num::time) ? event->time_ns() : record->record.receive_time_ns;
}

RecordKind Row::kind() const {
  const RecordKind kind = record->record.kind;
  return kind == RecordKind::event && event && !event->has(Num::format) ? RecordKind::unmapped : kind;
}

Result<RowField> RowField::parse(std::string_view name) {
  for (const ColumnInfo& column : columns)
    if (column.name == name) return RowField(std::string(name), Place::column, &column);
  constexpr std::pair<std::string_view, Place> places[] = {
      {"log", Place::log},         {"kind", Place::kind},   {"reason", Place::reason},
      {"cluster", Place::cluster}, {"topic", Place::topic}, {"partition", Place::partition},
      {"hour", Place::hour},       {"day", Place::day}};
  for (const auto& [word, place] : places)
    if (word == name) return RowField(std::string(name), place, nullptr);

  std::vector<std::string_view> known;
  for (const ColumnInfo& column : columns) known.push_back(column.name);
  for (const auto& place : places) known.push_back(place.first);
  const std::string_view near = nearest_word(name, known);
  return fail(Code::invalid_argument, "unknown field '" + std::string(name) + "'" +
                                          (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
}

void RowField::append_text(std::string& out, const Row& row) const {
  const Record& record = row.record->record;
  switch (place_) {
    case Place::column:
      if (row.event) append_column_text(out, *row.event, *column_);
      return;
    case Place::log: out += row.record->log_name; return;
    case Place::kind: out += record_kind_name(row.kind()); return;
    case Place::reason:
      if (record.reason != RejectReason::none) out += reject_reason_name(record.reason);
      return;
    case Place::cluster:
      if (record.origin) out += record.origin->cluster;
      return;
    case Place::topic:
      if (record.origin) out += record.origin->topic;
      return;
    case Place::partition:
      if (record.origin) append_number(out, record.partition);
      return;
    case Place::hour: out += format_rfc3339(floor_to(row.time_ns(), hour_ns)); return;
    case Place::day: out += format_rfc3339(floor_to(row.time_ns(), 24 * hour_ns)).substr(0, 10); return;
  }
}

void append_column_text(std::string& out, const Event& event, const ColumnInfo& column) {
  if (column.kind == ColumnKind::string) {
    out += event.get(static_cast<Str>(column.slot));
    return;
  }
  if (column.kind == ColumnKind::ip) {
    if (const Ip* ip = event.get(static_cast<Addr>(column.slot))) out += format_ip(*ip);
    return;
  }
  const auto number = static_cast<Num>(column.slot);
  if (!event.has(number)) return;
  const std::uint64_t value = event.get(number);
  switch (column.kind) {
    case ColumnKind::time: out += format_rfc3339(static_cast<std::int64_t>(value)); return;
    case ColumnKind::enumeration: out += column.words->word(value); return;
    case ColumnKind::set: append_set(out, value, column.words->words); return;
    default: break;
  }
  if (number == Num::flags) return append_set(out, value, flag_words);
  append_number(out, value);
}

void append_row_json(std::string& out, const Row& row, bool mask) {
  const StoredRecord& stored = *row.record;
  const Record& record = stored.record;
  std::string text = "{";
  append_key(text, "log");
  append_json_string(text, stored.log_name);
  append_key(text, "seq");
  append_number(text, record.seq);
  append_key(text, "sub");
  append_number(text, row.sub());
  if (record.origin) {
    append_key(text, "uid");
    append_json_string(text, to_hex(as_view(event_uid(record, row.sub()))));
  }
  append_key(text, "kind");
  append_json_string(text, record_kind_name(row.kind()));
  append_key(text, "commit");
  append_number(text, stored.commit);
  if (record.origin) append_source(text, record);
  if (record.reason != RejectReason::none) {
    append_key(text, "reason");
    append_json_string(text, reject_reason_name(record.reason));
  }
  append_key(text, "received");
  append_json_string(text, format_rfc3339(record.receive_time_ns));
  if (row.event) {
    append_key(text, "event");
    append_event_json(text, *row.event, mask);
  }
  if (is_own(record.kind) && !record.value.empty()) {
    append_key(text, "body");
    text += record.value;
  }
  text += '}';
  out += mask ? mask_secrets(text) : text;
}

}  // namespace tidewaiter::store
