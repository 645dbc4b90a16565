// Record: one Kafka message or input line (one leaf), or one record of our own.
// Batch: what a source hands to the writer. Commit: what the writer made of it and the followers read.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.hpp"

namespace tidewaiter {

/// Numbers are part of the leaf: never change them.
enum class RecordKind : std::uint8_t {
  event = 1,
  unmapped = 2,
  reject = 3,
  tombstone = 4,
  conflict = 5,
  alert = 16,
  receipt = 17,
  access = 18,
  control = 19,
};
const char* record_kind_name(RecordKind kind);
inline bool is_own(RecordKind kind) { return kind >= RecordKind::alert; }

/// Why a message became a reject. Numbers are stored: append only.
enum class RejectReason : std::uint8_t {
  none = 0,
  not_json = 1,
  not_utf8 = 2,
  truncated = 3,
  too_large = 4,
  too_deep = 5,
  too_many_keys = 6,
  too_many_events = 7,
  no_event = 8,
  trailing_bytes = 9,
};
const char* reject_reason_name(RejectReason reason);

using TopicId = std::array<std::uint8_t, 16>;

/// Where messages come from. Interned: one per (cluster, topic id), lives as long as the process.
struct Origin {
  std::string cluster;  // Kafka cluster id, or "file"
  TopicId topic_id{};   // all zero when the broker has none
  std::string topic;    // for people; not part of the leaf
};
/// The one Origin equal to these values; thread-safe.
const Origin* intern_origin(std::string_view cluster, const TopicId& topic_id, std::string_view topic);

struct Record {
  RecordKind kind = RecordKind::event;
  RejectReason reason = RejectReason::none;
  bool value_null = false;
  std::uint16_t log = 0;             // set by the writer (id of the log in the store)
  std::uint32_t partition = 0;
  const Origin* origin = nullptr;    // null for records of our own
  std::uint64_t offset = 0;          // Kafka offset or line number
  std::int32_t leader_epoch = -1;
  std::uint32_t first_event = 0;     // events [first_event, first_event + event_count) of the batch or commit
  std::uint32_t event_count = 0;
  std::int64_t receive_time_ns = 0;
  std::int64_t kafka_time_ms = -1;   // -1 = none
  std::uint64_t seq = 0;             // set by the writer, dense per log
  std::string_view body;             // core/body.hpp; empty when read back from columns alone
  std::string_view key;              // view into body
  std::string_view value;            // view into body; >= 64 readable bytes follow it
};

/// A range of offsets that will never come, said by the source: [from, to).
struct OffsetGap {
  const Origin* origin = nullptr;
  std::uint32_t partition = 0;
  std::uint64_t from = 0, to = 0;
  std::string reason;  // "below log start", "not delivered", "claimed by store X", "accepted loss"
};

/// Bytes that never move: bodies of a batch, one after the other, with padding at the end. A zero stands behind each, so
/// that what a reader finds behind a message that is not closed is always the same, and nothing that goes on.
class Arena {
 public:
  static constexpr std::size_t padding_bytes = 64;
  explicit Arena(std::size_t capacity_bytes);
  /// Place for `size` bytes, or nullptr when they do not fit any more.
  char* reserve(std::size_t size);
  std::size_t used_bytes() const { return used_; }
  std::size_t capacity_bytes() const { return capacity_; }
  void clear() { used_ = 0; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_, used_ = 0;
};

/// Messages in arrival order with the events parsed from them. Owned by one thread at a time, moved along.
struct Batch {
  explicit Batch(std::size_t arena_bytes) : arena(arena_bytes) {}
  Arena arena;
  std::vector<Record> records;
  std::vector<Event> events;
  std::vector<OffsetGap> gaps;
  std::deque<std::string> strings;  // bytes of columns that are no plain slice of a body (unescaped, derived)
  std::uint64_t read = 0;           // messages polled for this batch, for the balance of counters
  std::uint64_t generation = 0;     // of its source's assignment: tells records of a lost partition apart
  std::string_view keep(std::string text) { return strings.emplace_back(std::move(text)); }
};

/// A record that we write ourselves (alert, receipt, access, control); `columns` makes it searchable.
struct OwnRecord {
  RecordKind kind = RecordKind::control;
  std::string body;              // one JSON object
  std::int64_t time_ns = 0;      // receive time of the record
  std::optional<Event> columns;  // strings must point into `strings`
  std::shared_ptr<std::deque<std::string>> strings;
};

/// State of a follower that is stored together with what it produced ("detect", "forward/splunk" ...).
struct CursorUpdate {
  std::string name;
  std::string value;
};

/// One commit as followers see it, live from memory or read back from the store: the same struct, one path.
/// Records are in commit order: control, then sources by arrival, then alert, receipt, access.
struct Commit {
  std::uint64_t number = 0;
  std::int64_t time_ns = 0;  // wall clock of the write
  std::vector<Record> records;
  std::vector<Event> events;
  std::string head;  // of a coverage record's commit: the note of control's head that was published over it
  std::vector<std::shared_ptr<const void>> owners;  // keep the bytes alive
};
using CommitPtr = std::shared_ptr<const Commit>;

}  // namespace tidewaiter
