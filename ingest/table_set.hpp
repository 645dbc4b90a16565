// TableSet: the tables of users, compiled for the way of every event. Immutable; shared by all threads that parse.
// What a table says wins over what the event says of itself: the table is the word of the service's owner. An empty cell
// says nothing; data classes are added to those of the event. A few hashes an event, no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/record.hpp"
#include "ingest/lookup.hpp"
#include "ingest/table.hpp"

namespace tidewaiter::ingest {

class TableSet {
 public:
  /// At most one table of each kind; their keys and values have been judged by reading them.
  explicit TableSet(const std::vector<Table>& tables);

  /// Events that a table said something about, by kind.
  using Counts = std::array<std::uint64_t, table_kinds>;
  Counts apply(Batch& batch) const;

  std::size_t rows(TableKind kind) const { return rows_[static_cast<std::size_t>(kind)].size(); }

 private:
  struct Setting {
    ColumnKind kind;
    std::uint8_t slot;
    std::string_view text;  // lives as long as the process
    std::uint64_t number;
  };
  struct Row {
    std::uint32_t first, count;  // of settings_
  };

  void add_key(const Table& table, const std::string& key, std::uint32_t row);
  void add_settings(const Table& table, const std::vector<std::string>& cells);
  bool set(TableKind kind, std::uint32_t row, Event& event) const;
  std::uint32_t row_of_agent(const Event& event) const;
  std::uint32_t row_of_destination(const Event& event) const;
  std::uint32_t row_of_resource(const Event& event) const;

  std::vector<Setting> settings_;
  std::array<std::vector<Row>, table_kinds> rows_;
  TextRows apps_, agents_, resources_;
  BeginningRows resource_beginnings_;
  SuffixRows hosts_;
  NetRows nets_;
};

}  // namespace tidewaiter::ingest
