// What people say of alerts, from a request of the command line or the API to the control record that detection goes by
// (detect/feedback.hpp), and back: what is in force, and what was said of one alert. Pure but for reading the store.
//
// Requests are JSON objects; `until` is a time, a date, or a span from now such as "14d":
//   verdict          {"verdict":"true"|"false"|"benign","owner","reason","until" (benign alone)}
//   suppression      {"entity","tenant","detector","rule","dst_host" (but for entity: anything when left out),
//                     "until","owner","reason"}
//   suppression end  {"owner","reason"}
// and each may name the `store` that it is meant for, by its id.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "detect/feedback.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {

/// A suppression ends within so much time.
inline constexpr std::int64_t suppression_span_max_ns = 366ll * 86'400 * 1'000'000'000;

/// An alert as stored, the newest revision of its uid.
struct StoredAlert {
  std::uint64_t seq = 0;
  nlohmann::json body;
};
/// By uid or an unambiguous beginning of it. Errors: not_found, invalid_argument (several begin with it).
Result<StoredAlert> find_alert(const store::Reader& reader, const std::string& uid);

/// Who asks, and when.
struct Asked {
  std::string by;  // name of the token, "local", or "command line"
  std::int64_t now_ns = 0;
};
/// Errors of all three: invalid_argument (no owner, no reason, an end in the past or too far, an unknown member or word,
/// policy), not_found (no such alert or suppression), conflict (meant for another store; too many suppressions).
Result<OwnRecord> verdict_record(const store::Reader& reader, const std::string& alert_uid, const nlohmann::json& request,
                                 const Asked& asked);
Result<OwnRecord> suppression_record(const store::Reader& reader, const nlohmann::json& request, const Asked& asked);
Result<OwnRecord> suppression_end_record(const store::Reader& reader, const std::string& uid, const nlohmann::json& request,
                                         const Asked& asked);

struct SuppressionInForce {
  std::string uid;
  detect::Feedback::Suppression suppression;
  std::uint64_t uses = 0;  // told so far: those of the running day are told at its end
};
/// By uid.
Result<std::vector<SuppressionInForce>> suppressions_in_force(const store::Reader& reader, std::int64_t now_ns);
nlohmann::ordered_json suppression_json(const SuppressionInForce& suppression);
/// "findings of volume.destination about agent:a to files.example"
std::string describe(const detect::Feedback::Target& target);

/// The verdicts that were given on an alert, oldest first: bodies of their control records.
Result<std::vector<nlohmann::json>> verdicts_on(const store::Reader& reader, const std::string& alert_uid);

}  // namespace tidewaiter::app
