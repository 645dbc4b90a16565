#include "detect/alert.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::detect {
namespace {

std::string hex_uid(const EvidenceRef& evidence, const Watermark& watermark) {
  Record record;
  record.origin = watermark.origin(evidence.partition);
  record.partition = watermark.number(evidence.partition);
  record.offset = evidence.offset;
  return to_hex(as_view(event_uid(record, evidence.sub)));
}

void append_member(std::string& out, std::string_view key, std::string_view text) {
  if (out.back() != '{') out += ',';
  append_json_string(out, key);
  out += ':';
  append_json_string(out, text);
}

/// Of detector and rule, tenant, entity, window and the uid of the first evidence event. Both ends of the window: the
/// same event may stand first in what is unusual for five minutes and in what is unusual for the hour around them.
std::string incident_uid(std::string_view kind, std::string_view rule, std::string_view tenant,
                         std::string_view entity, std::int64_t start_ns, std::int64_t end_ns,
                         std::string_view first) {
  std::string bytes;
  for (std::string_view part : {kind, rule, tenant, entity, first}) {
    char size[8];
    put_be<std::uint64_t>(size, part.size());
    bytes.append(size, sizeof size).append(part);
  }
  for (const std::int64_t time_ns : {start_ns, end_ns}) {
    char time[8];
    put_be<std::int64_t>(time, time_ns);
    bytes.append(time, sizeof time);
  }
  return to_hex(as_view(sha256(bytes)));
}

void append_evidence(std::string& out, const std::vector<EvidenceRef>& evidence, const Watermark& watermark,
                     const LogNames& logs) {
  out += ",\"evidence\":[";
  for (const EvidenceRef& item : evidence) {
    if (out.back() != '[') out += ',';
    out += '{';
    const auto name = logs.find(item.log);
    append_member(out, "log", name == logs.end() ? std::to_string(item.log) : name->second);
    out += ",\"seq\":" + std::to_string(item.seq) + ",\"sub\":" + std::to_string(item.sub);
    append_member(out, "uid", hex_uid(item, watermark));
    out += '}';
  }
  out += ']';
}

void append_window(std::string& out, std::int64_t start_ns, std::int64_t end_ns) {
  out += ",\"window\":{";
  append_member(out, "start", format_rfc3339(start_ns));
  append_member(out, "end", format_rfc3339(end_ns));
  out += '}';
}

void append_entity(std::string& out, std::string_view type, std::string_view id, std::string_view tenant) {
  out += ",\"entity\":{";
  append_member(out, "type", type);
  append_member(out, "id", id);
  if (!tenant.empty()) append_member(out, "tenant", tenant);
  out += '}';
}

/// Columns whose strings live as long as the record.
class Columns {
 public:
  void set(Str column, std::string_view value) {
    if (value.empty()) return;
    if (const std::size_t limit = info(column).limit_bytes; value.size() > limit) value = value.substr(0, limit);
    event_.set(column, strings_->emplace_back(value));
  }
  void set(Num column, std::uint64_t value) { event_.set(column, value); }
  void move_into(OwnRecord& record) {
    record.columns = event_;
    record.strings = std::move(strings_);
  }

