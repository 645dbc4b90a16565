// Format: an alert or an event as text for a SIEM. Pure and deterministic: the same stored item gives the same bytes
// on every delivery and in every process. Events are written from their columns alone (no raw bytes needed); the JSON
// body of an alert is parsed (alerts are few).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/enums.hpp"
#include "core/event.hpp"
#include "core/record.hpp"
#include "forward/item.hpp"

namespace tidewaiter::forward {

/// One selected item before a sink encodes it. Views live as long as the commit.
struct Envelope {
  enum class Kind : std::uint8_t { event, alert, checkpoint };
  Kind kind = Kind::event;
  Place place;
  std::string uid;           // hex; of the alert: without revision
  std::uint64_t revision = 0;  // alerts only
  std::string_view log;      // name
  std::uint64_t seq = 0;
  std::uint32_t sub = 0;
  std::int64_t time_ns = 0;  // event time, or the receive time where there is none
  std::int64_t commit_time_ns = 0;
  Severity severity = Severity::unknown;
  double sample_rate = 1;    // of an event: share of its tier's keys that is forwarded
  const Event* event = nullptr;  // columns; null for a checkpoint, may be null for an alert
  std::string_view body;         // JSON of an alert, note of a checkpoint
  std::string title, detector, rule;  // of an alert
};

struct FormatOptions {
  std::string link_base;     // where people reach the service: "https://audit.example"; empty = relative links
  bool mask_secrets = true;  // token and argument hashes are cut to 8 characters, passwords in URLs to an ellipsis
};

/// "UID" or "UID.REVISION": what makes one item one.
std::string item_uid(const Envelope& envelope);

/// "0.1"; empty when everything of the tier is forwarded.
std::string rate_text(double sample_rate);

/// The event at `sub` of `record`. `log` is the name of its log.
Envelope event_envelope(const Commit& commit, std::uint32_t record, std::uint32_t sub, std::string_view log);
/// Never fails: a body that is no alert gives an envelope with the uid of its record and no title.
Envelope alert_envelope(const Commit& commit, std::uint32_t record, std::string_view log);

/// The head of a coverage record's commit; its uid is the SHA-256 of the note.
Envelope checkpoint_envelope(const Commit& commit, std::uint32_t record, std::string_view log);
/// The first three lines of a note, c2sp.org/tlog-checkpoint.
struct CheckpointLines {
  std::string_view origin, size, root;
};
CheckpointLines checkpoint_lines(std::string_view note);
/// "alert", "event" or "checkpoint".
std::string_view kind_word(Envelope::Kind kind);

/// One compact JSON object without line breaks. Event: canonical columns, then uid, log, seq, sub, commit, and
/// sample_rate when it is below 1.
/// Alert: its body, then log, seq, commit and links (`link_base` + the service's /v1 paths).
/// Checkpoint: type, origin, size, root (base64), checkpoint (the note), uid, log, seq, commit.
std::string to_json(const Envelope& envelope, const FormatOptions& options);

/// ArcSight Common Event Format, revision 25: header fields and extensions escaped, `rt` in ms, externalId = item uid.
std::string to_cef(const Envelope& envelope, const FormatOptions& options);

/// 0-10 as CEF has it; RFC 5424 severity (2 critical ... 6 informational).
int cef_severity(Severity severity);
int syslog_severity(Severity severity);

/// The same JSON object or CEF line in at most `bytes_max` (>= 512), cut field by field (longest first), never in the
/// middle of one structure; "trimmed":true or tidewaiterTrimmed=true marks it. Shorter texts come back unchanged.
std::string trim_json(std::string json, std::size_t bytes_max);
std::string trim_cef(std::string cef, std::size_t bytes_max);

}  // namespace tidewaiter::forward
