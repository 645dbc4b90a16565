// Every enumeration of the canonical event, once. Value 0 is always the "unknown" or "other" of its table,
// numbers are part of the on-disk format: append only. schemas/enums.schema.json is checked against this.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tidewaiter {

struct EnumTable {
  std::string_view name;
  std::span<const std::string_view> words;  // index = stored number
  std::optional<std::uint8_t> find(std::string_view word) const {
    for (std::size_t i = 0; i < words.size(); ++i)
      if (words[i] == word) return static_cast<std::uint8_t>(i);
    return std::nullopt;
  }
  std::string_view word(std::uint64_t number) const {
    return number < words.size() ? words[number] : std::string_view("unknown");
  }
};

namespace enums {

#define TIDEWAITER_ENUM(table, ...)                                        \
  inline constexpr std::string_view table##_words[] = {__VA_ARGS__};       \
  inline constexpr EnumTable table{#table, table##_words};

TIDEWAITER_ENUM(family, "other", "agent", "ci", "runtime", "control")
TIDEWAITER_ENUM(time_quality, "unknown", "exact", "derived", "receive", "skewed")
TIDEWAITER_ENUM(principal_type, "unknown", "user", "service", "agent", "ci_job", "host", "anonymous", "external")
TIDEWAITER_ENUM(capability_status, "unknown", "valid", "expired", "revoked", "out_of_scope", "absent")
TIDEWAITER_ENUM(action, "other", "create", "read", "update", "delete", "list", "execute", "connect", "send",
                "receive", "login", "assume", "approve", "build", "sign", "attest", "verify", "publish",
                "deploy", "rollback")
TIDEWAITER_ENUM(resource_type, "other", "file", "secret", "repo", "artifact", "image", "workload", "bucket",
                "table", "endpoint", "model", "tool", "policy", "identity")
TIDEWAITER_ENUM(l7, "unknown", "http", "https", "dns", "grpc", "ssh", "smtp", "ftp", "sql", "kafka", "tls",
                "s3", "mcp", "other")
TIDEWAITER_ENUM(direction, "unknown", "egress", "ingress", "internal")
TIDEWAITER_ENUM(volume_basis, "unknown", "payload", "ip", "body", "object")
TIDEWAITER_ENUM(data_class, "unknown", "public", "internal", "confidential", "restricted", "pii", "phi", "pci",
                "credential", "source_code", "customer_data", "model_artifact", "telemetry", "financial")
TIDEWAITER_ENUM(risk_tier, "unknown", "low", "medium", "high", "critical")
TIDEWAITER_ENUM(outcome, "unknown", "success", "failure", "denied", "error", "pending")
TIDEWAITER_ENUM(provenance_kind, "unknown", "provenance", "sbom", "signature", "vsa", "approval", "test")
TIDEWAITER_ENUM(provenance_status, "unknown", "verified", "unverified", "failed", "missing", "expired",
                "not_applicable")
TIDEWAITER_ENUM(approval_decision, "unknown", "approved", "rejected", "deferred", "escalated", "delegated",
                "changes_requested")
TIDEWAITER_ENUM(severity, "unknown", "informational", "low", "medium", "high", "critical")

#undef TIDEWAITER_ENUM

}  // namespace enums

enum class Family : std::uint8_t { other, agent, ci, runtime, control };
enum class Direction : std::uint8_t { unknown, egress, ingress, internal };
enum class RiskTier : std::uint8_t { unknown, low, medium, high, critical };
enum class Severity : std::uint8_t { unknown, informational, low, medium, high, critical };
enum class TimeQuality : std::uint8_t { unknown, exact, derived, receive, skewed };

/// Bits of the `flags` column.
namespace flag {
inline constexpr std::uint64_t clock_skew = 1, truncated_column = 2, duplicate_key = 4, bad_utf8_replaced = 8,
                               lossy_number = 16, wrapped = 32, stage_partial = 64, self_asserted = 128,
                               byte_order_mark = 256, leading_zeros = 512, hashed_secret = 1024;
}
inline constexpr std::string_view flag_words[] = {"clock_skew",        "truncated_column", "duplicate_key",
                                                  "bad_utf8_replaced", "lossy_number",     "wrapped",
                                                  "stage_partial",     "self_asserted",    "byte_order_mark",
                                                  "leading_zeros",     "hashed_secret"};

}  // namespace tidewaiter