 private:
  Event event_;
  std::shared_ptr<std::deque<std::string>> strings_ = std::make_shared<std::deque<std::string>>();
};

void set_common_columns(Columns& columns, std::int64_t time_ns, std::string_view tenant, std::string_view rule,
                        std::string_view uid, Severity severity) {
  columns.set(Num::time, static_cast<std::uint64_t>(time_ns));
  columns.set(Num::family, static_cast<std::uint64_t>(Family::control));
  columns.set(Num::class_uid, 2004);  // OCSF Detection Finding
  columns.set(Num::severity, static_cast<std::uint64_t>(severity));
  columns.set(Str::tenant, tenant);
  columns.set(Str::rule, rule);
  columns.set(Str::source_id, uid);
}

void set_join_columns(Columns& columns, const NoteColumns& join) {
  columns.set(Str::principal, join.principal);
  columns.set(Str::app, join.app);
  columns.set(Str::provenance_artifact_digest, join.artifact_digest);
  columns.set(Str::provenance_builder, join.builder);
  columns.set(Str::approval_approver, join.approver);
  columns.set(Num::risk_tier, join.risk_tier);
  columns.set(Num::provenance_status, *enums::provenance_status.find(join.provenance_status));
}

std::string significant(double value) {
  char text[32];
  const int digits = std::abs(value) >= 99.5 ? 0 : std::abs(value) >= 9.95 || value == std::floor(value) ? 0 : 1;
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

std::string_view detector_name(Detector detector) {
  static constexpr std::array<std::string_view, detector_count> names = {"policy", "flow",     "volume", "silence",
                                                                            "burst",  "sequence", "rhythm", "health"};
  return names[static_cast<std::size_t>(detector)];
}

void Alert::about(const Seen& seen) {
  const Event& event = *seen.event;
  principal = event.get(Str::principal);
  app = event.get(Str::app);
  tenant = event.get(Str::tenant);
  dst_host = destination_of(event);
  dst_category = event.get(Str::dst_category);
  data_classes = event.get(Num::data_classes);
  risk_tier = event.get(Num::risk_tier);
  entity_type = principal.empty() ? "app" : "principal";
  entity = principal.empty() ? app : principal;
  time_ns = window_start_ns = window_end_ns = event.time_ns();
  late = seen.late;
  evidence.push_back(seen.evidence());
}

void save_waiting(SnapshotWriter& out, const Alert& alert) {
  for (const std::string* text : {&alert.entity_type, &alert.entity, &alert.tenant, &alert.principal, &alert.app,
                                  &alert.dst_host, &alert.dst_category})
    out.put_text(*text);
  out.put(alert.data_classes);
  out.put(alert.risk_tier);
  out.put(alert.time_ns);
  out.put(alert.late);
  out.put(alert.evidence.front());
}

void load_waiting(SnapshotReader& in, Alert& alert) {
  for (std::string* text : {&alert.entity_type, &alert.entity, &alert.tenant, &alert.principal, &alert.app,
                            &alert.dst_host, &alert.dst_category})
    *text = in.get_text();
  alert.data_classes = in.get<std::uint64_t>();
  alert.risk_tier = in.get<std::uint64_t>();
  alert.time_ns = alert.window_start_ns = alert.window_end_ns = in.get<std::int64_t>();
  alert.late = in.get<bool>();
  alert.evidence = {in.get<EvidenceRef>()};
}

void save_finding(SnapshotWriter& out, const Alert& alert) {
  for (const std::string* text : {&alert.rule, &alert.title, &alert.entity_type, &alert.entity, &alert.tenant, &alert.principal,
                                  &alert.app, &alert.dst_host, &alert.dst_category, &alert.explanation.json()})
    out.put_text(*text);
  out.put(alert.detector);
  out.put(alert.severity);
  for (const std::uint64_t number : {alert.data_classes, alert.risk_tier}) out.put(number);
  for (const std::int64_t time_ns : {alert.time_ns, alert.window_start_ns, alert.window_end_ns, alert.known_for_ns}) out.put(time_ns);
  out.put(alert.late);
  out.put(alert.lasting);
  for (const double number :
       {alert.rate_per_day, alert.p_value, alert.score_nats, alert.sample_rate, alert.verdict_factor}) out.put(number);
  out.put<std::uint64_t>(alert.evidence.size());
  for (const EvidenceRef& evidence : alert.evidence) out.put(evidence);
}

void load_finding(SnapshotReader& in, Alert& alert) {
  for (std::string* text : {&alert.rule, &alert.title, &alert.entity_type, &alert.entity, &alert.tenant, &alert.principal,
                            &alert.app, &alert.dst_host, &alert.dst_category})
    *text = in.get_text();
  alert.explanation.set_json(in.get_text());
  alert.detector = in.get<Detector>();
  alert.severity = in.get<Severity>();
  for (std::uint64_t* number : {&alert.data_classes, &alert.risk_tier}) *number = in.get<std::uint64_t>();
  for (std::int64_t* time_ns : {&alert.time_ns, &alert.window_start_ns, &alert.window_end_ns, &alert.known_for_ns})
    *time_ns = in.get<std::int64_t>();
  alert.late = in.get<bool>();
  alert.lasting = in.get<bool>();
  for (double* number :
       {&alert.rate_per_day, &alert.p_value, &alert.score_nats, &alert.sample_rate, &alert.verdict_factor}) *number = in.get<double>();
  alert.evidence.clear();
  for (std::uint64_t n = in.get_count(sizeof(EvidenceRef)); n > 0 && in.ok(); --n) alert.evidence.push_back(in.get<EvidenceRef>());
}

std::string& Explanation::add(std::string_view key) {
  if (!json_.empty()) json_ += ',';
  append_json_string(json_, key);
  return json_ += ':';
}
void Explanation::texts(std::string_view key, const std::vector<std::string>& values) {
  std::string& out = add(key);
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, values[i]);
  }
  out += ']';
}

