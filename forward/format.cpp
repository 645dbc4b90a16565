#include "forward/format.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::forward {
namespace {

using Json = nlohmann::json;

std::string string_member(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

void append_number(std::string& out, std::string_view key, std::uint64_t value) {
  char digits[24];
  out += ",\"";
  out += key;
  out += "\":";
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void append_text(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  out += key;
  out += "\":";
  append_json_string(out, value);
}

// An event's object, or an alert's body as one line without its closing brace; "{" when the body is no object.
std::string open_object(const Envelope& envelope, const FormatOptions& options) {
  std::string out;
  if (envelope.kind == Envelope::Kind::event) {
    append_event_json(out, *envelope.event, options.mask_secrets);
  } else if (envelope.kind == Envelope::Kind::checkpoint) {
    const CheckpointLines lines = checkpoint_lines(envelope.body);
    out = "{\"type\":\"checkpoint\"";
    append_text(out, "origin", lines.origin);
    out += ",\"size\":" + std::string(lines.size);
    append_text(out, "root", lines.root);
    append_text(out, "checkpoint", envelope.body);
    out += '}';
  } else {
    const Json body = Json::parse(envelope.body, nullptr, false);
    // Parsed and written anew only when needed: the stored bytes are what a proof shows.
    const bool one_line = envelope.body.find_first_of("\r\n") == std::string_view::npos;
    if (!body.is_object()) {
      out = "{\"uid\":\"" + envelope.uid + "\"}";
    } else {
      const bool ready = one_line && envelope.body.starts_with("{\"") && envelope.body.ends_with('}');
      out = ready ? std::string(envelope.body) : body.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
  }
  out.pop_back();
  return out;
}

}  // namespace

std::string_view kind_word(Envelope::Kind kind) {
  switch (kind) {
    case Envelope::Kind::event: return "event";
    case Envelope::Kind::alert: return "alert";
    case Envelope::Kind::checkpoint: return "checkpoint";
  }
  return "unknown";
}

std::string rate_text(double sample_rate) {
  if (sample_rate >= 1) return {};
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, sample_rate, std::chars_format::general).ptr};
}

std::string item_uid(const Envelope& envelope) {
  if (envelope.kind != Envelope::Kind::alert) return envelope.uid;
  return envelope.uid + "." + std::to_string(envelope.revision);
}

Envelope event_envelope(const Commit& commit, std::uint32_t record, std::uint32_t sub, std::string_view log) {
  const Record& source = commit.records[record];
  Envelope out;
  out.kind = Envelope::Kind::event;
  out.event = &commit.events[source.first_event + sub];
  out.place = {commit.number, record, sub};
  out.sub = out.event->sub;
  out.uid = to_hex(as_view(event_uid(source, out.sub)));
  out.log = log;
  out.seq = source.seq;
  out.time_ns = out.event->has(Num::time) ? out.event->time_ns() : source.receive_time_ns;
  out.commit_time_ns = commit.time_ns;
  out.severity = static_cast<Severity>(out.event->get(Num::severity));
  return out;
}

Envelope alert_envelope(const Commit& commit, std::uint32_t record, std::string_view log) {
  const Record& source = commit.records[record];
  Envelope out;
  out.kind = Envelope::Kind::alert;
  out.place = {commit.number, record, 0};
  out.log = log;
  out.seq = source.seq;
  out.time_ns = source.receive_time_ns;
  out.commit_time_ns = commit.time_ns;
  out.event = source.event_count > 0 ? &commit.events[source.first_event] : nullptr;
  out.body = source.value;
  const Json body = Json::parse(source.value, nullptr, false);
  if (body.is_object()) {
    out.uid = string_member(body, "uid");
    out.title = string_member(body, "title");
    out.detector = string_member(body, "detector");
    out.rule = string_member(body, "rule");
    if (const auto it = body.find("revision"); it != body.end() && it->is_number_unsigned())
      out.revision = it->get<std::uint64_t>();
    if (const auto time = parse_rfc3339(string_member(body, "time"))) out.time_ns = *time;
    if (const auto severity = enums::severity.find(string_member(body, "severity")))
      out.severity = static_cast<Severity>(*severity);
  }
  if (out.uid.empty()) {
    const std::string place = std::string(log) + "/" + std::to_string(source.seq) + "/";
    out.uid = to_hex(as_view(sha256(place + std::string(source.value))));
  }
  return out;
}

Envelope checkpoint_envelope(const Commit& commit, std::uint32_t record, std::string_view log) {
  Envelope out;
  out.kind = Envelope::Kind::checkpoint;
  out.place = {commit.number, record, 0};
  out.uid = to_hex(as_view(sha256(commit.head)));
  out.log = log;
  out.seq = commit.records[record].seq;
  out.time_ns = out.commit_time_ns = commit.time_ns;
  out.severity = Severity::informational;
  out.body = commit.head;
  return out;
}

CheckpointLines checkpoint_lines(std::string_view note) {
  const auto line = [&] {
    const std::string_view found = note.substr(0, note.find('\n'));
    note.remove_prefix(std::min(note.size(), found.size() + 1));
    return found;
  };
  CheckpointLines lines;
  lines.origin = line();
  lines.size = line();
  lines.root = line();
  return lines;
}

std::string to_json(const Envelope& envelope, const FormatOptions& options) {
  std::string out = open_object(envelope, options);
  const bool alert = envelope.kind == Envelope::Kind::alert, event = envelope.kind == Envelope::Kind::event;
  const std::size_t start = out.size();
  if (!alert) append_text(out, "uid", envelope.uid);
  append_text(out, "log", envelope.log);
  append_number(out, "seq", envelope.seq);
  if (event) append_number(out, "sub", envelope.sub);
  append_number(out, "commit", envelope.place.commit);
  if (event && envelope.sample_rate < 1) out += ",\"sample_rate\":" + rate_text(envelope.sample_rate);
  if (start == 1) out.erase(1, 1);  // nothing stood before the first comma
  if (alert) {
    const std::string& base = options.link_base;
    out += ",\"links\":{\"alert\":";
    append_json_string(out, base + "/v1/alerts?uid=" + envelope.uid);
    append_text(out, "proof", base + "/v1/proof?log=" + std::string(envelope.log) + "&seq=" + std::to_string(envelope.seq));
    out += '}';
  }
  out += '}';
  return out;
}

int cef_severity(Severity severity) {
  switch (severity) {
    case Severity::critical: return 10;
    case Severity::high: return 8;
    case Severity::medium: return 5;
    case Severity::low: return 3;
    case Severity::informational: return 1;
    case Severity::unknown: return 0;
  }
  return 0;
}

int syslog_severity(Severity severity) {
  switch (severity) {
    case Severity::critical: return 2;
    case Severity::high: return 3;
    case Severity::medium: return 4;
    case Severity::low: return 5;
    case Severity::informational:
    case Severity::unknown: return 6;
  }
  return 6;
}

}  // namespace tidewaiter::forward
