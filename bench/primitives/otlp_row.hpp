// What a span of OTLP becomes in code that is written for it alone; primitives.hpp says of what use that is. The names are
// those of the columns. Nothing of ours is included here, so that the readers of primitives/ can share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace tidewaiter::bench::primitives {

/// A text without data() and a number without a value are absent.
struct OtlpRow {
  using Text = std::string_view;
  Text principal, on_behalf_of, app, operation, resource, rule, source_id, dst_host, dst_service, outcome_code, session;
  Text correlation;
  Text agent_uid, agent_name, agent_version, agent_instance_uid, agent_model;
  Text tool_name, tool_server, tool_call_id, tool_args_hash;
  Text trace_id, span_id, parent_span_id;
  Text family = "agent", risk_tier = "unknown", action = "other", outcome = "unknown", principal_type = "unknown";
  Text resource_type, volume_basis, l7;
  std::optional<std::uint64_t> time_ns, dst_port, bytes_out, bytes_in, tool_args_size;
  std::uint64_t class_uid = 6003, activity_id = 0;
  std::optional<std::array<std::uint8_t, 16>> dst_ip;  // IPv4 as ::ffff:a.b.c.d
  bool self_asserted = false;
};

/// The rows of a batch and their texts. `texts` has room for the bytes of the batch twice over.
struct OtlpRows {
  explicit OtlpRows(std::size_t batch_bytes) : texts(new char[2 * batch_bytes + 4096]) {}
  std::vector<OtlpRow> rows;
  std::unique_ptr<char[]> texts;
};

}  // namespace tidewaiter::bench::primitives