void Explanation::text(std::string_view key, std::string_view value) { append_json_string(add(key), value); }
void Explanation::number(std::string_view key, double value) { add(key) += format_number(value); }
void Explanation::count(std::string_view key, std::uint64_t value) { add(key) += std::to_string(value); }
void Explanation::flag(std::string_view key, bool value) { add(key) += value ? "true" : "false"; }
void Explanation::range(std::string_view key, double low, double high) {
  add(key) += '[' + format_number(low) + ',' + format_number(high) + ']';
}
void Explanation::time(std::string_view key, std::int64_t time_ns) { text(key, format_rfc3339(time_ns)); }
void Explanation::feedback(std::uint64_t trues, std::uint64_t falses, double factor) {
  add("feedback") += "{\"true\":" + std::to_string(trues) + ",\"false\":" + std::to_string(falses) + ",\"factor\":" +
                     format_number(factor) + '}';
}
void Explanation::calibration(std::string_view tail_class, double level, double seen, double expected, double factor) {
  std::string& out = add("calibration");
  out += '{';
  append_member(out, "class", tail_class);
  for (const auto& [key, value] : {std::pair("level", level), {"seen", seen}, {"expected", expected}, {"factor", factor}})
    out += ",\"" + std::string(key) + "\":" + format_number(value);
  out += '}';
}

OwnRecord alert_record(const Alert& alert, const Watermark& watermark, const LogNames& logs,
                       std::int64_t receive_ns) {
  const std::string first = alert.evidence.empty() ? "" : hex_uid(alert.evidence.front(), watermark);
  const std::string uid = incident_uid(detector_name(alert.detector), alert.rule, alert.tenant, alert.entity,
                                       alert.window_start_ns, alert.window_end_ns, first);
  OwnRecord record;
  record.kind = RecordKind::alert;
  record.time_ns = receive_ns;
  std::string& out = record.body;
  out = '{';
  append_member(out, "uid", uid);
  out += ",\"revision\":1";
  append_member(out, "kind", "alert");
  append_member(out, "detector", detector_name(alert.detector));
  append_member(out, "rule", alert.rule);
  append_member(out, "severity", enums::severity.word(static_cast<std::uint64_t>(alert.severity)));
  append_member(out, "title", alert.title);
  append_entity(out, alert.entity_type, alert.entity, alert.tenant);
  append_window(out, alert.window_start_ns, alert.window_end_ns);
  append_member(out, "time", format_rfc3339(alert.time_ns));
  if (!alert.principal.empty()) append_member(out, "principal", alert.principal);
  if (!alert.app.empty()) append_member(out, "app", alert.app);
  if (!alert.dst_host.empty()) append_member(out, "dst_host", alert.dst_host);
  if (!alert.dst_category.empty()) append_member(out, "dst_category", alert.dst_category);
  append_member(out, "risk_tier", enums::risk_tier.word(alert.risk_tier));
  out += ",\"data_classes\":[";
  for (std::size_t i = 0; i < enums::data_class.words.size(); ++i)
    if (alert.data_classes >> i & 1) {
      if (out.back() != '[') out += ',';
      append_json_string(out, enums::data_class.words[i]);
    }
  out += "],\"late\":";
  out += alert.late ? "true" : "false";
  if (alert.sample_rate < 1) out += ",\"sample_rate\":" + format_number(alert.sample_rate);
  out += ",\"explanation\":{" + alert.explanation.json() + '}';
  append_evidence(out, alert.evidence, watermark, logs);
  out += '}';

  Columns columns;
  set_common_columns(columns, alert.time_ns, alert.tenant, alert.rule, uid, alert.severity);
  columns.set(Str::principal, alert.principal);
  columns.set(Str::app, alert.app);
  columns.set(Str::dst_host, alert.dst_host);
  columns.set(Str::dst_category, alert.dst_category);
  columns.set(Str::operation, detector_name(alert.detector));
  columns.set(Num::data_classes, alert.data_classes);
  columns.set(Num::risk_tier, alert.risk_tier);
  columns.move_into(record);
  return record;
}

