#include "core/body.hpp"

#include <cstring>

#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter {
namespace {

constexpr std::uint32_t null_length = 0xFFFFFFFF;

std::size_t string_size(const std::optional<std::string_view>& text) { return 4 + (text ? text->size() : 0); }

char* put_string(char* out, const std::optional<std::string_view>& text) {
  put_be<std::uint32_t>(out, text ? static_cast<std::uint32_t>(text->size()) : null_length);
  out += 4;
  if (text && !text->empty()) {
    std::memcpy(out, text->data(), text->size());
    out += text->size();
  }
  return out;
}

/// Reads forward through a body; once it has run over the end, everything fails.
struct BodyCursor {
  std::string_view rest;
  bool ok = true;

  template <class T>
  T integer() {
    if (rest.size() < sizeof(T)) {
      ok = false;
      return 0;
    }
    T value = get_be<T>(rest.data());
    rest.remove_prefix(sizeof(T));
    return value;
  }
  std::optional<std::string_view> string() {
    const auto length = integer<std::uint32_t>();
    if (!ok || length == null_length) return std::nullopt;
    if (rest.size() < length) {
      ok = false;
      return std::nullopt;
    }
    std::string_view text = rest.substr(0, length);
    rest.remove_prefix(length);
    return text;
  }
};

}  // namespace

std::size_t body_size(const BodyParts& parts) {
  std::size_t size = string_size(parts.key) + 4 + 8 + 8 + string_size(parts.value);
  for (const Header& header : parts.headers) size += 4 + header.name.size() + string_size(header.value);
  return size;
}

char* write_body(const BodyParts& parts, char* out) {
  out = put_string(out, parts.key);
  put_be<std::uint32_t>(out, static_cast<std::uint32_t>(parts.headers.size()));
  out += 4;
  for (const Header& header : parts.headers) {
    out = put_string(out, header.name);
    out = put_string(out, header.value);
  }
  put_be<std::int64_t>(out, parts.kafka_time_ms);
  put_be<std::int64_t>(out + 8, parts.receive_time_ns);
  char* value = out + 16;
  put_string(value, parts.value);
  return value + 4;
}

namespace {

template <class TakeHeader>
Result<BodyParts> read_parts(std::string_view body, TakeHeader take) {
  BodyCursor in{body};
  BodyParts parts;
  parts.key = in.string();
  const auto header_count = in.integer<std::uint32_t>();
  for (std::uint32_t i = 0; in.ok && i < header_count; ++i) {
    const auto name = in.string();
    take(parts, Header{name.value_or(std::string_view()), in.string()});
  }
  parts.kafka_time_ms = in.integer<std::int64_t>();
  parts.receive_time_ns = in.integer<std::int64_t>();
  parts.value = in.string();
  if (!in.ok || !in.rest.empty()) return fail(Code::corruption, "body of a record has a wrong length");
  return parts;
}

}  // namespace

Result<BodyParts> read_body(std::string_view body) {
  return read_parts(body, [](BodyParts& parts, const Header& header) { parts.headers.push_back(header); });
}

Result<BodyParts> read_body_but_headers(std::string_view body) {
  return read_parts(body, [](BodyParts&, const Header&) {});
}

bool append_message(Batch& batch, const Origin* origin, std::uint32_t partition, std::uint64_t offset,
                    std::int32_t leader_epoch, const BodyParts& parts) {
  const std::size_t size = body_size(parts);
  char* place = batch.arena.reserve(size);
  if (place == nullptr) return false;
  const char* value = write_body(parts, place);
  Record record;
  record.kind = parts.value ? RecordKind::event : RecordKind::tombstone;
  record.value_null = !parts.value;
  record.origin = origin;
  record.partition = partition;
  record.offset = offset;
  record.leader_epoch = leader_epoch;
  record.receive_time_ns = parts.receive_time_ns;
  record.kafka_time_ms = parts.kafka_time_ms;
  record.body = {place, size};
  if (parts.key) record.key = {place + 4, parts.key->size()};
  if (parts.value) record.value = {value, parts.value->size()};
  batch.records.push_back(record);
  batch.read += 1;
  return true;
}

std::string own_body(std::string_view json, std::int64_t time_ns) {
  BodyParts parts;
  parts.receive_time_ns = time_ns;
  parts.value = json;
  std::string body(body_size(parts), '\0');
  write_body(parts, body.data());
  return body;
}

}  // namespace tidewaiter
