// Alert: what a detector found, before it becomes a record. alert_record() makes the JSON of schemas/alert.schema.json
// and the columns by which it is queried and forwarded. Cold: a few per day, some microseconds each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "detect/codec.hpp"
#include "detect/watermark.hpp"

namespace tidewaiter::detect {

/// Where an event stands, in 32 bytes of plain state.
struct EvidenceRef {
  std::uint64_t seq = 0;
  std::uint64_t offset = 0;
  std::uint32_t partition = 0;  // number given by Watermark
  std::uint32_t sub = 0;
  std::uint16_t log = 0;
  std::uint16_t used = 0;       // 0 = no evidence here
  std::uint32_t bytes_kb = 0;   // what it moved, for the choice of the largest
};
static_assert(sizeof(EvidenceRef) == 32);

/// An event with its place: what the engine hands to detectors.
struct Seen {
  const Event* event = nullptr;
  const Record* record = nullptr;
  std::uint32_t partition = 0;
  bool late = false;
  EvidenceRef evidence() const {
    EvidenceRef ref;
    ref.seq = record->seq;
    ref.offset = record->offset;
    ref.partition = partition;
    ref.sub = event->sub;
    ref.log = record->log;
    ref.used = 1;
    ref.bytes_kb = static_cast<std::uint32_t>(std::min<std::uint64_t>(event->get(Num::bytes_out) >> 10, UINT32_MAX));
    return ref;
  }
};

enum class Detector : std::uint8_t { policy, flow, volume, silence, burst, sequence, rhythm, health };
inline constexpr std::size_t detector_count = 8;
std::string_view detector_name(Detector detector);

/// Key-value pairs of the explanation; values are JSON already.
class Explanation {
 public:
  void text(std::string_view key, std::string_view value);
  void texts(std::string_view key, const std::vector<std::string>& values);
  void number(std::string_view key, double value);
  void count(std::string_view key, std::uint64_t value);
  void flag(std::string_view key, bool value);
  void range(std::string_view key, double low, double high);
  void time(std::string_view key, std::int64_t time_ns);
  /// What people have said of such alerts before, and by what that multiplies the rate.
  void feedback(std::uint64_t trues, std::uint64_t falses, double factor);
  /// How many p-values at or below `level` its class of tests had, how many were to come, and what the p-value was corrected by.
  void calibration(std::string_view tail_class, double level, double seen, double expected, double factor);
  const std::string& json() const { return json_; }  // members without the braces
  void set_json(std::string json) { json_ = std::move(json); }

 private:
  std::string& add(std::string_view key);
  std::string json_;
};

struct Alert {
  Detector detector = Detector::policy;
  std::string rule;         // rule id, or the detector's class ("flow.principal_destination")
  Severity severity = Severity::medium;
  std::string title;        // one plain sentence
  std::string entity_type;  // principal, app, source
  std::string entity;
  std::string tenant;
  std::string principal, app, dst_host, dst_category;
  std::uint64_t data_classes = 0;
  std::uint64_t risk_tier = 0;
  std::int64_t time_ns = 0;  // event time at which it is known
  std::int64_t window_start_ns = 0, window_end_ns = 0;
  bool late = false;
  double rate_per_day = 0, p_value = 1, score_nats = 0;  // of statistical detectors, as calibrated
  double bar_per_day = 0;    // its kind's share of false_alerts_per_day: rates below it are worth an alert; 0 = it has no rate
  double verdict_factor = 1;  // what people have said: in rate_per_day already
  /// What its rule says of a principal is no news for so long; `lasting`: however rare it gets, since it gets so by lasting.
  std::int64_t known_for_ns = 24 * 3600ll * 1'000'000'000;
  bool lasting = false;
  double sample_rate = 1;    // share of the principals of its tier that its statistics went by
  Explanation explanation;
  std::vector<EvidenceRef> evidence;  // most telling first

  /// Fills entity, tenant, the columns, times and evidence from the event that did it.
  void about(const Seen& seen);
};

/// Who, when and where of an alert that waits for its verdict, into a snapshot and back.
void save_waiting(SnapshotWriter& out, const Alert& alert);
void load_waiting(SnapshotReader& in, Alert& alert);
/// All of a finding that waits for others of its incident.
void save_finding(SnapshotWriter& out, const Alert& alert);
void load_finding(SnapshotReader& in, Alert& alert);

using LogNames = std::map<std::uint16_t, std::string>;

OwnRecord alert_record(const Alert& alert, const Watermark& watermark, const LogNames& logs, std::int64_t receive_ns);

/// What a join of an artifact is found by.
struct NoteColumns {
  std::string principal, app, artifact_digest, builder, approver;
  std::uint64_t risk_tier = 0;
  std::string_view provenance_status;
};

/// Counted digests, uses of exceptions and suppressions, joins of artifacts and receipts are records of the same schema.
struct Note {
  std::string_view kind;  // of schemas/alert.schema.json, all but "alert"
  Detector detector = Detector::policy;
  std::string rule;
  std::string title;
  std::string tenant;
  std::string entity_type, entity;
  std::int64_t window_start_ns = 0, window_end_ns = 0;
  Explanation explanation;
  std::vector<EvidenceRef> evidence;
  std::optional<NoteColumns> columns;
};
OwnRecord note_record(const Note& note, const Watermark& watermark, const LogNames& logs, std::int64_t receive_ns);

/// "410 MB", "3.2 kB": powers of 1000, two to three digits.
std::string format_bytes(double bytes);
/// "5 min", "3 h", "12 days".
std::string format_span(std::int64_t span_ns);
/// "pii, financial" of a set column.
std::string format_classes(std::uint64_t data_classes);
/// "agent invoice-bot": the kind of principal unless its name says so already.
std::string format_principal(std::string_view type, std::string_view principal);
std::string format_number(double value);

/// The destination as people name it: host, else address, else "".
std::string destination_of(const Event& event);

}  // namespace tidewaiter::detect
