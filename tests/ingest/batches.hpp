// Batches for tests: messages in, parsed events out.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/body.hpp"
#include "core/record.hpp"
#include "ingest/parser.hpp"

namespace tidewaiter::ingest::testing {

inline constexpr std::int64_t receive_ns = 1'780'000'000'000'000'000;  // 2026-05-28

/// One batch, filled by hand and parsed.
class TestBatch {
 public:
  explicit TestBatch(std::size_t arena_bytes = 8 << 20) : batch(arena_bytes) {}

  TestBatch& add(std::optional<std::string_view> value,
                 std::vector<std::pair<std::string, std::string>> headers = {}, std::string_view topic = "events") {
    BodyParts parts;
    for (const auto& [name, text] : headers) parts.headers.push_back({name, text});
    parts.receive_time_ns = receive_ns;
    parts.value = value;
    append_message(batch, intern_origin("test", {}, topic), 0, next_offset_++, -1, parts);
    return *this;
  }
  TestBatch& parse(Parser& parser) {
    parser.parse(batch);
    return *this;
  }
  const Record& record(std::size_t i = 0) const { return batch.records.at(i); }
  const Event& event(std::size_t i = 0) const { return batch.events.at(record(i).first_event); }

  Batch batch;

 private:
  std::uint64_t next_offset_ = 0;
};

inline std::unique_ptr<Parser> make_parser(ParserOptions options = {}) {
  auto made = Parser::create(std::move(options));
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(made).value();
}

/// A CloudEvents envelope around `data`.
inline std::string envelope(std::string_view data) {
  return R"({"specversion":"1.0","id":"e-1","source":"/apps/bot","type":"dev.tidewaiter.agent.tool.call.v1",)"
         R"("time":"2026-03-04T05:06:07Z","datacontenttype":"application/json","data":)" +
         std::string(data) + "}";
}

}  // namespace tidewaiter::ingest::testing
