// Any bytes as a message: the parser must not stumble, must agree with the exact check, and its columns must keep
// their bounds. The first byte chooses whether attributes come as headers.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/body.hpp"
#include "ingest/parser.hpp"

namespace {

using namespace tidewaiter;

void require(bool condition) {
  if (!condition) std::abort();
}

/// One message through one parser; the batch keeps the columns alive.
const Record& parse_one(ingest::Parser& parser, Batch& batch, std::string_view value, bool headers) {
  static const Origin* origin = intern_origin("fuzz", {}, "t");
  BodyParts parts;
  if (headers) parts.headers = {{"ce_specversion", "1.0"}, {"ce_id", value.substr(0, 20)}, {"ce_source", "/s"}};
  parts.receive_time_ns = 1'780'000'000'000'000'000;
  parts.value = value;
  require(append_message(batch, origin, 0, 0, -1, parts));
  const std::string_view there = batch.records.front().value;
  require(there.data()[there.size()] == '\0');
  parser.parse(batch);
  return batch.records.front();
}

void check_bounds(const Event& event) {
  for (const ColumnInfo& column : columns) {
    if (column.kind == ColumnKind::string) {
      if (event.has(static_cast<Str>(column.slot)))
        require(event.get(static_cast<Str>(column.slot)).size() <= column.limit_bytes);
    } else if (column.kind == ColumnKind::enumeration && event.has(static_cast<Num>(column.slot))) {
      require(event.get(static_cast<Num>(column.slot)) < column.words->words.size());
    }
  }
  require(event.time_ns() >= 946'684'800'000'000'000 && event.has(Num::class_uid));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  static auto fast = std::move(ingest::Parser::create()).value();
  static auto strict = [] {
    ingest::ParserOptions options;
    options.strict = true;
    return std::move(ingest::Parser::create(options)).value();
  }();
  const bool headers = (data[0] & 1) != 0;
  const std::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  Batch fast_batch(1 << 18), strict_batch(1 << 18);
  const Record& quick = parse_one(*fast, fast_batch, value, headers);
  const Record& exact = parse_one(*strict, strict_batch, value, headers);
  const RejectReason reason = ingest::check_json(value, {});
  // Lines of a text format are no JSON and no reject; too many events are one though the JSON is good.
  const bool lines = reason != RejectReason::none && exact.kind == RecordKind::event;
  const bool too_many = exact.reason == RejectReason::too_many_events;
  if (!lines && !too_many) {
    require((exact.kind == RecordKind::reject) == (reason != RejectReason::none));
    require(exact.reason == reason);
  }
  if (exact.kind != RecordKind::reject) require(quick.kind != RecordKind::reject);  // fast is never stricter
  for (const Batch* batch : {&fast_batch, &strict_batch}) {
    require(batch->events.size() == batch->records.front().event_count);
    std::uint32_t sub = 0;
    for (const Event& event : batch->events) {
      require(event.sub == sub++ && event.record == 0);
      check_bounds(event);
    }
  }
  return 0;
}
