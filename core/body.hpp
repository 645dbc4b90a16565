// The body of a record: the message as it came, in a frozen byte form that is hashed and stored.
//   key, header count u32, (name, value)*, kafka time i64 ms, receive time i64 ns, value
// Every string is u32 length + bytes, length 0xFFFFFFFF = null (not the same as empty). All integers big-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"

namespace tidewaiter {

struct Header {
  std::string_view name;
  std::optional<std::string_view> value;
};

struct BodyParts {
  std::optional<std::string_view> key;
  std::vector<Header> headers;
  std::int64_t kafka_time_ms = -1;
  std::int64_t receive_time_ns = 0;
  std::optional<std::string_view> value;
};

std::size_t body_size(const BodyParts& parts);
/// Writes exactly body_size(parts) bytes to `out`; returns where the value starts.
char* write_body(const BodyParts& parts, char* out);
/// Views into `body`. Error: corruption.
Result<BodyParts> read_body(std::string_view body);
/// The same without the headers, which are passed over: allocates nothing.
Result<BodyParts> read_body_but_headers(std::string_view body);

/// Appends a message to the batch: copies it once into the arena and adds a Record of kind event (or
/// tombstone) with its views set. False when the arena is full: the batch must be cut first.
bool append_message(Batch& batch, const Origin* origin, std::uint32_t partition, std::uint64_t offset,
                    std::int32_t leader_epoch, const BodyParts& parts);

/// Body of a record of our own: null key, no headers, no Kafka time, the JSON as value.
std::string own_body(std::string_view json, std::int64_t time_ns);

}  // namespace tidewaiter
