// What Splunk's HTTP Event Collector means by its answers: the classifier table of the sink, pure.
// Source: Splunk, "Troubleshoot HTTP Event Collector", possible error codes; and what fronts of HEC answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "forward/answer.hpp"
#include "forward/http_client.hpp"

namespace tidewaiter::forward {

/// The answer to a POST of events. `wants_ack`: a success must carry an ackId, which comes back in `ack_id`.
Answer classify_hec(const HttpResponse& response, std::int64_t now_ns, bool wants_ack,
                    std::optional<std::uint64_t>& ack_id);

/// The answer to a question about acknowledgements: ok, retry or park; never a word about delivery.
Answer classify_hec_ack(const HttpResponse& response, std::int64_t now_ns);

}  // namespace tidewaiter::forward
