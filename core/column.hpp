// The columns of the canonical event: the one table that the parser fills, blocks store, filters are typed
// against and detectors see. Names are those of the event schema (dots for nested objects). The numbers are
// part of the on-disk format: append only, at the end of a kind.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/enums.hpp"

namespace tidewaiter {

// X(identifier, "name", limit in bytes)
#define TIDEWAITER_STRING_COLUMNS(X)                     \
  X(principal, "principal", 256)                         \
  X(app, "app", 128)                                     \
  X(role, "role", 128)                                   \
  X(tenant, "tenant", 128)                               \
  X(dst_host, "dst_host", 253)                           \
  X(dst_category, "dst_category", 128)                   \
  X(operation, "operation", 128)                         \
  X(resource, "resource", 512)                           \
  X(source_id, "source_id", 256)                         \
  X(owner, "owner", 128)                                 \
  X(on_behalf_of, "on_behalf_of", 256)                   \
  X(agent_uid, "agent.uid", 128)                         \
  X(agent_instance_uid, "agent.instance_uid", 128)       \
  X(agent_name, "agent.name", 128)                       \
  X(agent_version, "agent.version", 128)                 \
  X(agent_model, "agent.model", 128)                     \
  X(agent_framework, "agent.framework", 128)             \
  X(capability_uid, "capability.uid", 128)               \
  X(capability_parent_uid, "capability.parent_uid", 128) \
  X(capability_issuer, "capability.issuer", 128)         \
  X(capability_audience, "capability.audience", 128)     \
  X(capability_scopes, "capability.scopes", 2048)        \
  X(capability_token_hash, "capability.token_hash", 128) \
  X(tool_name, "tool.name", 128)                         \
  X(tool_server, "tool.server", 128)                     \
  X(tool_call_id, "tool.call_id", 128)                   \
  X(tool_args_hash, "tool.args_hash", 128)               \
  X(src_host, "src_host", 253)                           \
  X(dst_service, "dst_service", 64)                      \
  X(observer, "observer", 128)                           \
  X(outcome_code, "outcome_code", 64)                    \
  X(provenance_artifact_digest, "provenance.artifact_digest", 256) \
  X(provenance_builder, "provenance.builder", 256)       \
  X(provenance_source_ref, "provenance.source_ref", 256) \
  X(provenance_level, "provenance.level", 64)            \
  X(approval_id, "approval.id", 128)                     \
  X(approval_approver, "approval.approver", 256)         \
  X(trace_id, "trace_id", 32)                            \
  X(span_id, "span_id", 16)                              \
  X(parent_span_id, "parent_span_id", 16)                \
  X(session, "session", 128)                             \
  X(correlation, "correlation", 256)                     \
  X(rule, "rule", 128)                                   \
  X(app_template, "template", 128)                       \
  X(cost_centre, "cost_centre", 128)

// X(identifier, "name", kind, enum table or none). `number` is u64, `time` is int64 ns since 1970 UTC,
// `enumeration` an index into its table, `set` a bit per word of its table.
#define TIDEWAITER_NUMBER_COLUMNS(X)                                                   \
  X(time, "time", time, nullptr)                                                       \
  X(observed_time, "observed_time", time, nullptr)                                     \
  X(family, "family", enumeration, &enums::family)                                     \
  X(principal_type, "principal_type", enumeration, &enums::principal_type)             \
  X(action, "action", enumeration, &enums::action)                                     \
  X(risk_tier, "risk_tier", enumeration, &enums::risk_tier)                            \
  X(data_classes, "data_classes", set, &enums::data_class)                             \
  X(direction, "direction", enumeration, &enums::direction)                            \
  X(bytes_out, "bytes_out", number, nullptr)                                           \
  X(bytes_in, "bytes_in", number, nullptr)                                             \
  X(dst_port, "dst_port", number, nullptr)                                             \
  X(outcome, "outcome", enumeration, &enums::outcome)                                  \
  X(time_quality, "time_quality", enumeration, &enums::time_quality)                   \
  X(class_uid, "class_uid", number, nullptr)                                           \
  X(activity_id, "activity_id", number, nullptr)                                       \
  X(capability_not_before, "capability.not_before", time, nullptr)                     \
  X(capability_expires, "capability.expires", time, nullptr)                           \
  X(capability_status, "capability.status", enumeration, &enums::capability_status)    \
  X(tool_args_size, "tool.args_size", number, nullptr)                                 \
  X(resource_type, "resource_type", enumeration, &enums::resource_type)                \
  X(resource_count, "resource_count", number, nullptr)                                 \
  X(src_port, "src_port", number, nullptr)                                             \
  X(l7, "l7", enumeration, &enums::l7)                                                 \
  X(packets_out, "packets_out", number, nullptr)                                       \
  X(volume_basis, "volume_basis", enumeration, &enums::volume_basis)                   \
  X(provenance_kind, "provenance.kind", enumeration, &enums::provenance_kind)          \
  X(provenance_status, "provenance.status", enumeration, &enums::provenance_status)    \
  X(provenance_log_index, "provenance.log_index", number, nullptr)                     \
  X(approval_decision, "approval.decision", enumeration, &enums::approval_decision)    \
  X(approval_approver_type, "approval.approver_type", enumeration, &enums::principal_type) \
  X(format, "format", number, nullptr)                                                 \
  X(mapping_version, "mapping_version", number, nullptr)                               \
  X(flags, "flags", number, nullptr)                                                   \
  X(severity, "severity", enumeration, &enums::severity)                               \
  X(duration_ns, "duration_ns", number, nullptr)

enum class Str : std::uint8_t {
#define X(id, name, limit) id,
  TIDEWAITER_STRING_COLUMNS(X)
#undef X
      count
};
enum class Num : std::uint8_t {
#define X(id, name, kind, table) id,
  TIDEWAITER_NUMBER_COLUMNS(X)
#undef X
      count
};
enum class Addr : std::uint8_t { src_ip, dst_ip, count };

inline constexpr std::size_t str_count = static_cast<std::size_t>(Str::count);
inline constexpr std::size_t num_count = static_cast<std::size_t>(Num::count);
inline constexpr std::size_t addr_count = static_cast<std::size_t>(Addr::count);
static_assert(str_count <= 64 && num_count + addr_count <= 64, "presence is one bit per column in a u64");

enum class ColumnKind : std::uint8_t { string, number, time, enumeration, set, ip };

struct ColumnInfo {
  std::string_view name;
  ColumnKind kind;
  std::uint8_t slot;         // value of Str, Num or Addr
  std::uint16_t limit_bytes; // strings only
  const EnumTable* words;    // enumeration and set only
};

/// All columns: strings, then numbers, then addresses.
inline constexpr std::array<ColumnInfo, str_count + num_count + addr_count> columns{{
#define X(id, name, limit) {name, ColumnKind::string, static_cast<std::uint8_t>(Str::id), limit, nullptr},
    TIDEWAITER_STRING_COLUMNS(X)
#undef X
#define X(id, name, kind, table) {name, ColumnKind::kind, static_cast<std::uint8_t>(Num::id), 0, table},
        TIDEWAITER_NUMBER_COLUMNS(X)
#undef X
            {"src_ip", ColumnKind::ip, 0, 0, nullptr},
    {"dst_ip", ColumnKind::ip, 1, 0, nullptr},
}};

constexpr const ColumnInfo& info(Str column) { return columns[static_cast<std::size_t>(column)]; }
constexpr const ColumnInfo& info(Num column) { return columns[str_count + static_cast<std::size_t>(column)]; }
constexpr const ColumnInfo& info(Addr column) {
  return columns[str_count + num_count + static_cast<std::size_t>(column)];
}

inline std::optional<ColumnInfo> find_column(std::string_view name) {
  for (const ColumnInfo& column : columns)
    if (column.name == name) return column;
  return std::nullopt;
}

}  // namespace tidewaiter
