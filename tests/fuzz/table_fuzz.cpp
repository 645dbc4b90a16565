// Any bytes as a user table: what is no table is said with its line, what is one means the same when it is written down
// anew, and finds its own rows. The first byte chooses the kind of table and of file.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/check.hpp"
#include "ingest/table_set.hpp"

namespace {

using namespace tidewaiter;
using namespace tidewaiter::ingest;

std::string as_csv(const Table& table) {
  const TableSpec& spec = spec_of(table.kind);
  std::string out(spec.key);
  for (const std::string_view value : spec.values) out.append(",").append(value);
  for (const auto& row : table.rows) {
    out += "\r\n";
    for (const std::string& cell : row) {
      out += &cell == row.data() ? "\"" : ",\"";
      for (const char c : cell) out += c == '"' ? "\"\"" : std::string(1, c);
      out += '"';
    }
  }
  return out;
}

/// An event that the row's key is made for; its text may have to be kept in the batch.
Event event_of(TableKind kind, const std::string& key, Batch& batch) {
  Event event;
  if (kind == TableKind::apps) event.set(Str::app, key);
  if (kind == TableKind::agents) event.set(Str::agent_uid, key);
  if (kind == TableKind::resources) event.set(Str::resource, key);
  if (kind != TableKind::destinations) return event;
  const auto destination = read_destination(key);
  CHECK(destination.has_value());
  if (destination->host.empty()) event.set(Addr::dst_ip, destination->net.base);
  else event.set(Str::dst_host, batch.keep(destination->host));
  return event;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto kind = static_cast<TableKind>(data[0] % table_kinds);
  const bool json = data[0] / table_kinds % 2 == 1;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<Fault> faults;
  const Table table = json ? read_json_table(kind, text, faults) : read_csv_table(kind, text, faults);
  for (const Fault& fault : faults) CHECK(fault.line >= 1 && fault.column >= 1 && !fault.message.empty());
  if (!faults.empty()) return 0;
  // NUL and the like may stand in JSON, but not in CSV.
  if (!json || table.to_json().find("\\u00") == std::string::npos) {
    const Table again = read_csv_table(kind, as_csv(table), faults);
    CHECK(faults.empty());
    CHECK(again.rows == table.rows);
  }
  const TableSet set({table});
  CHECK(set.rows(kind) == table.rows.size());
  Batch batch(64);
  for (const auto& row : table.rows) batch.events.push_back(event_of(kind, row[0], batch));
  const auto counts = set.apply(batch);
  CHECK(counts[static_cast<std::size_t>(kind)] == table.rows.size());
  return 0;
}
