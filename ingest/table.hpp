// User tables: what the owner of the service knows of apps, destinations, resources and agents. A table is a CSV file with
// a header line, or a JSON file with an array of objects; the first column is the key, the others are columns of the event.
// Reading finds every mistake with its line. Pure; cold path. ingest/table_set.hpp is what a table is compiled into.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/column.hpp"
#include "core/result.hpp"
#include "ingest/csv.hpp"
#include "ingest/enrich.hpp"

namespace tidewaiter::ingest {

enum class TableKind : std::uint8_t { apps, destinations, resources, agents };
inline constexpr std::size_t table_kinds = 4;
inline constexpr std::size_t table_rows_max = 100'000, table_bytes_max = 8u << 20;

struct TableSpec {
  TableKind kind;
  std::string_view name;                     // as in the configuration
  std::string_view key;                      // name of the first column
  std::uint16_t key_bytes_max;               // longer ones would never be met
  std::span<const std::string_view> values;  // columns of the event that it may set
};
const TableSpec& spec_of(TableKind kind);

struct Table {
  TableKind kind;
  std::vector<std::vector<std::string>> rows;  // key and values in the order of the spec; "" says nothing
  /// {"columns":[...],"rows":[[...],...]}: what the control log keeps.
  std::string to_json() const;
};

/// All mistakes are added to `faults`, 100 at most; the table counts only when none was.
Table read_csv_table(TableKind kind, std::string_view text, std::vector<Fault>& faults);
Table read_json_table(TableKind kind, std::string_view text, std::vector<Fault>& faults);

/// A key of the table of destinations: a host with everything below it, or an address block.
struct DestinationKey {
  std::string host;     // lower case, no trailing dot; empty = a block
  DestinationNet net;
  std::string text() const;  // the same for all ways of writing it
};
/// Error: invalid_argument, what is wrong with it.
Result<DestinationKey> read_destination(std::string_view text);

/// Bits of words that stand between spaces, ';' or '|'. Error: invalid_argument, the word and the nearest valid one.
Result<std::uint64_t> read_words(std::string_view text, const EnumTable& words);

/// A value as it stands in a file. Arrays of words in JSON come with spaces between them.
struct TableCell {
  std::string text;
  int line = 0, column = 0;
};

/// Takes the cells of one row after the other, judges them, and makes the table.
class TableMaker {
 public:
  TableMaker(TableKind kind, std::vector<Fault>& faults);
  /// Number of the column with this name in the spec (0 = the key), or a fault that names the nearest one.
  int column_number(std::string_view name, int line, int column);
  /// `cells` by number of column; those without a text say nothing. `line` is that of the row.
  void add(std::vector<TableCell> cells, int line);
  bool full() const { return faults_.size() >= faults_max; }
  void wrong(int line, int column, std::string_view key, std::string message);
  Table take() { return std::move(table_); }

 private:
  static constexpr std::size_t faults_max = 100;
  void check_key(TableCell& cell);
  void check_value(std::string_view name, TableCell& cell);

  const TableSpec& spec_;
  std::vector<Fault>& faults_;
  Table table_;
  std::unordered_map<std::string, int> keys_;  // and the lines they stand in
};

}  // namespace tidewaiter::ingest
