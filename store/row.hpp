// Row: one event of a record, or a record without events: the unit of queries. Text and JSON forms of it and the
// fields it can be grouped by: every column of the event and, beside them, where the record stands.
// Pure functions; used by the query engine, the commands and the HTTP API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/column.hpp"
#include "store/reader.hpp"

namespace tidewaiter::store {

struct Row {
  const StoredRecord* record = nullptr;
  const Event* event = nullptr;  // null: the record holds no event
  std::uint32_t sub() const { return event ? event->sub : 0; }
  /// Event time; of a record without events the receive time.
  std::int64_t time_ns() const;
  /// Of the record; but an event of no known shape among those of a message is told as unmapped.
  RecordKind kind() const;
};

/// A field that rows can be grouped by or printed with.
class RowField {
 public:
  /// A column ("dst_host"), or log, kind, reason, cluster, topic, partition, hour, day (the last two of the row's time).
  /// Error: invalid_argument, naming the nearest field.
  static Result<RowField> parse(std::string_view name);
  std::string_view name() const { return name_; }
  /// "" when absent.
  void append_text(std::string& out, const Row& row) const;

 private:
  enum class Place : std::uint8_t { column, log, kind, reason, cluster, topic, partition, hour, day };
  RowField(std::string name, Place place, const ColumnInfo* column) : name_(std::move(name)), place_(place), column_(column) {}
  std::string name_;
  Place place_;
  const ColumnInfo* column_;
};

/// Value of a column as people read it; sets are joined by '|'; nothing is appended when it is absent.
void append_column_text(std::string& out, const Event& event, const ColumnInfo& column);

/// One JSON object: log, seq, sub, uid, kind, commit, coordinates, times, `event`, and for our own records `body`.
/// With `mask`, secrets are cut (store/mask.hpp).
void append_row_json(std::string& out, const Row& row, bool mask);

}  // namespace tidewaiter::store
