#include "bench/otlp_comparison.hpp"

#include <map>

#include "core/record.hpp"
#include "core/text.hpp"

namespace tidewaiter::bench {
namespace {

using Columns = std::map<std::string_view, std::string>;  // those that are there

std::string text_of(const Event& event, const ColumnInfo& column) {
  if (column.kind == ColumnKind::string) return std::string(event.get(static_cast<Str>(column.slot)));
  if (column.kind == ColumnKind::ip) return format_ip(*event.get(static_cast<Addr>(column.slot)));
  const std::uint64_t number = event.get(static_cast<Num>(column.slot));
  return column.kind == ColumnKind::enumeration ? std::string(column.words->word(number)) : std::to_string(number);
}

bool is_there(const Event& event, const ColumnInfo& column) {
  if (column.kind == ColumnKind::string) return event.has(static_cast<Str>(column.slot));
  if (column.kind == ColumnKind::ip) return event.has(static_cast<Addr>(column.slot));
  return event.has(static_cast<Num>(column.slot));
}

Columns columns_of(const Event& event) {
  Columns all;
  for (const ColumnInfo& column : columns)
    if (is_there(event, column)) all[column.name] = text_of(event, column);
  for (const char* own : {"observed_time", "format", "mapping_version", "time_quality"}) all.erase(own);
  if (event.get(Num::time_quality) == static_cast<std::uint64_t>(TimeQuality::receive)) all.erase("time");
  return all;
}

Columns columns_of(const primitives::OtlpRow& row) {
  Columns all;
  const std::pair<const char*, std::string_view> texts[] = {
      {"principal", row.principal}, {"on_behalf_of", row.on_behalf_of}, {"app", row.app}, {"operation", row.operation},
      {"resource", row.resource}, {"rule", row.rule}, {"source_id", row.source_id}, {"dst_host", row.dst_host},
      {"dst_service", row.dst_service}, {"outcome_code", row.outcome_code}, {"session", row.session},
      {"correlation", row.correlation}, {"agent.uid", row.agent_uid}, {"agent.name", row.agent_name},
      {"agent.version", row.agent_version}, {"agent.instance_uid", row.agent_instance_uid},
      {"agent.model", row.agent_model}, {"tool.name", row.tool_name}, {"tool.server", row.tool_server},
      {"tool.call_id", row.tool_call_id}, {"tool.args_hash", row.tool_args_hash}, {"trace_id", row.trace_id},
      {"span_id", row.span_id}, {"parent_span_id", row.parent_span_id}, {"family", row.family},
      {"risk_tier", row.risk_tier}, {"action", row.action}, {"outcome", row.outcome},
      {"principal_type", row.principal_type}, {"resource_type", row.resource_type}, {"volume_basis", row.volume_basis},
      {"l7", row.l7}};
  for (const auto& [name, text] : texts)
    if (!text.empty()) all[name] = text;
  const std::pair<const char*, std::optional<std::uint64_t>> numbers[] = {
      {"time", row.time_ns}, {"dst_port", row.dst_port}, {"bytes_out", row.bytes_out}, {"bytes_in", row.bytes_in},
      {"tool.args_size", row.tool_args_size}, {"class_uid", row.class_uid}, {"activity_id", row.activity_id},
      {"flags", flag::wrapped | (row.self_asserted ? flag::self_asserted : 0)}};
  for (const auto& [name, number] : numbers)
    if (number) all[name] = std::to_string(*number);
  if (row.dst_ip) all["dst_ip"] = format_ip(*row.dst_ip);
  return all;
}

void add_missing(std::string& out, const Columns& from, const Columns& in, const char* who) {
  for (const auto& [name, text] : from) {
    const auto found = in.find(name);
    if (found != in.end() && found->second == text) continue;
    out.append(out.empty() ? "" : "; ").append(name).append(" is '").append(text).append("' by ").append(who);
  }
}

}  // namespace

std::string differences(const Event& event, const primitives::OtlpRow& row) {
  const Columns plan = columns_of(event), hand = columns_of(row);
  std::string out;
  add_missing(out, plan, hand, "the plan");
  add_missing(out, hand, plan, "hand");
  return out;
}

}  // namespace tidewaiter::bench
