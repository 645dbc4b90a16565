#include "ingest/mapping_words.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

/// One WordTable per enumeration, never destroyed.
const WordTable* word_table(const EnumTable* words) {
  static std::mutex mutex;
  static auto* tables = new std::map<const EnumTable*, std::unique_ptr<WordTable>>;
  std::lock_guard lock(mutex);
  auto& table = (*tables)[words];
  if (!table) table = std::make_unique<WordTable>(*words);
  return table.get();
}

std::uint64_t largest(const ColumnInfo& column) {
  if (column.kind != ColumnKind::number) return UINT64_MAX;
  const auto num = static_cast<Num>(column.slot);
  if (num == Num::src_port || num == Num::dst_port) return 65'535;
  if (num == Num::activity_id) return 255;
  if (num == Num::class_uid || num == Num::resource_count) return UINT32_MAX;
  return UINT64_MAX;
}

constexpr std::pair<std::string_view, Extract> extract_words[] = {
    {"hash", Extract::hash},
    {"size", Extract::size},
    {"count", Extract::count},
    {"hex_of_base64", Extract::hex_of_base64},
    {"hex_id", Extract::hex_id},
    {"other_id", Extract::other_id},
    {"words", Extract::words},
    {"digest", Extract::digest},
    {"url_host", Extract::url_host},
    {"url_port", Extract::url_port},
    {"host_name", Extract::host_name},
    {"endpoint_ip", Extract::endpoint_ip},
    {"endpoint_host", Extract::endpoint_host},
    {"endpoint_port", Extract::endpoint_port},
    {"tuple_src_ip", Extract::tuple_src_ip},
    {"tuple_src_port", Extract::tuple_src_port},
    {"tuple_dst_ip", Extract::tuple_dst_ip},
    {"tuple_dst_port", Extract::tuple_dst_port}};

constexpr std::pair<std::string_view, Transform> transform_words[] = {
    {"copy", Transform::copy},     {"lower", Transform::lower},       {"host", Transform::host},
    {"enum", Transform::word},     {"set", Transform::word_set},      {"join", Transform::join_words},
    {"uint", Transform::uint},     {"ip", Transform::ip},             {"time", Transform::time}};

bool is_id_of_secret(const ColumnInfo& column) {
  static constexpr Str columns_of_ids[] = {Str::capability_uid, Str::capability_parent_uid, Str::capability_token_hash,
                                           Str::capability_scopes, Str::session, Str::agent_instance_uid,
                                           Str::correlation, Str::tool_call_id};
  return column.kind == ColumnKind::string &&
         std::ranges::find(columns_of_ids, static_cast<Str>(column.slot)) != std::end(columns_of_ids);
}

template <class T, std::size_t n>
std::optional<T> look_up(const std::pair<std::string_view, T> (&words)[n], std::string_view word) {
  for (const auto& [name, meaning] : words)
    if (name == word) return meaning;
  return std::nullopt;
}

}  // namespace

Transform natural_transform(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::string: return Transform::copy;
    case ColumnKind::number: return Transform::uint;
    case ColumnKind::time: return Transform::time;
    case ColumnKind::enumeration: return Transform::word;
    case ColumnKind::set: return Transform::word_set;
    case ColumnKind::ip: return Transform::ip;
  }
  return Transform::copy;
}

std::optional<Transform> transform_of(std::string_view word) { return look_up(transform_words, word); }

std::optional<Extract> extract_of(std::string_view word) { return look_up(extract_words, word); }

std::optional<TimeForm> form_of(std::string_view word) {
  static constexpr std::pair<std::string_view, TimeForm> words[] = {
      {"rfc3339", TimeForm::rfc3339}, {"s", TimeForm::seconds},             {"ms", TimeForm::millis},
      {"us", TimeForm::micros},       {"ns", TimeForm::nanos},              {"float_s", TimeForm::float_seconds},
      {"civil", TimeForm::civil},     {"any", TimeForm::any}};
  return look_up(words, word);
}

