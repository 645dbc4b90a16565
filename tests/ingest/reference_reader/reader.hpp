// The reference reader: a mapping file interpreted over a tree of the message, one rule of docs/formats.md after the
// other and with no thought of speed. It shares no code with the plans, recipes and walkers of the room, so what both
// say alike is what the documentation says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/ingest/reference.hpp"

namespace tidewaiter::ingest::testing {

struct Message {
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Reading {
  enum class Kind { event, unmapped, reject };
  Kind kind = Kind::unmapped;
  std::vector<Columns> events;
};

class ReferenceMapping {
 public:
  /// The mapping must be good.
  explicit ReferenceMapping(std::string_view json);
  ~ReferenceMapping();
  ReferenceMapping(ReferenceMapping&&) noexcept;

  const std::string& format() const;
  /// What becomes of a message of a topic that has this format alone.
  Reading read(const Message& message, std::int64_t receive_ns) const;
  /// The same when the topic has no format of its own: nothing when the message is of another one.
  std::optional<Reading> try_read(const Message& message, std::int64_t receive_ns) const;

  /// The message with the payload that it has in base64, if this mapping says where and reads the message.
  std::optional<Message> opened(const Message& message, std::int64_t receive_ns) const;

  struct Rules;

 private:
  std::unique_ptr<Rules> rules_;
};

}  // namespace tidewaiter::ingest::testing
