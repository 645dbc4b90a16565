#include "ingest/table_set.hpp"

#include "ingest/plan.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t at(TableKind kind) { return static_cast<std::size_t>(kind); }

}  // namespace

TableSet::TableSet(const std::vector<Table>& tables) {
  for (const Table& table : tables)
    for (const auto& cells : table.rows) {
      add_key(table, cells[0], static_cast<std::uint32_t>(rows_[at(table.kind)].size()));
      add_settings(table, cells);
    }
}

void TableSet::add_key(const Table& table, const std::string& key, std::uint32_t row) {
  switch (table.kind) {
    case TableKind::apps: return apps_.add(key, row);
    case TableKind::agents: return agents_.add(key, row);
    case TableKind::resources:
      return key.ends_with('*') ? resource_beginnings_.add(std::string_view(key).substr(0, key.size() - 1), row)
                                : resources_.add(key, row);
    case TableKind::destinations: break;
  }
  const auto destination = read_destination(key);
  if (!destination) return;  // reading has refused it
  if (destination->host.empty()) nets_.add(destination->net.base, destination->net.prefix_bits, row);
  else hosts_.add(destination->host, row);
}

void TableSet::add_settings(const Table& table, const std::vector<std::string>& cells) {
  const TableSpec& spec = spec_of(table.kind);
  Row row{static_cast<std::uint32_t>(settings_.size()), 0};
  for (std::size_t i = 1; i < cells.size(); ++i) {
    if (cells[i].empty()) continue;
    const auto column = find_column(spec.values[i - 1]);
    Setting setting{column->kind, column->slot, {}, 0};
    if (column->kind == ColumnKind::string) setting.text = lasting_text(cells[i]);
    else if (column->kind == ColumnKind::set) setting.number = read_words(cells[i], *column->words).value();
    else setting.number = column->words->find(cells[i]).value();
    settings_.push_back(setting);
    ++row.count;
  }
  rows_[at(table.kind)].push_back(row);
}

bool TableSet::set(TableKind kind, std::uint32_t number, Event& event) const {
  if (number == no_row) return false;
  const Row row = rows_[at(kind)][number];
  for (std::uint32_t i = row.first; i < row.first + row.count; ++i) {
    const Setting& setting = settings_[i];
    const auto column = static_cast<Num>(setting.slot);
    if (setting.kind == ColumnKind::string) event.set(static_cast<Str>(setting.slot), setting.text);
    else if (setting.kind == ColumnKind::set) event.set(column, event.get(column) | setting.number);
    else event.set(column, setting.number);
  }
  return true;
}

/// The principal, which a gateway may have proved, before what the agent says of itself.
std::uint32_t TableSet::row_of_agent(const Event& event) const {
  static_assert(enums::principal_type.words[3] == "agent");
  std::uint32_t row = no_row;
  if (event.get(Num::principal_type) == 3) row = agents_.find(event.get(Str::principal));
  if (row == no_row && event.has(Str::agent_uid)) row = agents_.find(event.get(Str::agent_uid));
  if (row == no_row && event.has(Str::agent_name)) row = agents_.find(event.get(Str::agent_name));
  return row;
}

std::uint32_t TableSet::row_of_destination(const Event& event) const {
  std::uint32_t row = no_row;
  if (event.has(Str::dst_host)) row = hosts_.find(event.get(Str::dst_host));
  if (row == no_row && event.has(Addr::dst_ip)) row = nets_.find(*event.get(Addr::dst_ip));
  return row;
}

std::uint32_t TableSet::row_of_resource(const Event& event) const {
  if (!event.has(Str::resource)) return no_row;
  const std::uint32_t row = resources_.find(event.get(Str::resource));
  return row != no_row ? row : resource_beginnings_.find(event.get(Str::resource));
}

TableSet::Counts TableSet::apply(Batch& batch) const {
  Counts counts{};
  for (Event& event : batch.events) {
    if (!apps_.empty() && event.has(Str::app)) counts[at(TableKind::apps)] += set(TableKind::apps, apps_.find(event.get(Str::app)), event);
    if (!agents_.empty()) counts[at(TableKind::agents)] += set(TableKind::agents, row_of_agent(event), event);
    counts[at(TableKind::resources)] += set(TableKind::resources, row_of_resource(event), event);
    counts[at(TableKind::destinations)] += set(TableKind::destinations, row_of_destination(event), event);
  }
  return counts;
}

}  // namespace tidewaiter::ingest