OwnRecord note_record(const Note& note, const Watermark& watermark, const LogNames& logs, std::int64_t receive_ns) {
  const std::string uid = incident_uid(note.kind, std::string(detector_name(note.detector)) + '/' + note.rule,
                                       note.tenant, note.entity, note.window_start_ns, note.window_end_ns,
                                       // late events may add a second digest; a join is of one event
                                       note.columns ? hex_uid(note.evidence.front(), watermark) : note.title);
  OwnRecord record;
  record.kind = RecordKind::alert;
  record.time_ns = receive_ns;
  std::string& out = record.body;
  out = '{';
  append_member(out, "uid", uid);
  out += ",\"revision\":1";
  append_member(out, "kind", note.kind);
  append_member(out, "detector", detector_name(note.detector));
  append_member(out, "rule", note.rule);
  append_member(out, "severity", "informational");
  append_member(out, "title", note.title);
  append_entity(out, note.entity_type, note.entity, note.tenant);
  append_window(out, note.window_start_ns, note.window_end_ns);
  append_member(out, "time", format_rfc3339(note.window_end_ns));
  if (note.columns && !note.columns->principal.empty()) append_member(out, "principal", note.columns->principal);
  if (note.columns && !note.columns->app.empty()) append_member(out, "app", note.columns->app);
  if (note.columns) append_member(out, "risk_tier", enums::risk_tier.word(note.columns->risk_tier));
  out += ",\"explanation\":{" + note.explanation.json() + '}';
  append_evidence(out, note.evidence, watermark, logs);
  out += '}';

  Columns columns;
  set_common_columns(columns, note.window_end_ns, note.tenant, note.rule, uid, Severity::informational);
  columns.set(Str::operation, note.kind);
  if (note.columns) set_join_columns(columns, *note.columns);
  columns.move_into(record);
  return record;
}

std::string format_bytes(double bytes) {
  static constexpr std::array units = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  return (unit == 0 ? std::to_string(static_cast<long>(bytes)) : significant(bytes)) + ' ' + units[unit];
}

std::string format_span(std::int64_t span_ns) {
  const double seconds = static_cast<double>(span_ns) / 1e9;
  if (seconds < 90) return significant(seconds) + " s";
  if (seconds < 5400) return significant(seconds / 60) + " min";
  if (seconds < 1.5 * 86400) return significant(seconds / 3600) + " h";
  return significant(seconds / 86400) + " days";
}

std::string format_classes(std::uint64_t data_classes) {
  std::string text;
  for (std::size_t i = 1; i < enums::data_class.words.size(); ++i)
    if (data_classes >> i & 1) {
      if (!text.empty()) text += ", ";
      text += enums::data_class.words[i];
    }
  return text;
}

std::string format_principal(std::string_view type, std::string_view principal) {
  if (type.empty() || type == "unknown" || principal.starts_with(type)) return std::string(principal);
  return std::string(type == "ci_job" ? "CI job" : type) + ' ' + std::string(principal);
}

std::string format_number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string destination_of(const Event& event) {
  if (event.has(Str::dst_host)) return std::string(event.get(Str::dst_host));
  if (const Ip* address = event.get(Addr::dst_ip)) return format_ip(*address);
  return {};
}

}  // namespace tidewaiter::detect