std::optional<std::uint64_t> flag_of(std::string_view word) {
  for (std::size_t i = 0; i < std::size(flag_words); ++i)
    if (flag_words[i] == word) return std::uint64_t{1} << i;
  return std::nullopt;
}

bool fits(Transform as, ColumnKind kind) {
  if (natural_transform(kind) == as) return true;
  return kind == ColumnKind::string &&
         (as == Transform::lower || as == Transform::host || as == Transform::join_words);
}

/// Can what is read out of a text ever be a value of such a column?
bool fits(Extract as, ColumnKind kind) {
  switch (kind) {
    case ColumnKind::string: return true;
    case ColumnKind::number:
      return as == Extract::size || as == Extract::count || as == Extract::url_port || as == Extract::endpoint_port ||
             as == Extract::tuple_src_port || as == Extract::tuple_dst_port;
    case ColumnKind::ip:
      return as == Extract::url_host || as == Extract::endpoint_ip || as == Extract::tuple_src_ip || as == Extract::tuple_dst_ip;
    case ColumnKind::set: return as == Extract::words;
    case ColumnKind::time: return false;
    case ColumnKind::enumeration: return false;
  }
  return true;
}

Leaf leaf_of(const ColumnInfo& column) {
  Leaf made;
  made.as = natural_transform(column.kind);
  made.kind = column.kind;
  made.slot = column.slot;
  made.limit_bytes = column.limit_bytes;
  made.is_id = is_id_of_secret(column);
  made.max = largest(column);
  if (column.words != nullptr) made.words = word_table(column.words);
  return made;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> words) {
  const std::string_view near = nearest_word(word, words);
  return near.empty() ? "" : "; did you mean '" + std::string(near) + "'?";
}

std::string no_such_column(std::string_view name) {
  std::vector<std::string_view> names;
  for (const ColumnInfo& column : columns) names.push_back(column.name);
  return "no such column" + did_you_mean(name, names);
}

std::string no_such_word(std::string_view word, const EnumTable& words) {
  std::string said = "'" + std::string(word) + "' is no word of this column" + did_you_mean(word, words.words);
  if (said.ends_with('?')) return said;
  std::string all;
  for (const std::string_view one : words.words) all.append(all.empty() ? "; its words are " : ", ").append(one);
  return said + all;
}

std::string does_not_fit(std::string_view as, ColumnKind kind) {
  constexpr std::string_view kinds[] = {"a text", "a number", "a time", "a word of a list", "a set of words", "an address"};
  std::string fitting;
  for (const auto& [word, meaning] : transform_words)
    if (fits(meaning, kind)) fitting.append(fitting.empty() ? "" : ", ").append(word);
  for (const auto& [word, meaning] : extract_words)
    if (fits(meaning, kind)) fitting.append(fitting.empty() ? "" : ", ").append(word);
  return "'" + std::string(as) + "' does not fit this column, which holds " + std::string(kinds[static_cast<std::size_t>(kind)]) +
         "; what fits: " + fitting;
}

Result<Default> default_of(std::string_view name, std::string_view value) {
  const auto column = find_column(name);
  if (!column) return fail(Code::invalid_argument, no_such_column(name));
  Default made{column->kind, column->slot, 0, {}};
  if (column->kind == ColumnKind::string) {
    made.text = lasting_text(value);
  } else if (column->kind == ColumnKind::enumeration) {
    const auto word = column->words->find(value);
    if (!word) return fail(Code::invalid_argument, no_such_word(value, *column->words));
    made.number = *word;
  } else if (column->kind == ColumnKind::number) {
    const auto number = read_unsigned(value);
    if (!number) return fail(Code::invalid_argument, "not a number");
    made.number = number->value;
  } else {
    return fail(Code::invalid_argument, "only strings, numbers and words can be constant");
  }
  return made;
}

}  // namespace tidewaiter::ingest
